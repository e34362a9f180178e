//! The core domain of the example shop: users, their orders and the lines of an order.
//!
//! Ordinary Diesel models over the tables of [`schema`], which `migrations/` at the root of the workspace creates. Each
//! model comes as three structs: the row (`User`), what an insert takes (`NewUser`) and what an update may change
//! (`UserChanges`, where `None` leaves a column alone).
//!
//! The crate says what is cached, and knows nothing of where.

mod migrations;
mod money;
mod order;
mod order_item;
/// The tables, as `diesel print-schema` gives them; their comments come from the database.
// Kept from rustfmt, whose line breaks are not those of the diesel CLI.
#[rustfmt::skip]
pub mod schema;
mod status;
mod user;
mod user_stats;
mod user_visits;
pub mod views;

pub use self::{
    migrations::{MIGRATIONS, migrate},
    order::{NewOrder, Order, OrderChanges},
    order_item::{NewOrderItem, OrderItem, OrderItemChanges},
    status::{Status, UnknownStatus},
    user::{NewUser, User, UserChanges},
    user_stats::UserStats,
    user_visits::UserVisits,
};
