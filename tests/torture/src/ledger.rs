//! What callers of write-behind asked for and were told, and whether amounts bear it out.
//!
//! An amount tells what it is made of: each addition of a row is a power of three, and the digit of that power says how often it counts; each
//! value that is set is a number beyond all of those. So no sum can hide a change that is missing behind one that counts twice.
//!
//! A change is before another one if it was acknowledged before that one was asked for. Whatever the oracle says follows from this order and
//! from what callers were told; it knows nothing of entries, producers and marks.

use std::{collections::BTreeMap, fmt};

/// How many changes of a row there may be.
const N_DIGITS: u32 = 18;

/// What is set stands above all that is added.
const SET: i64 = 3_i64.pow(N_DIGITS);

/// A moment of a schedule: each change begins and ends at one of its own.
pub type Moment = u64;

/// A change, by its number.
pub type Asked = usize;

/// What a change does to the amount of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Adds three to the power of this.
    Adds(u32),
    /// Sets the amount to so many times [`SET`].
    Sets(i64),
}

/// What the caller was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing, or that nobody knows: it counts once, now or later, or never.
    Open,
    /// That it will count.
    Acknowledged(Moment),
    /// That it never will.
    Denied,
}

/// A change of a row.
#[derive(Debug, Clone, Copy)]
struct Change {
    row: usize,
    kind: Kind,
    begun: Moment,
    fate: Fate,
}

impl Change {
    fn is_before(&self, other: &Self) -> bool {
        matches!(self.fate, Fate::Acknowledged(ended) if ended < other.begun)
    }

    fn is_acknowledged_by(&self, moment: Moment) -> bool {
        matches!(self.fate, Fate::Acknowledged(ended) if ended <= moment)
    }
}

/// An amount, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    /// The value that was set last.
    set: i64,
    /// How often each addition counts.
    digits: Vec<u8>,
}

impl Made {
    fn of(amount: i64) -> Self {
        let digit = |n: u32| u8::try_from(amount / 3_i64.pow(n) % 3).unwrap_or(u8::MAX);
        Self { set: amount / SET, digits: (0..N_DIGITS).map(digit).collect() }
    }

    fn has(&self, change: &Change) -> bool {
        match change.kind {
            Kind::Adds(n) => self.digits[n as usize] > 0,
            Kind::Sets(value) => self.set == value,
        }
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let added = self.digits.iter().enumerate().filter(|(_, times)| **times > 0);
        let added: Vec<String> = added.map(|(n, times)| format!("+{n} (x{times})")).collect();
        write!(f, "[set {} {}]", self.set, added.join(" "))
    }
}

/// The changes of a schedule.
#[derive(Debug, Default)]
pub struct Ledger {
    changes: Vec<Change>,
    /// Whether changes may overtake each other, as additions do that go to the database at once.
    is_unordered: bool,
    now: Moment,
    /// What each row was in the database, one after the other.
    seen: BTreeMap<usize, Vec<Made>>,
    /// What readers were given who asked for what waits, too.
    given: Vec<(usize, Made)>,
}

impl Ledger {
    /// One whose changes may overtake each other.
    #[must_use]
    pub fn unordered() -> Self {
        Self { is_unordered: true, ..Self::default() }
    }

    /// The moment, which is over with this.
    pub fn moment(&mut self) -> Moment {
        self.now += 1;
        self.now
    }

    /// An addition to a row is about to be asked for: its number, and what to add.
    pub fn adds(&mut self, row: usize) -> (Asked, i64) {
        let n = self.n_of(row, |kind| matches!(kind, Kind::Adds(_)));
        assert!(n < N_DIGITS, "a plan has no more changes than an amount can tell apart");
        (self.ask(row, Kind::Adds(n)), 3_i64.pow(n))
    }

    /// A row is about to be set: the change's number, and the amount.
    pub fn sets(&mut self, row: usize) -> (Asked, i64) {
        let value = i64::from(self.n_of(row, |kind| matches!(kind, Kind::Sets(_)))) + 1;
        (self.ask(row, Kind::Sets(value)), value * SET)
    }

    fn n_of(&self, row: usize, is_meant: impl Fn(Kind) -> bool) -> u32 {
        let n = self.changes.iter().filter(|change| change.row == row && is_meant(change.kind)).count();
        u32::try_from(n).unwrap_or(u32::MAX)
    }

    fn ask(&mut self, row: usize, kind: Kind) -> Asked {
        let begun = self.moment();
        self.changes.push(Change { row, kind, begun, fate: Fate::Open });
        self.changes.len() - 1
    }

    /// The caller was told that they will count.
    pub fn acknowledged(&mut self, asked: &[Asked]) {
        let moment = self.moment();
        asked.iter().for_each(|&n| self.changes[n].fate = Fate::Acknowledged(moment));
    }

    /// The caller was told that they never will.
    ///
    /// # Errors
    /// What is wrong, if one has counted already.
    pub fn denied(&mut self, asked: &[Asked]) -> Result<(), String> {
        for &n in asked {
            self.changes[n].fate = Fate::Denied;
            let change = self.changes[n];
            let seen = self.seen.get(&change.row).into_iter().flatten();
            let given = self.given.iter().filter(|(row, _)| *row == change.row).map(|(_, made)| made);
            if let Some(made) = seen.chain(given).find(|made| made.has(&change)) {
                return Err(format!("change {n} was said not to have happened, and counts in {made}: {change:?}"));
            }
        }
        Ok(())
    }

    /// A row has an amount in the database.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn look(&mut self, row: usize, amount: i64) -> Result<(), String> {
        let made = Made::of(amount);
        let seen = self.seen.entry(row).or_default();
        let last = seen.last().cloned();
        if last.as_ref() == Some(&made) {
            return Ok(());
        }
        let was_set_before = seen.iter().rev().skip_while(|earlier| earlier.set == made.set).any(|e| e.set == made.set);
        seen.push(made.clone());
        self.judge(row, &made, 0)?;
        let Some(last) = last else { return Ok(()) };
        if last.set == made.set && last.digits.iter().zip(&made.digits).any(|(before, after)| before > after) {
            return Err(format!("order {row} had {last} and lost some of it: {made}"));
        }
        if was_set_before {
            return Err(format!("order {row} had {last}, and was set back to what it had been before: {made}"));
        }
        Ok(())
    }

    /// A row has an amount in the database, and nothing waits any more.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn close(&mut self, row: usize, amount: i64) -> Result<(), String> {
        self.look(row, amount)?;
        self.judge(row, &Made::of(amount), Moment::MAX)
    }

    /// A reader who asked at a moment was given an amount with what waited.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn found(&mut self, row: usize, amount: i64, since: Moment) -> Result<(), String> {
        let made = Made::of(amount);
        self.given.push((row, made.clone()));
        self.judge(row, &made, since)
    }

    /// Whether an amount has all that another one has, unless it was set since.
    #[must_use]
    pub fn includes(amount: i64, other: i64) -> bool {
        let (made, other) = (Made::of(amount), Made::of(other));
        made.set != other.set || made.digits.iter().zip(&other.digits).all(|(a, b)| a >= b)
    }

    /// Whether an amount is made of what it may be made of, and has all that it must have: what was acknowledged by a moment, and
    /// what is before anything that it has.
    fn judge(&self, row: usize, made: &Made, by: Moment) -> Result<(), String> {
        let changes = || self.changes.iter().enumerate().filter(|(_, change)| change.row == row);
        let wrong = |what: String| Err(format!("order {row} has {made}: {what}"));
        if let Some(n) = made.digits.iter().position(|times| *times > 1) {
            return wrong(format!("+{n} counts more than once"));
        }
        let has: Vec<&Change> = changes().map(|(_, change)| change).filter(|change| made.has(change)).collect();
        let n_digits = made.digits.iter().filter(|times| **times > 0).count();
        if has.len() != n_digits + usize::from(made.set > 0) {
            return wrong("of which something was never asked for".to_owned());
        }
        let set = has.iter().find(|change| matches!(change.kind, Kind::Sets(_)));
        for (n, change) in changes() {
            let is_in = made.has(change);
            if is_in && change.fate == Fate::Denied {
                return wrong(format!("change {n} was said not to have happened: {change:?}"));
            }
            if is_in && set.is_some_and(|set| change.is_before(set)) {
                return wrong(format!("change {n} was acknowledged before the value was set: {change:?}"));
            }
            let is_overtaken = !self.is_unordered && has.iter().any(|other| change.is_before(other));
            let is_due = change.is_acknowledged_by(by) || is_overtaken;
            // A set that does not come before it may have overwritten it.
            let may_be_gone = set.is_some_and(|set| !set.is_before(change));
            if is_due && !is_in && !may_be_gone {
                return wrong(format!("change {n} is missing: {change:?}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ledger in which the first row has had: +0 acknowledged, +1 open, set 1 acknowledged, +2 acknowledged, +3 denied.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        let first = ledger.adds(0).0;
        ledger.acknowledged(&[first]);
        ledger.adds(0);
        let set = ledger.sets(0).0;
        ledger.acknowledged(&[set]);
        let third = ledger.adds(0).0;
        ledger.acknowledged(&[third]);
        let denied = ledger.adds(0).0;
        ledger.denied(&[denied]).unwrap();
        ledger
    }

    #[test]
    fn what_was_acknowledged_counts_once_and_in_its_order() {
        let right = [0, 1, 4, SET, SET + 3, SET + 9, SET + 12];
        for amount in right {
            ledger().look(0, amount).unwrap();
        }
        for (amount, why) in [
            (2, "more than once"),
            (9, "is missing"),
            (SET + 1, "before the value was set"),
            (SET + 36, "said not to have happened"),
            (2 * SET, "never asked for"),
            (81, "never asked for"),
            (3, "is missing"),
        ] {
            let error = ledger().look(0, amount).unwrap_err();
            assert!(error.contains(why), "{amount}: {error}");
        }
    }

    #[test]
    fn in_the_end_nothing_is_missing_but_what_was_never_acknowledged() {
        for amount in [SET + 9, SET + 12] {
            ledger().close(0, amount).unwrap();
        }
        for amount in [0, 1, SET, SET + 3] {
            assert!(ledger().close(0, amount).unwrap_err().contains("is missing"), "{amount}");
        }
    }

    #[test]
    fn a_reader_finds_what_was_acknowledged_before_he_asked() {
        let mut ledger = Ledger::default();
        let first = ledger.adds(0).0;
        let early = ledger.moment();
        ledger.acknowledged(&[first]);
        let late = ledger.moment();
        ledger.found(0, 0, early).unwrap();
        ledger.found(0, 1, early).unwrap();
        assert!(ledger.found(0, 0, late).unwrap_err().contains("is missing"));
        assert!(ledger.denied(&[first]).unwrap_err().contains("said not to have happened"));
    }

    #[test]
    fn a_row_does_not_go_back() {
        let mut ledger = Ledger::default();
        for _ in 0..2 {
            ledger.adds(0);
            ledger.sets(0);
        }
        for amount in [0, 1, SET, SET + 3] {
            ledger.look(0, amount).unwrap();
        }
        assert!(ledger.look(0, SET).unwrap_err().contains("lost some of it"));
        ledger.look(0, 2 * SET).unwrap();
        assert!(ledger.look(0, SET).unwrap_err().contains("set back"));
        assert!(Ledger::includes(4, 1) && !Ledger::includes(1, 4) && Ledger::includes(SET, 4));
    }
}
