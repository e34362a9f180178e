//! Which of a producer's changes are written.

use std::collections::{BTreeMap, BTreeSet};

/// The cells of rows.
pub(super) type Cells = BTreeSet<Vec<u8>>;

/// Which of a producer's frames were applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// All up to this one that ever will be, but for what is held of them.
    pub(super) applied: u64,
    /// And later ones.
    pub(super) direct: Runs,
    /// By their frames' numbers, the rows whose changes are not written yet, while later ones of other rows are.
    pub(super) held: BTreeMap<u64, Cells>,
}

/// How much of a frame is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark<'m> {
    Nothing,
    /// All but the changes of these rows.
    AllBut(&'m Cells),
    All,
}

impl Marks {
    pub(super) fn of(&self, number: u64) -> Mark<'_> {
        match self.held.get(&number) {
            Some(held) => Mark::AllBut(held),
            None if number <= self.applied || self.direct.has(number) => Mark::All,
            None => Mark::Nothing,
        }
    }

    /// Whether a frame's change of a row is written.
    pub(super) fn has(&self, number: u64, cell: &[u8]) -> bool {
        match self.of(number) {
            Mark::Nothing => false,
            Mark::AllBut(held) => !held.contains(cell),
            Mark::All => true,
        }
    }

    pub(super) fn n_held(&self) -> usize {
        self.held.values().map(Cells::len).sum()
    }
}

/// Numbers of which many follow one another: the first and the last of each run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs(BTreeMap<u64, u64>);

impl Runs {
    pub(super) fn has(&self, number: u64) -> bool {
        self.0.range(..=number).next_back().is_some_and(|(_, &last)| number <= last)
    }

    pub(super) fn insert(&mut self, number: u64) {
        if self.has(number) {
            return;
        }
        let (mut first, mut last) = (number, number);
        let before = self.0.range(..number).next_back().map(|(&first, &last)| (first, last));
        if let Some((run, _)) = before.filter(|(_, end)| end + 1 == number) {
            first = run;
        }
        if let Some(end) = self.0.remove(&number.saturating_add(1)) {
            last = end;
        }
        self.0.insert(first, last);
    }

    /// Forgets all up to a number.
    pub(super) fn forget(&mut self, up_to: u64) {
        let later = self.0.split_off(&up_to.saturating_add(1));
        let over = self.0.last_key_value().map(|(_, &last)| last).filter(|&last| last > up_to);
        self.0 = later;
        if let Some(last) = over {
            self.0.insert(up_to + 1, last);
        }
    }

    /// The first and the last of each run, one after the other.
    pub(super) fn ends(&self) -> impl Iterator<Item = u64> {
        self.0.iter().flat_map(|(&first, &last)| [first, last])
    }

    pub(super) fn from_ends(ends: &[u64]) -> Self {
        let (runs, _) = ends.as_chunks();
        Self(runs.iter().map(|&[first, last]| (first, last)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(numbers: &[u64]) -> Runs {
        let mut runs = Runs::default();
        numbers.iter().for_each(|&number| runs.insert(number));
        runs
    }

    #[test]
    fn frames_are_applied_up_to_a_number_but_for_some_and_some_besides() {
        let held = [(3, Cells::from([b"a".to_vec()]))].into();
        let marks = Marks { applied: 7, direct: runs(&[9, 12]), held };
        let applied: Vec<u64> = (1..=13).filter(|number| marks.has(*number, b"a")).collect();
        assert_eq!(applied, [1, 2, 4, 5, 6, 7, 9, 12]);
        assert!(marks.has(3, b"b"));
        assert_eq!((marks.of(8), marks.of(9)), (Mark::Nothing, Mark::All));
    }

    #[test]
    fn numbers_that_follow_one_another_are_one_run_in_whatever_order_they_come() {
        assert_eq!(runs(&[5, 3, 4, 9, 4, 8]).ends().collect::<Vec<_>>(), [3, 5, 8, 9]);
        let mut some = runs(&[1, 2, 4, 5, 6, 9]);
        assert_eq!((0..11).filter(|n| some.has(*n)).collect::<Vec<_>>(), [1, 2, 4, 5, 6, 9]);
        some.forget(5);
        assert_eq!(some, Runs::from_ends(&[6, 6, 9, 9]));
        some.forget(8);
        assert_eq!(some, runs(&[9]));
        some.forget(9);
        assert_eq!(some, Runs::default());
        let many = runs(&(1..=10_000).rev().collect::<Vec<_>>());
        assert_eq!(many.ends().collect::<Vec<_>>(), [1, 10_000]);
    }
}
