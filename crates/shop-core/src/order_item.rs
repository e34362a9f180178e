use bigdecimal::BigDecimal;
use diesel::prelude::*;
use larder::Repository;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Order, money, schema::order_items};

/// A line of an order.
#[derive(
    Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Associations, Serialize, Deserialize, Repository,
)]
#[diesel(table_name = order_items, primary_key(order_id, line_number), belongs_to(Order), check_for_backend(diesel::pg::Pg))]
#[larder(ttl = "5m")]
pub struct OrderItem {
    /// Whose line it is; half of the primary key.
    pub order_id: Uuid,
    /// Counts the lines of one order; the other half.
    pub line_number: i32,
    /// What was bought.
    pub sku: String,
    /// How many; at least one.
    pub quantity: i32,
    /// The price of one, with two decimals; never negative. JSON has it as a string.
    #[serde(serialize_with = "money::serialize")]
    pub unit_price: BigDecimal,
}

/// A line to insert.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Serialize, Deserialize)]
#[diesel(table_name = order_items, check_for_backend(diesel::pg::Pg))]
pub struct NewOrderItem {
    /// Whose line it is.
    pub order_id: Uuid,
    /// Unique among the lines of the order.
    pub line_number: i32,
    /// What is bought.
    pub sku: String,
    /// How many; at least one.
    pub quantity: i32,
    /// From 0.00 to 99,999,999.99; the database rounds further decimals.
    pub unit_price: BigDecimal,
}

/// What may change of a line. `None` leaves a column alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = order_items, check_for_backend(diesel::pg::Pg))]
pub struct OrderItemChanges {
    /// What is bought.
    pub sku: Option<String>,
    /// How many; at least one.
    pub quantity: Option<i32>,
    /// From 0.00 to 99,999,999.99; the database rounds further decimals.
    pub unit_price: Option<BigDecimal>,
}
