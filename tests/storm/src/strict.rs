//! The rows under load as models of which no copy is ever served that is older than the database.

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use larder::Repository;
use shop_core::{
    Status,
    schema::{orders, users},
};
use uuid::Uuid;

use crate::world::{OrderRow, UserRow};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
#[larder(near = strict, unique(email), has_many(orders: Order, on_delete = cascade))]
pub(crate) struct User {
    id: Uuid,
    email: String,
    created_at: DateTime<Utc>,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = orders, belongs_to(User), check_for_backend(diesel::pg::Pg))]
#[larder(near = strict)]
pub(crate) struct Order {
    id: Uuid,
    user_id: Uuid,
    status: Status,
    total_amount: BigDecimal,
    created_at: DateTime<Utc>,
}

impl UserRow for User {
    fn parts(&self) -> (Uuid, &str, DateTime<Utc>) {
        (self.id, &self.email, self.created_at)
    }
}

impl OrderRow for Order {
    fn parts(&self) -> (Uuid, Uuid, &BigDecimal, DateTime<Utc>) {
        (self.id, self.user_id, &self.total_amount, self.created_at)
    }
}
