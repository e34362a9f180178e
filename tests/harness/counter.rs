use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use diesel::{
    PgConnection, QueryDsl as _, QueryResult, Queryable, RunQueryDsl as _, Selectable, SelectableHelper as _,
    connection::SimpleConnection as _, prelude::Identifiable, sql_query, sql_types::BigInt,
};
use larder::Repository;

use crate::Template;

diesel::table! {
    /// What is written often.
    counters (id) {
        /// From 0.
        id -> BigInt,
        /// Never negative.
        n -> BigInt,
        /// With decimals.
        amount -> Numeric,
        /// When it was seen last.
        seen -> Nullable<Timestamptz>,
        /// No two have the same.
        label -> Nullable<Text>,
    }
}

/// A row that is written often.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = counters, check_for_backend(diesel::pg::Pg))]
#[larder(unique(label))]
pub struct Counter {
    /// From 0.
    pub id: i64,
    /// Never negative.
    pub n: i64,
    /// With decimals.
    pub amount: BigDecimal,
    /// When it was seen last.
    pub seen: Option<DateTime<Utc>>,
    /// No two have the same.
    pub label: Option<String>,
}

/// The table of [`Counter`], and those of `larder::behind`.
pub static COUNTERS: Template = Template::new("counters", |connection| {
    let table = "CREATE TABLE counters (
        id bigint PRIMARY KEY,
        n bigint DEFAULT 0 NOT NULL CHECK (n >= 0),
        amount numeric DEFAULT 0 NOT NULL,
        seen timestamptz,
        label text UNIQUE
    ) WITH (fillfactor = 50)";
    connection.batch_execute(table).expect("the table can be made");
    connection.batch_execute(larder::behind::UP).expect("the migration runs");
});

impl Counter {
    /// Adds rows with these ids, past larder.
    ///
    /// # Errors
    /// The database's.
    pub fn add(connection: &mut PgConnection, from: i64, to: i64) -> QueryResult<usize> {
        sql_query("INSERT INTO counters (id) SELECT generate_series($1, $2 - 1)")
            .bind::<BigInt, _>(from)
            .bind::<BigInt, _>(to)
            .execute(connection)
    }

    /// All rows, in the order of their ids, past larder.
    ///
    /// # Errors
    /// The database's.
    pub fn all(connection: &mut PgConnection) -> QueryResult<Vec<Self>> {
        counters::table.select(Self::as_select()).order(counters::id).load(connection)
    }
}
