//! `enrich`: adds columns to frames: from a table by vehicle, from the frame before, and the cells that they lie in.

mod cells;
mod config;
mod conform;
mod csv;
mod parquet;
mod table;

pub use cells::Cell;
pub use config::{Added, EnrichConfig};
pub use table::{TableError, TableFormat, TablePlace, VehicleTable};

use crate::fix::{AHEAD, Fix, Newest};
use crate::wording;
use arrow::array::{Array, ArrayRef, DictionaryArray, Float64Array, UInt32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType, Field, FieldRef};
use rhumb_engine::effects::Effects;
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::operator::{Operator, OperatorPlan, ShardContext};
use rhumb_engine::reference::{Change, Content, Reference};
use rhumb_engine::sphere::{self, distances_m};
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::time::SECOND_US;
use rhumb_engine::vehicle::{Slot, Vehicles};
use std::sync::Arc;

/// Nearer than this, the direction between two fixes says nothing.
const BEARING_MIN_M: f64 = 1.0;

/// `[operator.enrich]`, planned.
pub struct EnrichPlan {
    name: String,
    config: EnrichConfig,
    reference: Option<Arc<dyn Reference>>,
}

/// A version of the table, as `Change` has it. Its columns are those of the plan.
pub fn version(table: Arc<VehicleTable>) -> Content {
    table
}

impl EnrichPlan {
    pub fn new(name: impl Into<String>, config: EnrichConfig) -> EnrichPlan {
        EnrichPlan { name: name.into(), config, reference: None }
    }

    /// Its table may change while it runs.
    pub fn with_reference(self, reference: Arc<dyn Reference>) -> EnrichPlan {
        EnrichPlan { reference: Some(reference), ..self }
    }
}

impl OperatorPlan for EnrichPlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn columns(&self) -> Vec<FieldRef> {
        let of_table = self.config.table.iter().flat_map(|t| t.columns()).map(|(field, _)| picked(field));
        let added = self.config.add.iter().map(|added| added.field());
        of_table.chain(added).chain(self.config.cells.iter().map(|cell| cell.field())).collect()
    }

    fn reference(&self) -> Option<Arc<dyn Reference>> {
        self.reference.clone()
    }

    fn build(&self, context: &ShardContext) -> Box<dyn Operator> {
        Box::new(Enrich {
            name: self.name.clone(),
            config: self.config.clone(),
            vehicles: context.vehicles.clone(),
            rows: Vec::new(),
            newest: Newest::default(),
        })
    }
}

impl Added {
    pub fn field(self) -> FieldRef {
        Arc::new(Field::new(self.name(), DataType::Float64, true))
    }
}

/// How two versions of the table differ, in a few words.
///
/// # Panics
/// If one of them is none.
pub fn difference(before: &Content, after: &Content) -> String {
    let table = |content: &Content| -> Arc<VehicleTable> {
        content.clone().downcast().expect("versions of a table are tables")
    };
    let [before, after] = [before, after].map(table);
    let rows = |table: &VehicleTable| {
        let columns: Vec<ArrayRef> = table.columns().iter().map(|(_, values)| values.clone()).collect();
        move |row: u32| columns.iter().map(|values| values.slice(row as usize, 1)).collect::<Vec<_>>()
    };
    let (row_before, row_after) = (rows(&before), rows(&after));
    let is_changed = |vehicle: &&str| {
        let (was, is) = (before.row(vehicle), after.row(vehicle));
        was.zip(is).is_some_and(|(was, is)| row_before(was) != row_after(is))
    };
    let changed = before.vehicles().filter(is_changed).count();
    let stay = before.vehicles().filter(|vehicle| after.row(vehicle).is_some()).count();
    let [were, are] = [&before, &after].map(|table| table.vehicles().count());
    wording::difference("vehicle", are - stay, were - stay, changed)
}

/// Row of a vehicle in the table, looked up once.
#[derive(Debug, Clone, Copy)]
enum TableRow {
    NotLooked,
    At(Option<u32>),
}

/// The machine of one shard.
struct Enrich {
    name: String,
    config: EnrichConfig,
    vehicles: Arc<Vehicles>,
    /// By slot; empty without a table.
    rows: Vec<TableRow>,
    newest: Newest,
}

impl Operator for Enrich {
    fn process(&mut self, mut frames: FrameBatch, _: &mut Effects) -> FrameBatch {
        if let Some(table) = self.config.table.clone() {
            let rows = self.table_rows(&table, frames.slots());
            frames.extra.extend(table.columns().iter().map(|(field, values)| (picked(field), pick(values, &rows))));
        }
        if !self.config.add.is_empty() {
            let steps = self.steps(&frames);
            frames.extra.extend(self.config.add.iter().map(|added| (added.field(), steps.column(*added))));
        }
        let cells: Vec<_> = self.config.cells.iter().map(|cell| (cell.field(), cell.column(&frames))).collect();
        frames.extra.extend(cells);
        frames
    }

    fn change(&mut self, change: &Change, _: &mut Effects) {
        if *change.operator == *self.name
            && let Ok(table) = change.content.clone().downcast::<VehicleTable>()
        {
            self.config.table = Some(table);
            self.rows.clear();
        }
    }

    fn snapshot(&self, state: &mut StateWriter) {
        self.newest.snapshot("before", &self.vehicles, state);
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        self.newest.restore("before", &self.vehicles, state)
    }
}

/// From each frame's vehicle's frame before to it; NaN where there is none, empty where nobody asks.
struct Steps {
    distance_m: Vec<f64>,
    seconds: Vec<f64>,
    bearing_deg: Vec<f64>,
}

impl Steps {
    fn column(&self, added: Added) -> ArrayRef {
        let values = match added {
            Added::DistanceM => self.distance_m.clone(),
            Added::ComputedHeadingDeg => self.bearing_deg.clone(),
            Added::ComputedSpeedMps => {
                let speed = |(metres, seconds): (&f64, &f64)| if *seconds > 0.0 { metres / seconds } else { f64::NAN };
                self.distance_m.iter().zip(&self.seconds).map(speed).collect()
            }
        };
        let nulls = values
            .iter()
            .any(|value| value.is_nan())
            .then(|| NullBuffer::new(BooleanBuffer::collect_bool(values.len(), |row| !values[row].is_nan())));
        Arc::new(Float64Array::new(values.into(), nulls))
    }
}

impl Enrich {
    fn table_rows(&mut self, table: &VehicleTable, slots: &[Slot]) -> UInt32Array {
        self.rows.resize(self.rows.len().max(self.vehicles.len()), TableRow::NotLooked);
        let row_of = |slot: &Slot| match self.rows[*slot as usize] {
            TableRow::At(row) => row,
            TableRow::NotLooked => {
                let row = table.row(self.vehicles.id(*slot));
                self.rows[*slot as usize] = TableRow::At(row);
                row
            }
        };
        slots.iter().map(row_of).collect()
    }

    fn steps(&mut self, frames: &FrameBatch) -> Steps {
        self.newest.reach(self.vehicles.len());
        let rows_of = |added| vec![f64::NAN; if self.config.add.contains(&added) { frames.len() } else { 0 }];
        let mut seconds = rows_of(Added::ComputedSpeedMps);
        let mut bearing_deg = rows_of(Added::ComputedHeadingDeg);
        let (mut lat, mut lon) = (vec![f64::NAN; frames.len()], vec![f64::NAN; frames.len()]);
        let (slots, late) = (frames.slots(), frames.late.values());
        for row in 0..frames.len() {
            if let Some(slot) = slots.get(row + AHEAD) {
                self.newest.prefetch(*slot);
            }
            if late.value(row) {
                continue;
            }
            let now = Fix::of(frames, row);
            let Some(before) = self.newest.replace(slots[row], now) else { continue };
            (lat[row], lon[row]) = before.place();
            if let Some(seconds) = seconds.get_mut(row) {
                *seconds = (now.time - before.time) as f64 / SECOND_US as f64;
            }
        }
        let distance_m = distances_m((&lat, &lon), (frames.lat.values(), frames.lon.values()));
        for (row, bearing_deg) in
            bearing_deg.iter_mut().enumerate().filter(|(row, _)| distance_m[*row] >= BEARING_MIN_M)
        {
            *bearing_deg = sphere::bearing_deg((lat[row], lon[row]), Fix::of(frames, row).place());
        }
        Steps { distance_m, seconds, bearing_deg }
    }
}

/// A column of the table as frames have it.
fn picked(field: &FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::Utf8 => {
            let text = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
            Arc::new(Field::new(field.name(), text, field.is_nullable()))
        }
        _ => field.clone(),
    }
}

/// Strings are not copied a row: the batch refers to the table's.
fn pick(values: &ArrayRef, rows: &UInt32Array) -> ArrayRef {
    match values.data_type() {
        DataType::Utf8 => Arc::new(DictionaryArray::new(rows.clone(), values.clone())),
        _ => arrow::compute::take(values, rows, None).expect("rows are of the table"),
    }
}
