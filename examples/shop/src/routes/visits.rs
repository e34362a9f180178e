//! How often users are looked at. Not a part of what else is told of them: that is kept by edges until it changes, and this does all the time.

use axum::Json;
use shop_core::UserVisits;

use crate::{body::Id, problem::Problem, request::Client};

pub(super) async fn of_user(Client(larder): Client, Id(id): Id) -> Result<Json<UserVisits>, Problem> {
    let visits = larder.read::<_, larder::Error>(move |larder| UserVisits::repository(larder).find(id)).await?;
    visits.map(Json).ok_or_else(|| Problem::not_found("user"))
}
