//! Waiting for a query on a thread of its caller, and making queries give way, so that one that has no time left ends.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use rhumb_engine::time::monotonic_now;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks until the work is done; `None` if that takes beyond the deadline. Needs no runtime, whose threads a query may
/// keep busy.
pub(crate) fn wait<T>(work: impl Future<Output = T>, until: Option<Instant>) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut work = pin!(work);
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(done);
        }
        match until {
            None => thread::park(),
            Some(until) => {
                let left = until.checked_duration_since(monotonic_now()).filter(|left| !left.is_zero())?;
                thread::park_timeout(left);
            }
        }
    }
}

/// Lets joins give way after each batch. Without it a join that makes many rows from few reads nothing for hours, and
/// reading is the only place at which DataFusion notices that a query was given up.
#[derive(Debug)]
pub(crate) struct YieldingJoins;

impl PhysicalOptimizerRule for YieldingJoins {
    fn name(&self) -> &str {
        "yielding_joins"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let give_way = |node: Arc<dyn ExecutionPlan>| {
            Ok(match node.children().len() {
                0 | 1 => Transformed::no(node),
                _ => Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>),
            })
        };
        plan.transform_up(give_way).map(|plan| plan.data)
    }

    fn schema_check(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_work_or_at_the_deadline() {
        assert_eq!(wait(async { 7 }, None), Some(7));
        assert_eq!(wait(std::future::pending::<()>(), Some(monotonic_now())), None);
    }
}
