//! The columns of a batch while they grow.

use crate::extra::ExtraColumn;
use crate::frame::{FrameBatch, Origin, Parts, timestamps};
use crate::vehicle::Slot;
use arrow::array::{ArrowPrimitiveType, BooleanArray, PrimitiveArray, UInt16Array, UInt32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{Float32Type, Int16Type, UInt16Type};
use std::sync::Arc;

/// A value that only some frames have. Costs nothing until the first one comes.
pub(crate) struct Optional<T> {
    pub(crate) values: Vec<T>,
    pub(crate) present: Vec<bool>,
}

impl<T> Default for Optional<T> {
    fn default() -> Self {
        Optional { values: Vec::new(), present: Vec::new() }
    }
}

impl<T: Copy + Default> Optional<T> {
    #[inline]
    pub(crate) fn push(&mut self, row: usize, value: Option<T>) {
        if let Some(value) = value {
            if self.values.len() < row {
                self.fill(row);
            }
            self.values.push(value);
            self.present.push(true);
        }
    }

    #[cold]
    pub(crate) fn fill(&mut self, rows: usize) {
        self.values.resize(rows, T::default());
        self.present.resize(rows, false);
    }

    /// The values of so many rows and which of them there are; `None` if no row has one.
    pub(crate) fn take(&mut self, rows: usize) -> Option<(Vec<T>, Option<NullBuffer>)> {
        if self.values.is_empty() {
            return None;
        }
        self.fill(rows);
        let (values, present) = (std::mem::take(&mut self.values), std::mem::take(&mut self.present));
        let nulls = (!present.iter().all(|p| *p)).then(|| NullBuffer::from(present));
        Some((values, nulls))
    }

    pub(crate) fn finish<P: ArrowPrimitiveType<Native = T>>(&mut self, rows: usize) -> Option<PrimitiveArray<P>>
    where
        T: arrow::datatypes::ArrowNativeType,
    {
        self.take(rows).map(|(values, nulls)| PrimitiveArray::new(values.into(), nulls))
    }
}

/// Columns of one shard while they grow.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) vehicle: Vec<Slot>,
    pub(super) lane: Vec<u16>,
    pub(super) event_time: Vec<i64>,
    pub(super) received_at: Vec<i64>,
    pub(super) lat: Vec<f64>,
    pub(super) lon: Vec<f64>,
    pub(super) altitude_m: Optional<f32>,
    pub(super) speed_mps: Optional<f32>,
    pub(super) heading_deg: Optional<f32>,
    pub(super) accuracy_m: Optional<f32>,
    pub(super) hdop: Optional<f32>,
    pub(super) satellites: Optional<i16>,
    pub(super) no_fix: Vec<bool>,
    pub(super) offset: Vec<i64>,
    pub(super) part: Optional<u16>,
    pub(super) extra: Vec<ExtraColumn>,
}

impl Columns {
    fn with_capacity(rows: usize) -> Columns {
        Columns {
            vehicle: Vec::with_capacity(rows),
            lane: Vec::with_capacity(rows),
            event_time: Vec::with_capacity(rows),
            received_at: Vec::with_capacity(rows),
            lat: Vec::with_capacity(rows),
            lon: Vec::with_capacity(rows),
            offset: Vec::with_capacity(rows),
            ..Columns::default()
        }
    }

    pub(super) fn finish(&mut self, origin: Origin, parts: &Arc<[Arc<str>]>) -> FrameBatch {
        let rows = self.vehicle.len();
        let mut columns = std::mem::replace(self, Columns::with_capacity(rows));
        self.extra = std::mem::take(&mut columns.extra);
        let no_fix = (!columns.no_fix.is_empty()).then(|| {
            columns.no_fix.resize(rows, false);
            BooleanArray::from(columns.no_fix)
        });
        FrameBatch {
            origin,
            vehicle: UInt32Array::new(columns.vehicle.into(), None),
            lane: UInt16Array::new(columns.lane.into(), None),
            event_time: timestamps(columns.event_time),
            received_at: timestamps(columns.received_at),
            lat: PrimitiveArray::new(columns.lat.into(), None),
            lon: PrimitiveArray::new(columns.lon.into(), None),
            altitude_m: columns.altitude_m.finish::<Float32Type>(rows),
            speed_mps: columns.speed_mps.finish::<Float32Type>(rows),
            heading_deg: columns.heading_deg.finish::<Float32Type>(rows),
            accuracy_m: columns.accuracy_m.finish::<Float32Type>(rows),
            hdop: columns.hdop.finish::<Float32Type>(rows),
            satellites: columns.satellites.finish::<Int16Type>(rows),
            no_fix,
            offset: PrimitiveArray::new(columns.offset.into(), None),
            parts: columns.part.finish::<UInt16Type>(rows).map(|part| Parts { names: parts.clone(), part }),
            late: BooleanArray::new(BooleanBuffer::new_unset(rows), None),
            lane_clock: ScalarBuffer::from(vec![i64::MIN; rows]),
            clock_before: None,
            zones: None,
            extra: self.extra.iter_mut().filter_map(|column| column.finish(rows)).collect(),
        }
    }
}
