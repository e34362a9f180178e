use std::collections::VecDeque;

use crate::clock::Moment;

/// From a moment on, nothing below a number may be seen. Both rise.
#[derive(Debug, Clone, Default)]
pub(super) struct Floors(VecDeque<(Moment, u64)>);

impl Floors {
    pub(super) fn from_start(number: u64) -> Self {
        Self(VecDeque::from([(0, number)]))
    }

    /// The least that may be seen by what began then.
    pub(super) fn at(&self, began: Moment) -> u64 {
        let n_before = self.0.partition_point(|(at, _)| *at < began);
        n_before.checked_sub(1).map_or(0, |last| self.0[last].1)
    }

    /// From `at` on, which is never earlier than what was raised before.
    pub(super) fn raise(&mut self, at: Moment, number: u64) {
        if self.0.back().is_none_or(|(_, highest)| *highest < number) {
            self.0.push_back((at, number));
        }
    }

    /// Since when more than `number` is wanted.
    pub(super) fn since(&self, number: u64) -> Option<Moment> {
        let n_until = self.0.partition_point(|(_, floor)| *floor <= number);
        self.0.get(n_until).map(|(since, _)| *since)
    }

    /// Forgets what nothing that begins at or after `watermark` needs.
    pub(super) fn forget(&mut self, watermark: Moment) {
        while self.0.len() > 1 && self.0[1].0 < watermark {
            self.0.pop_front();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
