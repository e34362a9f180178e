//! The same orders in one table and in months.

use chrono::{DateTime, Days, TimeDelta, TimeZone as _, Utc};
use diesel::{connection::SimpleConnection as _, prelude::*};
use larder::Repository;
use tests::Template;

/// The first id of those that are inserted one by one, behind all that are filled in.
pub(crate) const FIRST_NEW: i64 = 1 << 40;

/// For how many days there are orders: 24 months of them.
const DAYS: i64 = 730;

diesel::table! { plain (id, created_at) { id -> BigInt, created_at -> Timestamptz, user_id -> BigInt, total -> BigInt, } }
diesel::table! { cut (id, created_at) { id -> BigInt, created_at -> Timestamptz, user_id -> BigInt, total -> BigInt, } }

pub(crate) static TABLES: Template = Template::new("partitions-bench", |connection| {
    let columns = "id bigint, created_at timestamptz, user_id bigint NOT NULL, total bigint NOT NULL, PRIMARY KEY (id, created_at)";
    let tables = format!(
        "SET TIME ZONE 'UTC';
         CREATE TABLE plain ({columns});
         CREATE TABLE cut ({columns}) PARTITION BY RANGE (created_at);
         CREATE TABLE cut_default PARTITION OF cut DEFAULT;
         CREATE INDEX ON plain (user_id); CREATE INDEX ON cut (user_id);
         DO $$ BEGIN FOR n IN 0..23 LOOP
             EXECUTE format('CREATE TABLE %I PARTITION OF cut FOR VALUES FROM (%L) TO (%L)',
                 'cut_p' || to_char('2024-12-01'::timestamptz + make_interval(months => n), 'YYYYMMDD'),
                 '2024-12-01'::timestamptz + make_interval(months => n), '2024-12-01'::timestamptz + make_interval(months => n + 1));
         END LOOP; END $$;"
    );
    connection.batch_execute(&tables).expect("the tables can be made");
});

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = plain, primary_key(id, created_at), check_for_backend(diesel::pg::Pg))]
#[larder(index(id), index(user_id))]
pub(crate) struct Plain {
    pub(crate) id: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) user_id: i64,
    pub(crate) total: i64,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = cut, primary_key(id, created_at), check_for_backend(diesel::pg::Pg))]
#[larder(index(id), index(user_id))]
#[larder(partition(by = range(created_at), every = "1 month", keep = "24 months", ahead = 3))]
pub(crate) struct Cut {
    pub(crate) id: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) user_id: i64,
    pub(crate) total: i64,
}

/// A table of orders.
pub(crate) trait Order {
    const TABLE: &'static str;

    /// An order of the last of the months.
    fn new(id: i64) -> Self;
}

impl Order for Plain {
    const TABLE: &'static str = "plain";

    fn new(id: i64) -> Self {
        Self { id, created_at: newest(id), user_id: id % 1_000, total: id }
    }
}

impl Order for Cut {
    const TABLE: &'static str = "cut";

    fn new(id: i64) -> Self {
        Self { id, created_at: newest(id), user_id: id % 1_000, total: id }
    }
}

fn first() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2024, 12, 1, 0, 0, 0).unwrap()
}

fn newest(id: i64) -> DateTime<Utc> {
    first() + Days::new(DAYS.unsigned_abs() - 10) + TimeDelta::microseconds(id - FIRST_NEW)
}

/// How far two orders are from each other that were filled in.
fn step(n_rows: i64) -> i64 {
    DAYS * 86_400_000_000 / n_rows
}

/// When an order was made that was filled in.
pub(crate) fn at(id: i64, n_rows: i64) -> DateTime<Utc> {
    first() + TimeDelta::microseconds(id * step(n_rows))
}

/// How many users have ordered something.
pub(crate) fn users(n_rows: i64) -> i64 {
    (n_rows / 20).max(1)
}

/// Fills in orders, one after the other in time, of users in no order.
pub(crate) fn filling(table: &str, first: i64, last: i64, n_rows: i64) -> String {
    let (step, users) = (step(n_rows), users(n_rows));
    format!(
        "INSERT INTO {table} SELECT n, '2024-12-01 00:00:00+00'::timestamptz + n * {step} * interval '1 microsecond', n * 7919 % {users}, n
         FROM generate_series({first}::bigint, {last}) AS n"
    )
}
