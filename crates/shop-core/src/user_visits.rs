use diesel::prelude::*;
use larder::Repository;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{User, schema::user_visits};

/// How often a user was looked at. Each user has a row from the beginning: the database sees to that.
///
/// To be counted behind, [`n`](Self::n) being a counter that nobody sets.
#[derive(
    Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Associations, Serialize, Deserialize, Repository,
)]
#[diesel(table_name = user_visits, primary_key(user_id), belongs_to(User), check_for_backend(diesel::pg::Pg))]
#[larder(ttl = "5m")]
pub struct UserVisits {
    /// Whose row it is.
    pub user_id: Uuid,
    /// How often.
    pub n: i64,
}
