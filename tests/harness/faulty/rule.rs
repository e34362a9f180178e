use std::{fmt, sync::Arc};

use larder::store::StoreError;

use crate::Operation;

/// Which side of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    After,
}

pub(super) type Act = Arc<dyn Fn() -> Result<(), StoreError> + Send + Sync>;

/// What to do at some steps.
pub(super) struct Rule {
    operation: Option<Operation>,
    moment: Option<Moment>,
    only: Option<usize>,
    n_reached: usize,
    act: Act,
}

impl Rule {
    pub(super) fn new(operation: Option<Operation>, moment: Option<Moment>, only: Option<usize>, act: Act) -> Self {
        Self { operation, moment, only, n_reached: 0, act }
    }

    /// What to do at this step, if anything.
    pub(super) fn strike(&mut self, operation: Operation, moment: Moment) -> Option<Act> {
        let is_meant =
            self.operation.is_none_or(|meant| meant == operation) && self.moment.is_none_or(|meant| meant == moment);
        if !is_meant {
            return None;
        }
        self.n_reached += 1;
        self.only.is_none_or(|n| n == self.n_reached).then(|| Arc::clone(&self.act))
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, moment, only, n_reached, act: _ } = self;
        write!(f, "Rule({operation:?} {moment:?} only {only:?}, reached {n_reached} times)")
    }
}
