use chrono::{DateTime, Utc};
use diesel::prelude::*;
use larder::Repository;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Order, UserStats, UserVisits, schema::users};

/// Somebody who buys.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Serialize, Deserialize, Repository)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
#[larder(
    ttl = "10m",
    unique(email),
    has_many(orders: Order, on_delete = cascade),
    has_one(stats: UserStats),
    has_one(visits: UserVisits, on_delete = cascade)
)]
pub struct User {
    /// The primary key.
    pub id: Uuid,
    /// Unique as written: case counts.
    pub email: String,
    /// When the account was opened.
    pub created_at: DateTime<Utc>,
}

/// A user to insert.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Serialize, Deserialize)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub struct NewUser {
    /// The primary key; `None` lets the database draw one.
    pub id: Option<Uuid>,
    /// Unique among all users.
    pub email: String,
    /// When the account was opened; `None` is now.
    pub created_at: Option<DateTime<Utc>>,
}

/// What may change of a user. `None` leaves a column alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub struct UserChanges {
    /// Another address, unique among all users.
    pub email: Option<String>,
    /// Another day on which the account was opened.
    pub created_at: Option<DateTime<Utc>>,
}
