//! Counts in the database what the import has put there.

use std::collections::BTreeMap;

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Integer, Text},
};

use crate::{figures::Figures, rows::DOMAIN};

/// The figures of all imported users and their orders, as one snapshot of the database has them. Other users don't count.
///
/// Costs two statements, which read every order once each.
///
/// # Errors
/// A statement failed: most likely, the database has not been migrated.
pub fn in_database(connection: &mut PgConnection) -> QueryResult<Figures> {
    let imported = format!("customer-%@{DOMAIN}");
    connection.build_transaction().read_only().repeatable_read().run(|connection| {
        let Totals { n_users, n_orders, n_items, n_cds, cents } =
            sql_query(TOTALS).bind::<Text, _>(&imported).get_result(connection)?;
        let years: Vec<Year> = sql_query(BY_YEAR).bind::<Text, _>(&imported).load(connection)?;
        let n_orders_by_year: BTreeMap<_, _> = years.into_iter().map(|year| (year.year, year.n_orders)).collect();
        Ok(Figures { n_users, n_orders, n_items, n_cds, cents, n_orders_by_year })
    })
}

const TOTALS: &str = "
    WITH imported_users AS (SELECT id FROM users WHERE email LIKE $1),
         imported_orders AS (SELECT * FROM orders WHERE user_id IN (SELECT id FROM imported_users)),
         imported_items AS (SELECT * FROM order_items WHERE order_id IN (SELECT id FROM imported_orders))
    SELECT (SELECT count(*) FROM imported_users) AS n_users,
           (SELECT count(*) FROM imported_orders) AS n_orders,
           (SELECT count(*) FROM imported_items) AS n_items,
           (SELECT coalesce(sum(quantity), 0)::bigint FROM imported_items) AS n_cds,
           (SELECT coalesce(sum(total_amount) * 100, 0)::bigint FROM imported_orders) AS cents";

#[derive(QueryableByName)]
struct Totals {
    #[diesel(sql_type = BigInt)]
    n_users: i64,
    #[diesel(sql_type = BigInt)]
    n_orders: i64,
    #[diesel(sql_type = BigInt)]
    n_items: i64,
    #[diesel(sql_type = BigInt)]
    n_cds: i64,
    #[diesel(sql_type = BigInt)]
    cents: i64,
}

const BY_YEAR: &str = "
    SELECT extract(year FROM orders.created_at AT TIME ZONE 'UTC')::integer AS year, count(*) AS n_orders
    FROM orders JOIN users ON users.id = orders.user_id
    WHERE users.email LIKE $1
    GROUP BY 1";

#[derive(QueryableByName)]
struct Year {
    #[diesel(sql_type = Integer)]
    year: i32,
    #[diesel(sql_type = BigInt)]
    n_orders: i64,
}
