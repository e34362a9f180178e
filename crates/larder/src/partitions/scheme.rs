//! How a table is cut, as its model says.

use diesel::{
    Column, Expression,
    sql_types::{BigInt, Date, Integer, SmallInt, Timestamp},
};

use crate::{backend::Backend, entity::Entity};

/// How a model's table is cut into partitions: `#[larder(partition(..))]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partition {
    /// The column by whose values rows are told apart.
    pub column: &'static str,
    /// In which way.
    pub by: By,
    /// Whether a row for which there is no partition goes into one that has all such rows. Otherwise its insertion fails.
    pub has_default: bool,
}

/// In which way a table is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum By {
    /// By ranges, of which new ones come and old ones go.
    Ranges(Ranges),
    /// By single values, of which some have a partition of their own.
    Values,
    /// By a hash, into so many partitions of much the same size.
    Hashes(u32),
}

/// Ranges of time or of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ranges {
    /// What they are ranges of.
    pub line: Line,
    /// How far each goes.
    pub every: Step,
    /// For how long, or how many numbers back, rows are kept: `None` is forever.
    pub keep: Option<Step>,
    /// How many partitions there are beyond the one that is being filled.
    pub ahead: u32,
}

/// What ranges are ranges of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Line {
    /// `date`.
    Days,
    /// `timestamp`, taken to be in UTC.
    Timestamps,
    /// `timestamptz`.
    Moments,
    /// `smallint`, `integer` or `bigint`.
    Numbers,
}

/// How far it is from one bound to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Months of the calendar in UTC: three of them begin in January, April, July and October.
    Months(u32),
    /// Hours from midnight in UTC; whole weeks begin on a Monday.
    Hours(u32),
    /// So many numbers.
    Numbers(i64),
}

impl Partition {
    /// By ranges of a column.
    ///
    /// # Panics
    /// When the model is compiled: if the steps are of time and the column of numbers, or the other way round, or if days are cut into
    /// hours.
    #[doc(hidden)]
    #[must_use]
    pub const fn by_range<C: Column>(every: Step, keep: Option<Step>, ahead: u32, has_default: bool) -> Self
    where
        <C as Expression>::SqlType: InRanges,
    {
        let line = <<C as Expression>::SqlType as InRanges>::LINE;
        match (line, every) {
            (Line::Numbers, Step::Months(_) | Step::Hours(_)) => {
                panic!("the column has numbers: `every` is a number, as in `every = 1_000_000`")
            }
            (Line::Days | Line::Timestamps | Line::Moments, Step::Numbers(_)) => {
                panic!("the column has times: `every` is a length of time, as in `every = \"1 month\"`")
            }
            (Line::Days, Step::Hours(n)) if n % 24 != 0 => {
                panic!("the column has days: `every` is in days, weeks, months or years")
            }
            _ => {}
        }
        Self { column: C::NAME, by: By::Ranges(Ranges { line, every, keep, ahead }), has_default }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn by_list<C: Column>(has_default: bool) -> Self {
        Self { column: C::NAME, by: By::Values, has_default }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn by_hash<C: Column>(n: u32) -> Self {
        Self { column: C::NAME, by: By::Hashes(n), has_default: false }
    }
}

/// A type of column that can be cut into ranges.
#[diagnostic::on_unimplemented(
    message = "a column of the type `{Self}` can't be cut into ranges",
    label = "this is neither a time nor a whole number",
    note = "ranges are of `Timestamptz`, `Timestamp`, `Date`, `BigInt`, `Integer` or `SmallInt`, and never of what may be NULL",
    note = "of anything else: `by = list(column)`, or `by = hash(column, 16)`"
)]
pub trait InRanges {
    /// What it is a range of.
    const LINE: Line;
}

macro_rules! in_ranges {
    ($($type:ty: $line:ident),* $(,)?) => {
        $(impl InRanges for $type {
            const LINE: Line = Line::$line;
        })*
    };
}

in_ranges! { Date: Days, Timestamp: Timestamps, BigInt: Numbers, Integer: Numbers, SmallInt: Numbers }
#[cfg(feature = "postgres")]
in_ranges! { diesel::sql_types::Timestamptz: Moments }

/// A back end on which larder looks after partitions.
#[diagnostic::on_unimplemented(
    message = "larder has no partitions on `{Self}`",
    label = "this table would have to be cut on `{Self}`",
    note = "PostgreSQL only: SQLite has none, and those of MySQL know neither lists of any type nor a default",
    note = "leave out `partition(..)`, or `{Self}` in `check_for_backend(..)`"
)]
pub trait HasPartitions: Backend {}

#[cfg(feature = "postgres")]
impl HasPartitions for diesel::pg::Pg {}

/// Does not compile on a back end without partitions, or if what the model says of them contradicts itself.
#[doc(hidden)]
pub const fn partitioned<E: Entity, DB: HasPartitions>() {
    assert!(E::PARTITION.is_some(), "the derive has given the constant");
}

#[cfg(test)]
mod tests {
    use super::*;

    diesel::table! { days (day) { day -> Date, number -> SmallInt, } }

    #[test]
    fn a_range_knows_its_line() {
        let by_week = Partition::by_range::<days::day>(Step::Hours(7 * 24), None, 3, true);
        assert!(matches!(by_week, Partition { column: "day", by: By::Ranges(Ranges { line: Line::Days, .. }), .. }));
        let by_number = Partition::by_range::<days::number>(Step::Numbers(7), Some(Step::Numbers(70)), 3, true);
        assert!(matches!(by_number.by, By::Ranges(Ranges { line: Line::Numbers, keep: Some(_), .. })));
    }

    #[test]
    #[should_panic(expected = "`every` is in days")]
    fn days_are_not_cut_into_hours() {
        let _ = Partition::by_range::<days::day>(Step::Hours(36), None, 3, true);
    }

    #[test]
    #[should_panic(expected = "the column has times")]
    fn days_are_not_cut_into_numbers() {
        let _ = Partition::by_range::<days::day>(Step::Numbers(36), None, 3, true);
    }
}
