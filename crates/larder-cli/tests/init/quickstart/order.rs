use diesel::prelude::AsChangeset;
use diesel::prelude::Associations;
use diesel::prelude::Identifiable;
use diesel::prelude::Insertable;
use diesel::prelude::Queryable;
use diesel::prelude::Selectable;
use larder::Repository;
use serde::Deserialize;
use serde::Serialize;

use super::User;
use super::schema::orders;

/// A row of `orders`.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Queryable,
    Selectable,
    Identifiable,
    Associations,
    Serialize,
    Deserialize,
    Repository,
)]
#[diesel(table_name = orders)]
#[diesel(belongs_to(User))]
#[diesel(check_for_backend(diesel::sqlite::Sqlite))]
#[larder(index(user_id, status; order = cents.desc()))]
pub struct Order {
    /// `INTEGER`
    pub id: i64,
    /// `INTEGER`
    pub user_id: i64,
    /// `TEXT`
    pub status: String,
    /// `INTEGER`
    pub cents: i64,
}

/// A row of `orders` to insert.
#[derive(Debug, Clone, PartialEq, Insertable, Serialize, Deserialize)]
#[diesel(table_name = orders)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite))]
pub struct NewOrder {
    /// `None` leaves it to the database.
    pub id: Option<i64>,
    /// `INTEGER`
    pub user_id: i64,
    /// `TEXT`
    pub status: String,
    /// `INTEGER`
    pub cents: i64,
}

/// What may change in a row of `orders`. `None` leaves a column alone.
#[derive(Debug, Clone, Default, PartialEq, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = orders)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite))]
pub struct OrderChanges {
    /// `INTEGER`
    pub user_id: Option<i64>,
    /// `TEXT`
    pub status: Option<String>,
    /// `INTEGER`
    pub cents: Option<i64>,
}
