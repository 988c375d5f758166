//! Sorting rows by vehicle id and time, cheaply: a counting sort by vehicle, whose order by id is kept from segment
//! to segment, then a look at each vehicle's run, which is nearly always in order of time already.

use arrow::array::StringArray;
use rhumb_engine::vehicle::{Slot, Vehicles};
use std::sync::Arc;

/// A row of one of several parts, with the time it sorts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    pub time: i64,
    pub part: u32,
    pub row: u32,
}

/// The columns of a part that rows are sorted by, of equal length.
pub struct Part<'a> {
    pub shard: usize,
    pub slots: &'a [Slot],
    pub times: &'a [i64],
}

/// Rows by vehicle id and time; rows of one vehicle and time in the order in which they came.
#[derive(Debug)]
pub struct Sorted {
    pub rows: Vec<Row>,
    /// For each row, its vehicle as an index into `ids`.
    pub vehicles: Vec<u32>,
    /// Ids of the vehicles that have rows, ascending.
    pub ids: Arc<StringArray>,
}

impl Default for Sorted {
    fn default() -> Sorted {
        Sorted { rows: Vec::new(), vehicles: Vec::new(), ids: Arc::new(StringArray::new_null(0)) }
    }
}

/// The vehicles of all shards in order of their ids.
pub struct VehicleOrder {
    directories: Vec<Arc<Vehicles>>,
    by_id: Vec<(u32, Slot)>,
    /// By shard and slot: number of rows, then where the next one goes.
    counts: Vec<Vec<u32>>,
}

impl VehicleOrder {
    pub fn new(directories: &[Arc<Vehicles>]) -> VehicleOrder {
        VehicleOrder {
            directories: directories.to_vec(),
            by_id: Vec::new(),
            counts: directories.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// Sorts the rows of all parts into `sorted`, whose memory is used again.
    pub fn sort(&mut self, parts: &[Part], sorted: &mut Sorted) {
        self.learn(parts);
        self.count(parts);
        let runs = self.place_runs(sorted);
        self.place_rows(parts, &mut sorted.rows);
        for run in runs.windows(2) {
            let run = &mut sorted.rows[run[0] as usize..run[1] as usize];
            if !run.is_sorted_by_key(|r| (r.time, r.part, r.row)) {
                run.sort_unstable_by_key(|r| (r.time, r.part, r.row));
            }
        }
    }

    /// Takes up vehicles that were not seen before.
    fn learn(&mut self, parts: &[Part]) {
        let mut new = Vec::new();
        for part in parts {
            let Some(newest) = part.slots.iter().max() else { continue };
            let counts = &mut self.counts[part.shard];
            for slot in counts.len()..=*newest as usize {
                counts.push(0);
                new.push((part.shard as u32, slot as Slot));
            }
        }
        if new.is_empty() {
            return;
        }
        self.by_id.extend(new);
        // A stable sort merges what is sorted already with the new ones at its end.
        let directories = &self.directories;
        self.by_id.sort_by(|a, b| id(directories, *a).cmp(id(directories, *b)));
    }

    fn count(&mut self, parts: &[Part]) {
        self.counts.iter_mut().for_each(|c| c.fill(0));
        for part in parts {
            let counts = &mut self.counts[part.shard];
            for slot in part.slots {
                counts[*slot as usize] += 1;
            }
        }
    }

    /// Turns counts into places, and gives where each vehicle's run starts, and the end. A vehicle that stands in two
    /// lanes has one run.
    fn place_runs(&mut self, sorted: &mut Sorted) -> Vec<u32> {
        let (mut starts, mut ids, mut next) = (Vec::new(), Vec::<&str>::new(), 0);
        sorted.vehicles.clear();
        for of in &self.by_id {
            let count = &mut self.counts[of.0 as usize][of.1 as usize];
            if *count == 0 {
                continue;
            }
            let id = id(&self.directories, *of);
            if ids.last() != Some(&id) {
                starts.push(next);
                ids.push(id);
            }
            let start = next;
            next += *count;
            *count = start;
            sorted.vehicles.resize(next as usize, ids.len() as u32 - 1);
        }
        starts.push(next);
        sorted.ids = Arc::new(StringArray::from_iter_values(ids));
        starts
    }

    fn place_rows(&mut self, parts: &[Part], rows: &mut Vec<Row>) {
        rows.resize(parts.iter().map(|p| p.slots.len()).sum(), Row::default());
        for (p, part) in parts.iter().enumerate() {
            let next = &mut self.counts[part.shard];
            for (row, (slot, time)) in part.slots.iter().zip(part.times).enumerate() {
                let place = &mut next[*slot as usize];
                rows[*place as usize] = Row { time: *time, part: p as u32, row: row as u32 };
                *place += 1;
            }
        }
    }
}

fn id(directories: &[Arc<Vehicles>], (shard, slot): (u32, Slot)) -> &str {
    directories[shard as usize].id(slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rhumb_engine::lane::Lane;

    /// The order by definition: a stable sort of all rows by id and time.
    fn check(batches: &[Vec<(usize, u8, i64)>]) {
        let directories = [Arc::new(Vehicles::default()), Arc::new(Vehicles::default())];
        let mut order = VehicleOrder::new(&directories);
        let mut sorted = Sorted::default();
        // Twice, so that the second time vehicles and memory are there already.
        for _ in 0..2 {
            let columns: Vec<(usize, Vec<Slot>, Vec<i64>)> = batches
                .iter()
                .map(|rows| {
                    let shard = rows.first().map_or(0, |r| r.0);
                    let slots =
                        rows.iter().map(|r| directories[shard].intern(&format!("v{}", r.1), Lane(shard as u16)));
                    (shard, slots.collect(), rows.iter().map(|r| r.2).collect())
                })
                .collect();
            let parts: Vec<Part> =
                columns.iter().map(|(shard, slots, times)| Part { shard: *shard, slots, times }).collect();
            order.sort(&parts, &mut sorted);
            let mut expected: Vec<(String, Row)> = Vec::new();
            for (p, rows) in batches.iter().enumerate() {
                for (n, r) in rows.iter().enumerate() {
                    expected.push((format!("v{}", r.1), Row { time: r.2, part: p as u32, row: n as u32 }));
                }
            }
            expected.sort_by(|a, b| (&a.0, a.1.time).cmp(&(&b.0, b.1.time)));
            let found: Vec<(String, Row)> = sorted
                .rows
                .iter()
                .zip(&sorted.vehicles)
                .map(|(row, vehicle)| (sorted.ids.value(*vehicle as usize).to_owned(), *row))
                .collect();
            assert_eq!(found, expected);
        }
    }

    proptest! {
        #[test]
        fn order_is_a_stable_sort_by_id_and_time(
            batches in prop::collection::vec(prop::collection::vec((0..2_usize, 0..30_u8, 0..5_i64), 0..40), 0..6)
        ) {
            check(&batches);
        }
    }
}
