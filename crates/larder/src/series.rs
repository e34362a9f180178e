//! Time series in PostgreSQL: what was measured, by equal spans of time.
//!
//! ```
//! use std::time::Duration;
//!
//! use chrono::{DateTime, Utc};
//! use diesel::{dsl::avg, prelude::*};
//! use larder::series::{bucket, spans};
//!
//! diesel::table! {
//!     readings (id) { id -> BigInt, at -> Timestamptz, celsius -> Double, }
//! }
//! # #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
//! # #[diesel(table_name = readings, check_for_backend(diesel::pg::Pg))]
//! # struct Reading { id: i64, at: DateTime<Utc>, celsius: f64 }
//!
//! # fn example(larder: &larder::Larder<diesel::pg::Pg>, from: DateTime<Utc>, to: DateTime<Utc>) -> larder::Result<()> {
//! let hour = Duration::from_secs(3_600);
//! let measured: Vec<(DateTime<Utc>, Option<f64>)> = larder
//!     .query("temperature")
//!     .params(&(from, to))
//!     .depends_on::<Reading>()
//!     .load(|connection| {
//!         let at = bucket(readings::at, hour);
//!         readings::table
//!             .filter(readings::at.ge(from).and(readings::at.lt(to)))
//!             .group_by(at)
//!             .select((at, avg(readings::celsius)))
//!             .order(at)
//!             .load(connection)
//!     })?;
//! // An hour in which nothing was measured has a place, too.
//! let every_hour: Vec<(DateTime<Utc>, Option<Option<f64>>)> = spans(from, to, hour, measured);
//! # Ok(())
//! # }
//! ```
//!
//! A table that is only added to, in the order of its time, is served by `CREATE INDEX .. USING brin (at)`, which has one entry for each
//! 128 pages; `minmax_multi_ops` bears stragglers. A table that is written all the time is nothing for a cached query to depend on:
//! ask for spans that are over, which no write changes any more, with a `ttl` and no dependency but a tag.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    AppearsOnTable, Expression, SelectableExpression,
    expression::{ValidGrouping, is_aggregate},
    pg::Pg,
    query_builder::{AstPass, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::Timestamptz,
};

/// The beginning of the span of time that an instant of the column lies in: `date_bin`, counted from 1970 in UTC.
///
/// # Panics
/// If `width` is less than a microsecond, or more than 10,000 days: months and years are no equal spans.
#[must_use]
pub fn bucket<C: Expression<SqlType = Timestamptz>>(column: C, width: Duration) -> Bucket<C> {
    Bucket { column, micros: micros(width) }
}

/// Each span from the one that `from` lies in to the last that begins before `to`, and what `found` has of it, which is ordered.
///
/// # Panics
/// As [`bucket`].
pub fn spans<T>(
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    width: Duration,
    found: impl IntoIterator<Item = (DateTime<Utc>, T)>,
) -> Vec<(DateTime<Utc>, Option<T>)> {
    let micros = micros(width);
    let mut at = from - TimeDelta::microseconds(from.timestamp_micros().rem_euclid(micros));
    at -= TimeDelta::nanoseconds((at.timestamp_subsec_nanos() % 1_000).into());
    let (mut found, mut spans) = (found.into_iter().peekable(), Vec::new());
    while at < to {
        while found.peek().is_some_and(|(of, _)| *of < at) {
            found.next();
        }
        let value = found.next_if(|(of, _)| *of == at).map(|(_, value)| value);
        spans.push((at, value));
        let Some(next) = at.checked_add_signed(TimeDelta::microseconds(micros)) else { break };
        at = next;
    }
    spans
}

fn micros(width: Duration) -> i64 {
    let micros = i64::try_from(width.as_micros()).ok().filter(|micros| (1..=864_000_000_000_000).contains(micros));
    micros.expect("a span is of a microsecond to 10,000 days")
}

/// The beginning of a span, as [`bucket`] makes it.
#[derive(Debug, Clone, Copy)]
pub struct Bucket<C> {
    column: C,
    micros: i64,
}

impl<C: QueryFragment<Pg>> QueryFragment<Pg> for Bucket<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // No bound value: PostgreSQL would not know that what is selected is what is grouped by.
        out.push_sql(&format!("date_bin('{} microseconds', ", self.micros));
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(", 'epoch'::timestamptz)");
        Ok(())
    }
}

impl<C: Expression> Expression for Bucket<C> {
    type SqlType = Timestamptz;
}

impl<C: SelectableExpression<S>, S> SelectableExpression<S> for Bucket<C> {}

impl<C: AppearsOnTable<S>, S> AppearsOnTable<S> for Bucket<C> {}

impl<C: ValidGrouping<()>> ValidGrouping<()> for Bucket<C> {
    type IsAggregate = C::IsAggregate;
}

impl<C> ValidGrouping<Bucket<C>> for Bucket<C> {
    type IsAggregate = is_aggregate::Yes;
}

impl<C> QueryId for Bucket<C> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("it is a time")
    }

    #[test]
    fn each_span_has_a_place_with_what_was_found_of_it() {
        let ten = Duration::from_secs(10);
        let found = [(at(10), 'a'), (at(30), 'b'), (at(90), 'c')];
        assert_eq!(spans(at(15), at(40), ten, found), [(at(10), Some('a')), (at(20), None), (at(30), Some('b'))],);
        assert_eq!(spans(at(-5), at(0), ten, found), [(at(-10), None)]);
        assert_eq!(spans(at(7), at(7), ten, found), [(at(0), None)]);
        assert!(spans(at(10), at(10), ten, found).is_empty());
    }
}
