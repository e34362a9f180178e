//! Numbers, as of the last refresh of their view.

use std::{num::NonZeroU16, time::Duration};

use axum::{Extension, Json};
use diesel::prelude::*;
use larder_http::BuiltFrom;
use serde::Deserialize;
use shop_core::{User, UserStats, views::user_stats};

use crate::{
    body::{self, Asked, Id},
    kept,
    problem::Problem,
    request::Client,
};

pub(super) async fn of_user(Client(larder): Client, Id(id): Id) -> Result<Json<UserStats>, Problem> {
    let stats = larder
        .read::<_, larder::Error>(move |larder| match UserStats::repository(larder).find(id)? {
            Some(stats) => Ok(stats),
            // One who has come since the last refresh has bought nothing that it knows of.
            None if User::repository(larder).exists(id)? => {
                Ok(UserStats { user_id: id, order_count: 0, total_spent: 0.into() })
            }
            None => Err(Problem::not_found("user").into()),
        })
        .await?;
    Ok(Json(stats))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Top {
    limit: Option<NonZeroU16>,
}

pub(super) async fn top(
    Client(larder): Client,
    Asked(Top { limit }): Asked<Top>,
) -> Result<(Extension<BuiltFrom>, Json<Vec<UserStats>>), Problem> {
    let limit = i64::from(body::limit(limit, 10, 100)?);
    let top = larder
        .read::<_, larder::Error>(move |larder| {
            UserStats::repository(larder)
                .cached("top")
                .params(&limit)
                .ttl(Duration::from_secs(3_600))
                .load(|query| query.order((user_stats::total_spent.desc(), user_stats::user_id)).limit(limit))
        })
        .await?;
    Ok((Extension(kept::built_from(larder.session())), Json(top)))
}
