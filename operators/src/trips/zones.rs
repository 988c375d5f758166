//! Lists of zones as numbers, so that a fix names its own in four bytes.

use arrow::array::{Array, StringArray};
use rhumb_engine::frame::ZoneLists;
use std::collections::HashMap;
use std::sync::Arc;

/// No geofence stands before: nothing is known.
pub const UNKNOWN: u32 = 0;
const NONE: u32 = 1;
/// Codes share four bytes with the ignition.
const CODES_MAX: usize = 1 << 30;

pub type ZoneIds = Box<[Box<str>]>;

/// Every list of zones that frames were in: as many as there are zones, and overlaps of them.
#[derive(Debug)]
pub struct ZoneSets {
    /// By code, from `NONE` on.
    sets: Vec<ZoneIds>,
    codes: HashMap<ZoneIds, u32>,
    /// What the numbers below are of.
    ids: Option<Arc<StringArray>>,
    /// By number of the zone: the code of it alone; 0 before it is asked for.
    of_one: Vec<u32>,
    of_many: HashMap<Box<[u32]>, u32>,
}

impl Default for ZoneSets {
    fn default() -> ZoneSets {
        let mut sets = ZoneSets {
            sets: Vec::new(),
            codes: HashMap::new(),
            ids: None,
            of_one: Vec::new(),
            of_many: HashMap::new(),
        };
        assert_eq!(sets.intern(ZoneIds::default()), NONE);
        sets
    }
}

impl ZoneSets {
    /// Frames with these lists are to come.
    pub fn see(&mut self, lists: &ZoneLists) {
        if self.ids.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &lists.ids)) {
            self.of_one = vec![0; lists.ids.len()];
            self.of_many.clear();
            self.ids = Some(lists.ids.clone());
        }
    }

    /// The code of a frame's zones, of the lists last seen.
    #[inline]
    pub fn code(&mut self, zones: &[u32]) -> u32 {
        match zones {
            [] => NONE,
            [zone] if self.of_one[*zone as usize] != 0 => self.of_one[*zone as usize],
            many => self.code_of_many(many),
        }
    }

    fn code_of_many(&mut self, zones: &[u32]) -> u32 {
        if let Some(code) = self.of_many.get(zones) {
            return *code;
        }
        let ids = self.ids.clone().expect("lists were seen before their zones");
        let code = self.intern(zones.iter().map(|zone| ids.value(*zone as usize).into()).collect());
        match zones {
            [zone] => self.of_one[*zone as usize] = code,
            many => drop(self.of_many.insert(many.into(), code)),
        }
        code
    }

    /// The code of a list of ids.
    pub fn intern(&mut self, ids: ZoneIds) -> u32 {
        if let Some(code) = self.codes.get(&ids) {
            return *code;
        }
        self.sets.push(ids.clone());
        assert!(self.sets.len() < CODES_MAX, "zones overlap in fewer ways than 2^30");
        let code = self.sets.len() as u32;
        self.codes.insert(ids, code);
        code
    }

    /// `None` for `UNKNOWN`.
    pub fn ids(&self, code: u32) -> Option<&ZoneIds> {
        (code as usize).checked_sub(NONE as usize).map(|at| &self.sets[at])
    }
}
