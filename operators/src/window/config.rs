//! What `[operator.window]` means once checked.

use rhumb_engine::definition::Definition;
use rhumb_engine::time::duration_text;
use std::fmt;

/// What is worked out for each key and window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aggregate {
    Count,
    Min(String),
    Max(String),
    Avg(String),
    Sum(String),
    /// Value of the frame that is first by event time; of several, the smallest.
    First(String),
    /// Value of the frame that is last by event time; of several, the largest.
    Last(String),
    /// Metres driven: the sum over frames of the distance from the vehicle's frame before.
    Distance,
    /// The value that this share of values does not exceed, within 0.8 %.
    Quantile(String, Share),
    /// How many different values; exact up to 512, above with a standard error of 1.6 %.
    Distinct(String),
}

/// More than nothing and less than all, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u32);

impl Share {
    fn parse(text: &str) -> Option<Share> {
        let share: f64 = text.parse().ok()?;
        let millionths = (share * 1e6).round();
        (share > 0.0 && share < 1.0 && (1.0..1e6).contains(&millionths)).then_some(Share(millionths as u32))
    }

    pub fn value(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    #[error(
        "unknown aggregate \"{0}\"; there are count, min(x), max(x), avg(x), sum(x), first(x), last(x), distance, \
         quantile(x, 0.95), p95(x), median(x), count_distinct(x)"
    )]
    Unknown(String),
    #[error("{0} takes a column, as in \"{0}(speed_mps)\"")]
    NeedsColumn(String),
    #[error("{0} takes no column: write \"{0}\"")]
    TakesNone(String),
    #[error("quantile takes a column and a share between 0 and 1, as in \"quantile(speed_mps, 0.95)\"")]
    NeedsShare,
}

impl Aggregate {
    /// Reads `avg(speed_mps)`, `count`, and so on.
    pub fn parse(text: &str) -> Result<Aggregate, AggregateError> {
        let (name, column) = match text.trim().split_once('(') {
            None => (text.trim(), None),
            Some((name, rest)) => {
                let inner = rest.strip_suffix(')').ok_or_else(|| AggregateError::Unknown(text.to_owned()))?;
                (name.trim(), Some(inner.trim()).filter(|c| !c.is_empty()))
            }
        };
        let of = |make: fn(String) -> Aggregate| match column {
            Some(column) => Ok(make(column.to_owned())),
            None => Err(AggregateError::NeedsColumn(name.to_owned())),
        };
        let plain = |aggregate| match column {
            None => Ok(aggregate),
            Some(_) => Err(AggregateError::TakesNone(name.to_owned())),
        };
        match name {
            "count" => plain(Aggregate::Count),
            "distance" => plain(Aggregate::Distance),
            "min" => of(Aggregate::Min),
            "max" => of(Aggregate::Max),
            "avg" => of(Aggregate::Avg),
            "sum" => of(Aggregate::Sum),
            "first" => of(Aggregate::First),
            "last" => of(Aggregate::Last),
            "count_distinct" => of(Aggregate::Distinct),
            "median" => of(|column| Aggregate::Quantile(column, Share(500_000))),
            "quantile" => {
                let (column, share) =
                    column.and_then(|inner| inner.split_once(',')).ok_or(AggregateError::NeedsShare)?;
                let share = Share::parse(share.trim()).ok_or(AggregateError::NeedsShare)?;
                match column.trim() {
                    "" => Err(AggregateError::NeedsShare),
                    column => Ok(Aggregate::Quantile(column.to_owned(), share)),
                }
            }
            name if percent(name).is_some() => match (column, percent(name)) {
                (Some(column), Some(share)) => Ok(Aggregate::Quantile(column.to_owned(), share)),
                _ => Err(AggregateError::NeedsColumn(name.to_owned())),
            },
            _ => Err(AggregateError::Unknown(text.to_owned())),
        }
    }

    /// The column that it reads.
    pub fn column(&self) -> Option<&str> {
        match self {
            Aggregate::Count | Aggregate::Distance => None,
            Aggregate::Min(c)
            | Aggregate::Max(c)
            | Aggregate::Avg(c)
            | Aggregate::Sum(c)
            | Aggregate::First(c)
            | Aggregate::Last(c)
            | Aggregate::Quantile(c, _)
            | Aggregate::Distinct(c) => Some(c),
        }
    }
}

/// As one would type it.
impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = match self {
            Aggregate::Count => "count",
            Aggregate::Distance => "distance",
            Aggregate::Min(_) => "min",
            Aggregate::Max(_) => "max",
            Aggregate::Avg(_) => "avg",
            Aggregate::Sum(_) => "sum",
            Aggregate::First(_) => "first",
            Aggregate::Last(_) => "last",
            Aggregate::Distinct(_) => "count_distinct",
            Aggregate::Quantile(column, share) => return write!(f, "quantile({column}, {})", share.value()),
        };
        match self.column() {
            Some(column) => write!(f, "{name}({column})"),
            None => f.write_str(name),
        }
    }
}

/// `p1` to `p99`.
fn percent(name: &str) -> Option<Share> {
    let digits = name.strip_prefix('p').filter(|digits| digits.len() <= 2 && !digits.starts_with('0'))?;
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok().map(|percent: u32| Share(percent * 10_000)))?
}

/// Which frames are one window. Microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Windows `size_us` wide that start at multiples of `every_us` since 1970-01-01T00:00:00Z. The width is a multiple
    /// of `every_us`: itself, or windows overlap.
    Fixed { every_us: i64, size_us: i64 },
    /// Frames of a key between which there is never more than `gap_us`.
    Session { gap_us: i64 },
}

impl Shape {
    pub fn tumbling(every_us: i64) -> Shape {
        Shape::Fixed { every_us, size_us: every_us }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct WindowConfig {
    /// The table is `windows_<name>`.
    pub name: String,
    pub shape: Shape,
    /// Columns: any of the frame, of enrich, `zone_id` (a frame counts once in each of its zones), `h3_0` to `h3_15`
    /// (the cell of this resolution).
    pub key: Vec<String>,
    /// By the name of their column in the table.
    pub aggregates: Vec<(String, Aggregate)>,
    /// The engine's: a window closes when its lane's clock is this far past its end, and takes late frames, each
    /// giving a new revision, until it is twice as far. Microseconds.
    pub lateness_us: i64,
    /// So many of a vehicle's newest frames are kept, between which a late one finds its place; for `distance`.
    pub path_keep: usize,
    /// Zones for which a window without frames is told too; for windows of fixed width keyed by `zone_id` alone.
    pub empty_zones: Vec<String>,
}

impl WindowConfig {
    /// What its open windows and its table depend on. Not `lateness`, paths or zones without frames: those may change.
    pub fn definition(&self) -> Definition {
        let aggregates: Vec<String> = self.aggregates.iter().map(|(name, of)| format!("{name} = {of}")).collect();
        let mut settings = vec![("key", self.key.join(", ")), ("aggregates", aggregates.join(", "))];
        match self.shape {
            Shape::Fixed { every_us, size_us } => {
                settings.push(("every", duration_text(every_us)));
                settings.extend((size_us != every_us).then(|| ("size", duration_text(size_us))));
            }
            Shape::Session { gap_us } => settings.push(("gap", duration_text(gap_us))),
        }
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
