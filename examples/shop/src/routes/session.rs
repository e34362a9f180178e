//! Signing in and out.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use larder_redis::sessions::Session;
use serde::Deserialize;
use shop_core::User;
use uuid::Uuid;

use crate::{
    accounts::{Presented, Signed},
    app::App,
    body::{Asked, Body},
    limits::ClientAddress,
    problem::Problem,
    request::Client,
};

/// What is about a session is for who has it, and nobody keeps it. What comes with a cookie is kept by nobody anyhow.
const PRIVATE: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    email: String,
    password: String,
}

pub(super) async fn create(
    State(app): State<App>,
    Client(larder): Client,
    ClientAddress(address): ClientAddress,
    Presented(presented): Presented,
    Body(SignIn { email, password }): Body<SignIn>,
) -> Result<Response, Problem> {
    app.limits.guess(address, Some(&email)).await?;
    let user = app.accounts.user_with(&larder, email.clone(), password).await?;
    let user = find(&larder, user).await?.ok_or_else(Problem::no_such_credentials)?;
    app.limits.forgive(&email).await;
    let session: Session<()> = app.accounts.begin(presented, user.id).await?;
    Ok(([(header::SET_COOKIE, app.accounts.cookie_of(&session))], Json(user)).into_response())
}

pub(super) async fn me(State(app): State<App>, Client(larder): Client, signed: Signed) -> Result<Response, Problem> {
    match find(&larder, Some(signed.user)).await? {
        Some(user) => Ok(([PRIVATE], Json(user)).into_response()),
        // A sign-in that was under way when its user was deleted.
        None => {
            app.accounts.end(signed.id).await?;
            Err(Problem::not_signed_in())
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    all: bool,
}

/// Ends the session, or all of its user's. To end one that is over already is no error.
pub(super) async fn remove(
    State(app): State<App>,
    Presented(presented): Presented,
    Asked(Which { all }): Asked<Which>,
) -> Result<Response, Problem> {
    if let Some(id) = presented {
        if all {
            let signed = app.accounts.load(id).await?.ok_or_else(Problem::not_signed_in)?;
            app.accounts.end_all(signed.user).await?;
        }
        app.accounts.end(id).await?;
    } else if all {
        return Err(Problem::not_signed_in());
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, app.accounts.no_cookie())]).into_response())
}

async fn find(larder: &larder::Async<larder::Scope<diesel::pg::Pg>>, id: Option<Uuid>) -> larder::Result<Option<User>> {
    match id {
        Some(id) => larder.read::<_, larder::Error>(move |larder| User::repository(larder).find(id)).await,
        None => Ok(None),
    }
}
