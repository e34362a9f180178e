use diesel::prelude::*;
use larder::{
    Repository,
    types::{Id, Moment},
};

use self::schema::{order_items, orders, users};
use super::{Money, Status};

/// The tables, as they are for every back end.
pub mod schema {
    diesel::table! {
        use diesel::sql_types::Text;
        use larder::types::sql::{Id, Moment};

        /// People who buy.
        users (id) {
            /// Given by whoever inserts.
            id -> Id,
            /// Unique as written: case counts.
            email -> Text,
            /// When the account was opened.
            created_at -> Moment,
        }
    }

    diesel::table! {
        use diesel::sql_types::Text;
        use larder::types::sql::{Id, Moment, Money};

        /// What users bought.
        orders (id) {
            /// Given by whoever inserts.
            id -> Id,
            /// Whose order it is. It goes when its user goes.
            user_id -> Id,
            /// One of pending, paid, shipped.
            status -> Text,
            /// What the user pays for the whole order.
            total_amount -> Money<2>,
            /// When the order was placed.
            created_at -> Moment,
        }
    }

    diesel::table! {
        use diesel::sql_types::{Integer, Text};
        use larder::types::sql::{Id, Money};

        /// The lines of an order.
        order_items (order_id, line_number) {
            /// Whose line it is. It goes when its order goes.
            order_id -> Id,
            /// Counts the lines of one order.
            line_number -> Integer,
            /// What was bought.
            sku -> Text,
            /// How many; at least one.
            quantity -> Integer,
            /// The price of one.
            unit_price -> Money<2>,
        }
    }

    diesel::allow_tables_to_appear_in_same_query!(order_items, orders, users);
}

/// Somebody who buys.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg, diesel::mysql::Mysql, diesel::sqlite::Sqlite))]
#[larder(ttl = "10m", unique(email), has_many(orders: Order, on_delete = cascade))]
pub struct User {
    /// The primary key.
    pub id: Id,
    /// Unique as written: case counts.
    pub email: String,
    /// When the account was opened.
    pub created_at: Moment,
}

/// A user to insert: all of it, since not every back end says what it has given by itself.
pub type NewUser = User;

/// What may change of a user. `None` leaves a column alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg, diesel::mysql::Mysql, diesel::sqlite::Sqlite))]
pub struct UserChanges {
    /// Another address, unique among all users.
    pub email: Option<String>,
    /// Another day on which the account was opened.
    pub created_at: Option<Moment>,
}

/// Something that a user bought.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Associations, Insertable, Repository)]
#[diesel(table_name = orders, belongs_to(User), check_for_backend(diesel::pg::Pg, diesel::mysql::Mysql, diesel::sqlite::Sqlite))]
#[larder(ttl = "5m", index(user_id, status; order = created_at.desc()), has_many(items: OrderItem, on_delete = cascade))]
pub struct Order {
    /// The primary key.
    pub id: Id,
    /// Whose order it is.
    pub user_id: Id,
    /// How far it has come.
    pub status: Status,
    /// What the user pays for the whole order.
    pub total_amount: Money,
    /// When it was placed.
    pub created_at: Moment,
}

/// An order to insert.
pub type NewOrder = Order;

/// What may change of an order. `None` leaves a column alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = orders)]
pub struct OrderChanges {
    /// Another owner, as when two accounts become one.
    pub user_id: Option<Id>,
    /// How far it has come.
    pub status: Option<Status>,
    /// What the user pays for the whole order.
    pub total_amount: Option<Money>,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Associations, Insertable, Repository)]
#[diesel(table_name = order_items, primary_key(order_id, line_number), belongs_to(Order), check_for_backend(diesel::pg::Pg, diesel::mysql::Mysql, diesel::sqlite::Sqlite))]
#[larder(ttl = "5m")]
pub struct OrderItem {
    /// Whose line it is; half of the primary key.
    pub order_id: Id,
    /// Counts the lines of one order; the other half.
    pub line_number: i32,
    /// What was bought.
    pub sku: String,
    /// How many; at least one.
    pub quantity: i32,
    /// The price of one.
    pub unit_price: Money,
}

/// A line to insert.
pub type NewOrderItem = OrderItem;

/// What may change of a line. `None` leaves a column alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = order_items)]
pub struct OrderItemChanges {
    /// What is bought.
    pub sku: Option<String>,
    /// How many; at least one.
    pub quantity: Option<i32>,
    /// The price of one.
    pub unit_price: Option<Money>,
}
