//! The columns that frames have at a place in the chain, and how further ones may be called.

use crate::config::value::ValueKind;
use arrow::datatypes::FieldRef;
use rhumb_engine::frame::core_columns;
use rhumb_operators::window::cell_resolution;

/// Columns that the history has beside those of frames.
const OF_THE_LAKE: [&str; 2] = ["epoch", "event_date"];
/// Names that mean something else where columns are named.
pub const OF_THE_GEOFENCE: [&str; 2] = ["zone_id", "zone_ids"];

/// Why frames that have the columns of the core and `others` can have no further one of this name. Two names that differ
/// in nothing but capitals are one: the tables of the lake know them as one.
pub fn why_no_column<'a>(name: &str, mut others: impl Iterator<Item = &'a str>) -> Option<String> {
    let is = |other: &str| other.eq_ignore_ascii_case(name);
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && (1..=64).contains(&name.len());
    if !is_plain {
        Some(format!("\"{name}\" cannot name a column; names are up to 64 letters, digits and _"))
    } else if core_columns().iter().any(|column| is(column.name())) || others.any(is) {
        Some(format!("frames have a column \"{name}\" already; give this one another name"))
    } else if OF_THE_LAKE.into_iter().any(is) {
        Some(format!("the history has a column \"{name}\" of its own; give this one another name"))
    } else if OF_THE_GEOFENCE.into_iter().any(is) || cell_resolution(name).is_some() {
        Some(format!("\"{name}\" means zones or cells in the key of a window; give this one another name"))
    } else {
        None
    }
}

/// Columns so far, and what is known of the operators around.
pub struct Columns {
    fields: Vec<FieldRef>,
    /// How many of them the operators before this one have.
    told: usize,
    /// Where this operator stands, and where the last geofence does.
    pub place: usize,
    pub geofence_at: Option<usize>,
}

impl Columns {
    /// Those of the core, and what sources add to them.
    pub fn of_frames(sources: impl Iterator<Item = FieldRef>) -> Columns {
        let mut columns = Columns { told: 0, fields: core_columns(), place: 0, geofence_at: None };
        for column in sources {
            // A second source may have it too: `shared_columns` sees to its type.
            columns.add(column);
        }
        columns.told = columns.fields.len();
        columns
    }

    /// Adds one; false if frames have a column of this name already, whatever its capitals.
    pub fn add(&mut self, field: FieldRef) -> bool {
        let new = !self.fields.iter().any(|known| known.name().eq_ignore_ascii_case(field.name()));
        if new {
            self.fields.push(field);
        }
        new
    }

    /// What was added since the last call.
    pub fn take_added(&mut self) -> Vec<FieldRef> {
        let added = self.fields[self.told..].to_vec();
        self.told = self.fields.len();
        added
    }

    pub fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    pub fn kind(&self, name: &str) -> Option<ValueKind> {
        self.fields.iter().find(|field| field.name() == name).map(|field| ValueKind::of(field.data_type()))
    }

    pub fn names(&self, keep: impl Fn(ValueKind) -> bool) -> Vec<&str> {
        self.fields.iter().filter(|f| keep(ValueKind::of(f.data_type()))).map(|f| f.name().as_str()).collect()
    }

    /// Whether a geofence stands before this operator.
    pub fn zones(&self) -> bool {
        self.kind("zone_ids").is_some()
    }
}
