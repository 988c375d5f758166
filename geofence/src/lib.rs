//! Zones and which of them hold a point: pure geometry, without Arrow, I/O or a clock.
//!
//! [`Zones::from_geojson`] reads and checks a file, reporting all its problems at once, and builds an index over it.
//! [`Zones::containing_batch`] then answers for columns of positions, [`Zones::containing`] for one. Answers are
//! exact: the same as a scan over all shapes with exact predicates.
//!
//! ```
//! use rhumb_geofence::{Position, ZoneOptions, Zones};
//!
//! let text = r#"{"type": "FeatureCollection", "features": [{
//!     "type": "Feature", "id": "yard", "properties": {},
//!     "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]]}
//! }]}"#;
//! let (zones, warnings) = Zones::from_geojson(text, &ZoneOptions::default()).expect("a valid file");
//! assert!(warnings.is_empty());
//!
//! let mut inside = Vec::new();
//! zones.containing(Position::new(1.0, 2.0)?, &mut inside); // on the border
//! assert_eq!(inside, [zones.find("yard").expect("the zone")]);
//! # Ok::<(), rhumb_geofence::PositionError>(())
//! ```

mod antimeridian;
mod bounds;
mod check;
mod circle;
mod coordinates;
mod corridor;
mod crossing;
mod distance;
mod geojson;
mod index;
mod nearest;
mod passage;
mod position;
mod prefetch;
mod problem;
mod ring;
mod runs;
mod swapped;
mod zone;
mod zones;

pub use circle::{Circle, EARTH_RADIUS_M};
pub use corridor::Corridor;
pub use crossing::Side;
pub use index::IndexStats;
pub use nearest::{Nearest, NearestScratch};
pub use position::{Position, PositionError};
pub use prefetch::prefetch_element;
pub use problem::{Problem, RingPlace, Severity, Vertex, What};
pub use ring::Ring;
pub use zone::{Polygon, Shape, Zone};
pub use zones::{ZoneLists, ZoneOptions, Zones};
