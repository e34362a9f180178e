use bigdecimal::BigDecimal;
use diesel::prelude::*;
use larder::MaterializedView;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{User, money, views::user_stats};

/// What a user has bought, as of the last refresh of the materialized view `user_stats`. Every user has a row.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    Queryable,
    Selectable,
    Identifiable,
    Associations,
    Serialize,
    Deserialize,
    MaterializedView,
)]
#[diesel(table_name = user_stats, primary_key(user_id), belongs_to(User), check_for_backend(diesel::pg::Pg))]
#[larder(
    ttl = "1h",
    query = "
    SELECT users.id AS user_id,
           count(orders.id) AS order_count,
           COALESCE(sum(orders.total_amount), 0) AS total_spent
    FROM users LEFT JOIN orders ON orders.user_id = users.id
    GROUP BY users.id
"
)]
pub struct UserStats {
    /// Whose row it is.
    pub user_id: Uuid,
    /// How many orders the user has.
    pub order_count: i64,
    /// What they come to. JSON has it as a string with two decimals.
    #[serde(serialize_with = "money::serialize")]
    pub total_spent: BigDecimal,
}
