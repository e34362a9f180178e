use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use larder::Repository;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{OrderItem, Status, User, money, schema::orders};

/// Something that a user bought.
#[derive(
    Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Associations, Serialize, Deserialize, Repository,
)]
#[diesel(table_name = orders, belongs_to(User), check_for_backend(diesel::pg::Pg))]
#[larder(ttl = "5m", index(user_id, status; order = created_at.desc()), has_many(items: OrderItem, on_delete = cascade))]
pub struct Order {
    /// The primary key.
    pub id: Uuid,
    /// Whose order it is.
    pub user_id: Uuid,
    /// How far it has come.
    pub status: Status,
    /// What the user pays for the whole order, with two decimals; never negative. JSON has it as a string.
    #[serde(serialize_with = "money::serialize")]
    pub total_amount: BigDecimal,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
}

/// An order to insert.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Serialize, Deserialize)]
#[diesel(table_name = orders, check_for_backend(diesel::pg::Pg))]
pub struct NewOrder {
    /// The primary key; `None` lets the database draw one.
    pub id: Option<Uuid>,
    /// Whose order it is.
    pub user_id: Uuid,
    /// How far it has come.
    pub status: Status,
    /// From 0.00 to 99,999,999.99; the database rounds further decimals.
    pub total_amount: BigDecimal,
    /// When it was placed; `None` is now.
    pub created_at: Option<DateTime<Utc>>,
}

/// What may change of an order. `None` leaves a column alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = orders, check_for_backend(diesel::pg::Pg))]
pub struct OrderChanges {
    /// Another owner, as when two accounts become one.
    pub user_id: Option<Uuid>,
    /// How far it has come.
    pub status: Option<Status>,
    /// From 0.00 to 99,999,999.99; the database rounds further decimals.
    pub total_amount: Option<BigDecimal>,
}
