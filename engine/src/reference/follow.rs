//! The run's side of references: which versions wait for a barrier, which are in force, which file was refused.

use super::watch::{Event, Input, Watcher};
use super::{NewVersion, Record};
use crossbeam_channel::{Receiver, Sender, bounded, never};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Events that may wait for the run to look at them.
const EVENTS_MAX: usize = 64;

/// What is in force of one reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    pub record: Record,
    /// What is wrong with what the file holds now, and why it is not in force.
    pub refused: Option<String>,
}

/// The references of a pipeline that runs.
pub struct Followed {
    pub events: Receiver<Event>,
    /// Dropped, it ends the watcher.
    watching: Option<Sender<()>>,
    /// Wait for the next barrier.
    waiting: Vec<NewVersion>,
    /// On the barrier under way.
    under_way: Arc<[NewVersion]>,
    /// By operator.
    in_force: BTreeMap<String, InForce>,
}

impl Followed {
    pub fn new(in_force: BTreeMap<String, InForce>, watched: Vec<Input>) -> (Followed, Option<Watcher>) {
        let mut followed =
            Followed { events: never(), watching: None, waiting: Vec::new(), under_way: Arc::default(), in_force };
        if watched.is_empty() {
            return (followed, None);
        }
        let (sender, events) = bounded(EVENTS_MAX);
        let (watching, ended) = bounded(0);
        (followed.events, followed.watching) = (events, Some(watching));
        (followed, Some(Watcher::new(watched, sender, ended)))
    }

    /// Whether a version waits for a barrier now.
    pub fn hear(&mut self, event: Event) -> bool {
        match event {
            Event::New(new) => {
                self.refused(&new.change.operator, None);
                self.waiting.push(new);
                true
            }
            Event::Refused { operator, why } => {
                self.refused(&operator, Some(why));
                false
            }
            Event::AsInForce { operator } => {
                self.refused(&operator, None);
                false
            }
        }
    }

    fn refused(&mut self, operator: &str, why: Option<String>) {
        if let Some(in_force) = self.in_force.get_mut(operator) {
            in_force.refused = why;
        }
    }

    /// What goes with the next barrier that more follows.
    pub fn take_waiting(&mut self) -> Arc<[NewVersion]> {
        self.under_way = std::mem::take(&mut self.waiting).into();
        self.under_way.clone()
    }

    /// The barrier is in a manifest, and frames that come from now on meet what went with it.
    pub fn committed(&mut self) {
        for new in &*std::mem::take(&mut self.under_way) {
            tracing::info!("{}", new.said);
            let refused = self.in_force.get(&*new.change.operator).and_then(|before| before.refused.clone());
            let in_force = InForce { record: new.record.clone(), refused };
            self.in_force.insert(new.change.operator.to_string(), in_force);
        }
    }

    /// Ends the watcher, and gives what was in force in the end.
    pub fn end(mut self) -> BTreeMap<String, InForce> {
        self.watching = None;
        self.in_force
    }
}
