//! What `[operator.window]` means once checked.

/// What is worked out for each key and window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aggregate {
    Count,
    Min(String),
    Max(String),
    Avg(String),
    Sum(String),
    /// Value of the frame that is first by event time; of several, the one that arrived first.
    First(String),
    /// Value of the frame that is last by event time; of several, the one that arrived last.
    Last(String),
    /// Metres driven: the sum over frames of the distance from the vehicle's frame before.
    Distance,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    #[error("unknown aggregate \"{0}\"; there are count, min(x), max(x), avg(x), sum(x), first(x), last(x), distance")]
    Unknown(String),
    #[error("{0} takes a column, as in \"{0}(speed_mps)\"")]
    NeedsColumn(String),
    #[error("{0} takes no column: write \"{0}\"")]
    TakesNone(String),
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
            | Aggregate::Last(c) => Some(c),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct WindowConfig {
    /// The table is `windows_<name>`.
    pub name: String,
    /// Width; windows are aligned to 1970-01-01T00:00:00Z. Microseconds.
    pub every_us: i64,
    /// Columns: any of the frame, of enrich, `zone_id` (a frame counts once in each of its zones).
    pub key: Vec<String>,
    /// By the name of their column in the table.
    pub aggregates: Vec<(String, Aggregate)>,
    /// The engine's: a window closes when its lane's clock is this far past its end, and takes late frames, each
    /// giving a new revision, until it is twice as far. Microseconds.
    pub lateness_us: i64,
}
