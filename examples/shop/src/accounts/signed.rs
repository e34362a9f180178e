use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use larder_redis::sessions::SessionId;
use uuid::Uuid;

use crate::{app::App, problem::Problem};

/// Somebody who is signed in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed {
    pub(crate) id: SessionId,
    pub(crate) user: Uuid,
}

/// What was found of the request's session already.
#[derive(Debug, Clone, Copy)]
struct Looked(Option<Signed>);

impl FromRequestParts<App> for Signed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Self::find(parts, app).await?.ok_or_else(Problem::not_signed_in)
    }
}

impl Signed {
    /// Whoever has sent a request, if they are signed in. Asked for once a request.
    ///
    /// # Errors
    /// The sessions can't be reached.
    pub(crate) async fn find(parts: &mut Parts, app: &App) -> Result<Option<Self>, Problem> {
        if let Some(Looked(found)) = parts.extensions.get() {
            return Ok(*found);
        }
        let found = match app.accounts.presented(&parts.headers) {
            Some(id) => app.accounts.load(id).await?,
            None => None,
        };
        parts.extensions.insert(Looked(found));
        Ok(found)
    }

    /// Whoever was found by then to have sent a request, if they are signed in.
    pub(crate) fn known(request: &Parts) -> Option<Self> {
        request.extensions.get::<Looked>()?.0
    }
}

/// The id that a request's cookie has, be it a session's or not.
pub(crate) struct Presented(pub(crate) Option<SessionId>);

impl FromRequestParts<App> for Presented {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self(app.accounts.presented(&parts.headers)))
    }
}
