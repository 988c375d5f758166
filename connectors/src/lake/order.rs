//! Sorting rows by vehicle id and time, cheaply: a counting sort by vehicle, whose order by id is kept from segment
//! to segment, then a look at each vehicle's run, which is nearly always in order of time already.

use arrow::array::StringArray;
use rhumb_engine::vehicle::{Slot, Vehicles};
use std::sync::Arc;

/// The columns of a part that rows are sorted by, of equal length.
pub struct Part<'a> {
    pub shard: usize,
    pub slots: &'a [Slot],
    pub times: &'a [i64],
}

/// A row while it is sorted.
#[derive(Debug, Clone, Copy, Default)]
struct Timed {
    time: i64,
    row: u32,
}

/// Rows by vehicle id and time; rows of one vehicle and time in the order in which they came. A row is numbered through
/// all parts.
#[derive(Debug)]
pub struct Sorted {
    pub rows: Vec<u32>,
    /// Of each row, in the same order.
    pub times: Vec<i64>,
    /// For each row, its vehicle as an index into `ids`.
    pub vehicles: Vec<u32>,
    /// Ids of the vehicles that have rows, ascending.
    pub ids: Arc<StringArray>,
    timed: Vec<Timed>,
}

impl Default for Sorted {
    fn default() -> Sorted {
        let ids = Arc::new(StringArray::new_null(0));
        Sorted { rows: Vec::new(), times: Vec::new(), vehicles: Vec::new(), ids, timed: Vec::new() }
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
        self.place_rows(parts, &mut sorted.timed);
        for run in runs.windows(2) {
            let run = &mut sorted.timed[run[0] as usize..run[1] as usize];
            if !run.is_sorted_by_key(|r| (r.time, r.row)) {
                run.sort_unstable_by_key(|r| (r.time, r.row));
            }
        }
        sorted.rows.clear();
        sorted.rows.extend(sorted.timed.iter().map(|r| r.row));
        sorted.times.clear();
        sorted.times.extend(sorted.timed.iter().map(|r| r.time));
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

    fn place_rows(&mut self, parts: &[Part], rows: &mut Vec<Timed>) {
        rows.resize(parts.iter().map(|p| p.slots.len()).sum(), Timed::default());
        let mut row = 0;
        for part in parts {
            let next = &mut self.counts[part.shard];
            for (slot, time) in part.slots.iter().zip(part.times) {
                let place = &mut next[*slot as usize];
                rows[*place as usize] = Timed { time: *time, row };
                *place += 1;
                row += 1;
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
            let mut expected: Vec<(String, i64, u32)> =
                (0..).zip(batches.iter().flatten()).map(|(row, r)| (format!("v{}", r.1), r.2, row)).collect();
            expected.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
            let id = |vehicle: &u32| sorted.ids.value(*vehicle as usize).to_owned();
            let found = sorted.rows.iter().zip(&sorted.times).zip(&sorted.vehicles);
            let found: Vec<(String, i64, u32)> = found.map(|((row, time), v)| (id(v), *time, *row)).collect();
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
