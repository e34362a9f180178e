//! One row's changes, as they wait: columns with what they are to hold, or by how much they are to grow.

use std::collections::{BTreeMap, HashMap};

use bigdecimal::BigDecimal;

/// What a change does to one row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    /// What the keys of the model's cells begin with.
    pub(super) model: String,
    /// The key of the row's cell: two changes are of one row if these are the same.
    pub(super) cell: Vec<u8>,
    /// The parts of the primary key, as the database is sent them.
    pub(super) key: Vec<Value>,
    /// By the columns' names in the database.
    pub(super) columns: BTreeMap<String, Assignment>,
    /// How many calls it came from.
    pub(super) n_calls: u64,
}

/// A value as Diesel would send it: in PostgreSQL's binary form, with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) sql_type: SqlType,
    /// `None` is NULL.
    pub(super) bytes: Option<Vec<u8>>,
}

/// A type of PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum SqlType {
    /// One that every server has under this number.
    BuiltIn(u32),
    /// One that somebody has made, whose number is the database's own.
    Named { schema: Option<String>, name: String },
}

/// What becomes of a column: what it is to hold, if that was said, and then what is to be added to it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Assignment {
    pub(super) value: Option<Value>,
    pub(super) plus: Option<Amount>,
}

/// A number to add.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Amount {
    Whole(i64),
    Decimal(BigDecimal),
}

/// How many digits an amount has before the point, and how many behind it: as a column that is declared as `numeric(1000, 1000)`. One without
/// a declaration takes a hundred times as many, but a flush that adds up such numbers would not be done in time.
const DIGITS: i64 = 1_000;

/// By so many digits a sum may be longer than what was added up. What is too long for the column then, the database says.
const DIGITS_OF_SUMS: i64 = 40;

/// The most calls that one change can have come from: no sum of such numbers comes to the end of its own.
pub(super) const MOST_CALLS: u64 = 1 << 40;

impl Change {
    /// This one, and then what some later calls do to the same row.
    pub(super) fn then(&mut self, later: &BTreeMap<String, Assignment>, n_calls: u64) {
        for (column, assignment) in later {
            match self.columns.get_mut(column) {
                Some(before) => before.then(assignment),
                None => _ = self.columns.insert(column.clone(), assignment.clone()),
            }
        }
        self.n_calls = self.n_calls.saturating_add(n_calls);
    }

    /// Whether it does nothing but add, so that it does not matter what comes before it.
    pub(super) fn only_adds(&self) -> bool {
        self.columns.values().all(|assignment| assignment.value.is_none())
    }
}

impl Assignment {
    fn then(&mut self, later: &Assignment) {
        if later.value.is_some() {
            *self = later.clone();
        } else if let Some(more) = &later.plus {
            self.plus = Some(match self.plus.take() {
                Some(amount) => amount.and(more.clone()),
                None => more.clone(),
            });
        }
    }
}

impl Amount {
    fn and(self, more: Self) -> Self {
        match (self, more) {
            (Self::Whole(one), Self::Whole(other)) => match one.checked_add(other) {
                Some(sum) => Self::Whole(sum),
                // The column may have room for what a number here has not.
                None => Self::Decimal(BigDecimal::from(one) + BigDecimal::from(other)),
            },
            (one, other) => Self::Decimal(one.into_decimal() + other.into_decimal()),
        }
    }

    /// A decimal that a call adds: `None` if it has too many digits.
    pub(super) fn of_a_call(n: BigDecimal) -> Option<Self> {
        has_digits(&n, 0).then_some(Self::Decimal(n))
    }

    /// One that was read, and may be the sum of many calls: `None` if it can't be one.
    pub(super) fn of_calls(n: BigDecimal) -> Option<Self> {
        has_digits(&n, DIGITS_OF_SUMS).then_some(Self::Decimal(n))
    }

    pub(super) fn into_decimal(self) -> BigDecimal {
        match self {
            Self::Whole(n) => n.into(),
            Self::Decimal(n) => n,
        }
    }
}

/// Whether a number has no more digits than an amount may have, but for so many more before the point.
///
/// Asked before anything is done with it: an exponent in the millions, which is some bytes, is as many digits for whoever adds to it.
fn has_digits(n: &BigDecimal, more: i64) -> bool {
    const BITS_OF_TEN_DIGITS: i64 = 34;
    let (mantissa, scale) = n.as_bigint_and_scale();
    let before = DIGITS + more;
    let at_most = (before + DIGITS).div_euclid(10) * BITS_OF_TEN_DIGITS;
    let is_short = i64::try_from(mantissa.bits()).is_ok_and(|bits| bits <= at_most);
    let is_near = (-before..=DIGITS).contains(&scale);
    is_near && is_short && i64::try_from(n.digits()).is_ok_and(|digits| digits - scale <= before)
}

/// Changes of rows, each row once, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Merged {
    changes: Vec<Change>,
    places: HashMap<Vec<u8>, usize>,
}

impl Merged {
    /// Adds a change, which is later than all others, and gives the place of the row's.
    pub(super) fn add(&mut self, change: &Change) -> usize {
        if let Some(&place) = self.places.get(&change.cell) {
            self.changes[place].then(&change.columns, change.n_calls);
            return place;
        }
        self.places.insert(change.cell.clone(), self.changes.len());
        self.changes.push(change.clone());
        self.changes.len() - 1
    }

    /// The change of a row, if there is one.
    pub(super) fn get_mut(&mut self, cell: &[u8]) -> Option<&mut Change> {
        self.places.get(cell).and_then(|&place| self.changes.get_mut(place))
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    pub(super) fn into_changes(self) -> Vec<Change> {
        self.changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTEGER: SqlType = SqlType::BuiltIn(23);

    fn set(bytes: &[u8]) -> Assignment {
        Assignment { value: Some(Value { sql_type: INTEGER, bytes: Some(bytes.to_vec()) }), plus: None }
    }

    fn plus(n: i64) -> Assignment {
        Assignment { value: None, plus: Some(Amount::Whole(n)) }
    }

    fn change(cell: &[u8], columns: &[(&str, Assignment)]) -> Change {
        let columns = columns.iter().map(|(name, assignment)| ((*name).to_owned(), assignment.clone())).collect();
        Change { model: "t".to_owned(), cell: cell.to_vec(), key: Vec::new(), columns, n_calls: 1 }
    }

    #[test]
    fn amounts_add_up_and_a_value_takes_the_place_of_all_before_it() {
        let mut first = change(b"a", &[("n", plus(2)), ("m", plus(1)), ("x", set(b"1"))]);
        for later in [&[("n", plus(-5)), ("m", set(b"7")), ("y", set(b"2"))][..], &[("m", plus(4))]] {
            first.then(&change(b"a", later).columns, 1);
        }
        let m = Assignment { plus: Some(Amount::Whole(4)), ..set(b"7") };
        let mut expected = change(b"a", &[("n", plus(-3)), ("m", m), ("x", set(b"1")), ("y", set(b"2"))]);
        expected.n_calls = 3;
        assert_eq!(first, expected);
    }

    #[test]
    fn amounts_that_are_too_large_together_are_still_exact() {
        let mut first = change(b"a", &[("n", plus(i64::MAX))]);
        for by in [1, -2] {
            first.then(&change(b"a", &[("n", plus(by))]).columns, 1);
        }
        let sum = first.columns["n"].plus.clone().unwrap().into_decimal();
        assert_eq!(sum, BigDecimal::from(i64::MAX - 1));
    }

    #[test]
    fn decimals_have_no_more_digits_than_can_be_added_up_in_time() {
        let is_taken = |text: &str| Amount::of_a_call(text.parse().unwrap()).is_some();
        for taken in ["0", "-1.50", "1e999", "-9.9e999", "1e-1000", "0e-1000"] {
            assert!(is_taken(taken), "{taken}");
        }
        for refused in ["1e1000", "10e999", "1e-1001", "1e10000000", "1e-10000000", "0e-10000000", "0e10000000"] {
            assert!(!is_taken(refused), "{refused}");
        }
        let long = |n: usize| is_taken(&"9".repeat(n));
        assert!(long(1_000) && !long(1_001) && !long(200_000));
        let most: BigDecimal = "9e999".parse().unwrap();
        let sum = Amount::Decimal(most.clone()).and(Amount::Decimal(most)).into_decimal();
        assert!(Amount::of_a_call(sum.clone()).is_none());
        assert!(Amount::of_calls(sum).is_some(), "the database says what it makes of it");
    }

    #[test]
    fn changes_of_one_row_are_one() {
        let mut merged = Merged::default();
        let places = [b"a", b"b", b"a"].map(|cell| merged.add(&change(cell, &[("n", plus(1))])));
        assert_eq!(places, [0, 1, 0]);
        let calls: Vec<u64> = merged.into_changes().iter().map(|change| change.n_calls).collect();
        assert_eq!(calls, [2, 1]);
    }
}
