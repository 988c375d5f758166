//! The columns that frames have at a place in the chain.

use crate::config::value::ValueKind;
use arrow::datatypes::FieldRef;
use rhumb_engine::frame::core_columns;

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

    /// Adds one; false if frames have a column of this name already.
    pub fn add(&mut self, field: FieldRef) -> bool {
        let new = self.kind(field.name()).is_none();
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
