//! `FrameBatch`: frames of one shard in columns. The core columns are typed Arrow arrays, so hot loops see
//! slices; what operators add stands beside them by name.

use crate::time::EventTime;
use crate::vehicle::{Slot, Vehicles};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Float32Array, Float64Array, Int16Array, Int64Array, ListArray,
    PrimitiveArray, StringArray, TimestampMicrosecondArray, UInt16Array, UInt32Array,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::{FilterBuilder, FilterPredicate};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use std::ops::Range;
use std::sync::Arc;

/// One GPS report of one vehicle, as a codec hands it over. Units: degrees, metres, metres a second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Frame<'a> {
    pub vehicle: &'a str,
    pub event_time: EventTime,
    /// When the frame reached a receiver, if the input says so; otherwise the source's own time of receipt counts.
    pub received_at: Option<EventTime>,
    pub lat: f64,
    pub lon: f64,
    pub altitude_m: Option<f32>,
    pub speed_mps: Option<f32>,
    pub heading_deg: Option<f32>,
    pub accuracy_m: Option<f32>,
    pub hdop: Option<f32>,
    pub satellites: Option<i16>,
    /// The device itself says that it has no fix: the position is its last or a guess.
    pub no_fix: bool,
}

/// Where a batch comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name of the source in the pipeline.
    pub source: Arc<str>,
    /// Name of the partition in the source: a file, a socket, a topic's partition.
    pub partition: Arc<str>,
}

/// Which of several partitions, merged into one, each frame of a batch comes from.
#[derive(Debug, Clone)]
pub struct Parts {
    pub names: Arc<[Arc<str>]>,
    /// Place of its name in `names`.
    pub part: UInt16Array,
}

/// Zones that each frame is in, as ordinals into `ids`; ascending within a frame.
#[derive(Debug, Clone)]
pub struct ZoneLists {
    pub offsets: OffsetBuffer<i32>,
    pub zones: ScalarBuffer<u32>,
    /// Zone id by ordinal.
    pub ids: Arc<StringArray>,
}

impl ZoneLists {
    #[inline]
    pub fn of(&self, row: usize) -> &[u32] {
        &self.zones[self.range(row)]
    }

    /// Where the zones of a row stand in `zones`.
    #[inline]
    pub fn range(&self, row: usize) -> Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }

    fn filter(&self, keep: &BooleanArray) -> ZoneLists {
        let mut offsets = Vec::with_capacity(keep.true_count() + 1);
        let mut zones = Vec::with_capacity(self.zones.len());
        offsets.push(0);
        for row in keep.values().set_indices() {
            zones.extend_from_slice(self.of(row));
            offsets.push(zones.len() as i32);
        }
        ZoneLists { offsets: OffsetBuffer::new(offsets.into()), zones: zones.into(), ids: self.ids.clone() }
    }
}

/// Frames of one shard from one partition, in the order in which they arrived.
#[derive(Debug, Clone)]
pub struct FrameBatch {
    pub origin: Origin,
    pub vehicle: UInt32Array,
    pub lane: UInt16Array,
    pub event_time: TimestampMicrosecondArray,
    pub received_at: TimestampMicrosecondArray,
    pub lat: Float64Array,
    pub lon: Float64Array,
    /// `None`: no frame of the batch has a value.
    pub altitude_m: Option<Float32Array>,
    pub speed_mps: Option<Float32Array>,
    pub heading_deg: Option<Float32Array>,
    pub accuracy_m: Option<Float32Array>,
    pub hdop: Option<Float32Array>,
    pub satellites: Option<Int16Array>,
    /// `None`: every frame has a fix as far as its device says.
    pub no_fix: Option<BooleanArray>,
    /// Where the frame stands in its partition.
    pub offset: Int64Array,
    /// `None`: every frame comes from the partition of `origin`.
    pub parts: Option<Parts>,
    /// Older than the newest accepted frame of its vehicle. Set by `Timeline`; all false before it.
    pub late: BooleanArray,
    /// The lane's clock when the frame was accepted, the frame included. Set by `Timeline`.
    pub lane_clock: ScalarBuffer<i64>,
    /// The lane's clock before each frame, where frames that a filter dropped had moved it; `i64::MIN` where the batch
    /// has none before it. `None`: it is that of the frame before in the lane. Set by filters.
    pub clock_before: Option<ScalarBuffer<i64>>,
    /// Set by the geofence operator.
    pub zones: Option<ZoneLists>,
    /// Columns that enrich and derive add.
    pub extra: Vec<(FieldRef, ArrayRef)>,
}

/// `timestamp(us, UTC)`, the type of every time in every table.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Times as an Arrow column.
pub fn timestamps(values: impl Into<ScalarBuffer<i64>>) -> TimestampMicrosecondArray {
    TimestampMicrosecondArray::new(values.into(), None).with_timezone("UTC")
}

impl FrameBatch {
    /// No rows, from nowhere.
    pub fn empty() -> FrameBatch {
        FrameBatch {
            origin: Origin { source: "".into(), partition: "".into() },
            vehicle: Vec::<u32>::new().into(),
            lane: Vec::<u16>::new().into(),
            event_time: timestamps(Vec::new()),
            received_at: timestamps(Vec::new()),
            lat: Vec::<f64>::new().into(),
            lon: Vec::<f64>::new().into(),
            altitude_m: None,
            speed_mps: None,
            heading_deg: None,
            accuracy_m: None,
            hdop: None,
            satellites: None,
            no_fix: None,
            offset: Vec::<i64>::new().into(),
            parts: None,
            late: Vec::<bool>::new().into(),
            lane_clock: Vec::new().into(),
            clock_before: None,
            zones: None,
            extra: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.vehicle.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub fn slots(&self) -> &[Slot] {
        self.vehicle.values()
    }

    #[inline]
    pub fn times(&self) -> &[i64] {
        self.event_time.values()
    }

    /// The rows for which `keep` is true. Costs nothing when all are.
    ///
    /// # Panics
    /// If `keep` is not one flag a row.
    pub fn retain(self, keep: &[bool]) -> FrameBatch {
        assert_eq!(keep.len(), self.len(), "one flag a row");
        if keep.iter().all(|k| *k) {
            return self;
        }
        let by = &Kept::new(keep);
        let clock = Int64Array::new(self.lane_clock, None);
        FrameBatch {
            origin: self.origin,
            vehicle: by.of(self.vehicle),
            lane: by.of(self.lane),
            event_time: by.of(self.event_time),
            received_at: by.of(self.received_at),
            lat: by.of(self.lat),
            lon: by.of(self.lon),
            altitude_m: self.altitude_m.map(|a| by.of(a)),
            speed_mps: self.speed_mps.map(|a| by.of(a)),
            heading_deg: self.heading_deg.map(|a| by.of(a)),
            accuracy_m: self.accuracy_m.map(|a| by.of(a)),
            hdop: self.hdop.map(|a| by.of(a)),
            satellites: self.satellites.map(|a| by.of(a)),
            no_fix: self.no_fix.map(|a| by.filtered(&a)),
            offset: by.of(self.offset),
            parts: self.parts.map(|p| Parts { part: by.of(p.part), ..p }),
            late: by.filtered(&self.late),
            lane_clock: by.of(clock).values().clone(),
            clock_before: self.clock_before.map(|clock| by.of(Int64Array::new(clock, None)).values().clone()),
            zones: self.zones.map(|z| z.filter(&by.keep)),
            extra: self.extra.into_iter().map(|(f, a)| (f, by.any(&a))).collect(),
        }
    }

    /// Lets go of what only the chain needs: lanes, their clocks, and places in the partition.
    pub fn forget_position(&mut self) {
        self.lane = Vec::<u16>::new().into();
        self.offset = Vec::<i64>::new().into();
        self.parts = None;
        self.lane_clock = Vec::new().into();
        self.clock_before = None;
    }

    /// Name of the partition that a row comes from.
    pub fn partition(&self, row: usize) -> &Arc<str> {
        self.parts.as_ref().map_or(&self.origin.partition, |parts| &parts.names[usize::from(parts.part.value(row))])
    }

    /// The frame in a row, with its vehicle's id.
    pub fn frame<'a>(&self, row: usize, vehicles: &'a Vehicles) -> Frame<'a> {
        Frame {
            vehicle: vehicles.id(self.vehicle.value(row)),
            event_time: EventTime(self.event_time.value(row)),
            received_at: Some(EventTime(self.received_at.value(row))),
            lat: self.lat.value(row),
            lon: self.lon.value(row),
            altitude_m: value_f32(&self.altitude_m, row),
            speed_mps: value_f32(&self.speed_mps, row),
            heading_deg: value_f32(&self.heading_deg, row),
            accuracy_m: value_f32(&self.accuracy_m, row),
            hdop: value_f32(&self.hdop, row),
            satellites: self.satellites.as_ref().and_then(|a| a.is_valid(row).then(|| a.value(row))),
            no_fix: self.no_fix.as_ref().is_some_and(|a| a.value(row)),
        }
    }

    /// The zones of each frame as `list(utf8)`, dictionary-encoded; shares the buffers.
    pub fn zone_ids(&self) -> Option<ListArray> {
        let zones = self.zones.as_ref()?;
        let keys = UInt32Array::new(zones.zones.clone(), None);
        let values = arrow::array::DictionaryArray::new(keys, zones.ids.clone());
        let item = Arc::new(Field::new("element", values.data_type().clone(), false));
        Some(ListArray::new(item, zones.offsets.clone(), Arc::new(values), None))
    }

    /// A column by its name in the history table; `None` if no frame of the batch has a value.
    /// `vehicle_id` comes as slots, which the caller looks up.
    pub fn column(&self, name: &str) -> Option<ArrayRef> {
        fn shared<A: Array + Clone + 'static>(array: &A) -> Option<ArrayRef> {
            Some(Arc::new(array.clone()))
        }
        match name {
            "vehicle_id" => shared(&self.vehicle),
            "event_time" => shared(&self.event_time),
            "received_at" => shared(&self.received_at),
            "lat" => shared(&self.lat),
            "lon" => shared(&self.lon),
            "altitude_m" => self.altitude_m.as_ref().and_then(shared),
            "speed_mps" => self.speed_mps.as_ref().and_then(shared),
            "heading_deg" => self.heading_deg.as_ref().and_then(shared),
            "accuracy_m" => self.accuracy_m.as_ref().and_then(shared),
            "hdop" => self.hdop.as_ref().and_then(shared),
            "satellites" => self.satellites.as_ref().and_then(shared),
            "late" => shared(&self.late),
            "zone_ids" => self.zone_ids().as_ref().and_then(shared),
            _ => self.extra.iter().find(|(field, _)| field.name() == name).map(|(_, array)| array.clone()),
        }
    }
}

/// The columns that every frame has, by name and type, in the order of the history table.
pub fn core_columns() -> Vec<FieldRef> {
    let of = |name: &str, data_type, nullable| Arc::new(Field::new(name, data_type, nullable));
    vec![
        of("vehicle_id", DataType::Utf8, false),
        of("event_time", timestamp(), false),
        of("received_at", timestamp(), false),
        of("lat", DataType::Float64, false),
        of("lon", DataType::Float64, false),
        of("altitude_m", DataType::Float32, true),
        of("speed_mps", DataType::Float32, true),
        of("heading_deg", DataType::Float32, true),
        of("accuracy_m", DataType::Float32, true),
        of("hdop", DataType::Float32, true),
        of("satellites", DataType::Int16, true),
        of("source", DataType::Utf8, false),
        of("late", DataType::Boolean, false),
    ]
}

/// The column that the geofence operator adds.
pub fn zone_ids_column() -> FieldRef {
    let item = Arc::new(Field::new("element", DataType::Utf8, false));
    Arc::new(Field::new("zone_ids", DataType::List(item), true))
}

fn value_f32(array: &Option<Float32Array>, row: usize) -> Option<f32> {
    array.as_ref().and_then(|a| a.is_valid(row).then(|| a.value(row)))
}

/// The rows of a batch that stay.
struct Kept {
    keep: BooleanArray,
    predicate: FilterPredicate,
    runs: Vec<Range<usize>>,
    rows: usize,
}

impl Kept {
    fn new(keep: &[bool]) -> Kept {
        let keep = BooleanArray::from(keep.to_vec());
        let runs: Vec<Range<usize>> = keep.values().set_slices().map(|(from, to)| from..to).collect();
        let rows = runs.iter().map(ExactSizeIterator::len).sum();
        Kept { predicate: FilterBuilder::new(&keep).optimize().build(), keep, runs, rows }
    }

    /// In its place, if nobody else has the column: new memory costs more than moving the rows.
    fn of<T: ArrowPrimitiveType>(&self, array: PrimitiveArray<T>) -> PrimitiveArray<T> {
        if array.null_count() > 0 {
            return self.filtered(&array);
        }
        let (data_type, values, _) = array.into_parts();
        match values.into_inner().into_vec::<T::Native>() {
            Ok(mut values) => {
                let mut to = 0;
                for run in &self.runs {
                    values.copy_within(run.clone(), to);
                    to += run.len();
                }
                values.truncate(self.rows);
                PrimitiveArray::new(values.into(), None).with_data_type(data_type)
            }
            Err(shared) => {
                self.filtered(&PrimitiveArray::new(ScalarBuffer::from(shared), None).with_data_type(data_type))
            }
        }
    }

    fn filtered<A: Array + Clone + 'static>(&self, array: &A) -> A {
        let kept = self.any(array);
        kept.as_any().downcast_ref::<A>().expect("filtering keeps the type").clone()
    }

    fn any(&self, array: &dyn Array) -> ArrayRef {
        self.predicate.filter(array).expect("columns are as long as the batch")
    }
}
