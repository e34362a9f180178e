//! Puts a batch into the database.

use diesel::prelude::*;
use shop_core::schema::{order_items, orders, users};

use crate::rows::Rows;

/// PostgreSQL takes 65,535 binds a statement, and no row has more than five.
const MAX_ROWS: usize = 10_000;

/// How many rows were new; the others had been there before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Users.
    pub n_users: usize,
    /// Orders.
    pub n_orders: usize,
    /// Lines of orders.
    pub n_items: usize,
}

impl Written {
    /// Counts another batch in.
    pub fn add(&mut self, other: Self) {
        self.n_users += other.n_users;
        self.n_orders += other.n_orders;
        self.n_items += other.n_items;
    }
}

/// Inserts the rows that are not there yet, in one transaction.
///
/// A row is there if its primary key is, whatever the rest of it has become: an import never overwrites what the shop has
/// changed. Costs three statements, and one more for each further 10,000 rows of a table.
///
/// # Errors
/// A statement failed, and nothing of the batch has been written: the connection is lost, or somebody else has the address
/// of an imported user.
pub fn write_batch(connection: &mut PgConnection, rows: &Rows) -> QueryResult<Written> {
    connection.transaction(|connection| {
        let mut written = Written::default();
        for users in rows.users.chunks(MAX_ROWS) {
            let insert = diesel::insert_into(users::table).values(users).on_conflict(users::id);
            written.n_users += insert.do_nothing().execute(connection)?;
        }
        for orders in rows.orders.chunks(MAX_ROWS) {
            let insert = diesel::insert_into(orders::table).values(orders).on_conflict(orders::id);
            written.n_orders += insert.do_nothing().execute(connection)?;
        }
        for items in rows.items.chunks(MAX_ROWS) {
            let key = (order_items::order_id, order_items::line_number);
            let insert = diesel::insert_into(order_items::table).values(items).on_conflict(key);
            written.n_items += insert.do_nothing().execute(connection)?;
        }
        Ok(written)
    })
}
