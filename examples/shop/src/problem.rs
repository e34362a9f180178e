//! Errors as clients get them: problem details (RFC 9457).

use std::{borrow::Cow, fmt};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use diesel::result::{DatabaseErrorKind as Kind, Error as Diesel};
use larder_http::RateDecision;
use larder_redis::sessions::SessionError;
use serde::Serialize;

/// What went wrong with a request. Says nothing of what is behind the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind it is of; the same for all of its kind.
    #[serde(rename = "type")]
    kind: Cow<'static, str>,
    title: &'static str,
    #[serde(serialize_with = "number")]
    status: StatusCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Which part of the request's body is wrong, as a JSON pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// In seconds.
    #[serde(skip)]
    retry_after: Option<u32>,
    /// The limits that are to be told with it.
    #[serde(skip)]
    limits: Option<Box<RateDecision>>,
}

fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// One of a status, which says all there is to say.
    pub(crate) fn new(status: StatusCode) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { kind: "about:blank".into(), title, status, detail: None, pointer: None, retry_after: None, limits: None }
    }

    /// One of a kind of its own.
    pub(crate) fn of(status: StatusCode, kind: &'static str, title: &'static str) -> Self {
        Self { kind: format!("/problems/{kind}").into(), title, ..Self::new(status) }
    }

    pub(crate) fn not_found(what: &'static str) -> Self {
        Self::of(StatusCode::NOT_FOUND, "not-found", "There is no such thing").detail(format!("no {what} has this id"))
    }

    /// A part of the body that can't be taken.
    pub(crate) fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        let problem = Self::of(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "A value can't be taken");
        problem.detail(detail).pointer(pointer)
    }

    /// A query that can't be read, or asks for too much.
    pub(crate) fn query(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, "query", "The query can't be read").detail(detail)
    }

    /// What the request names is not there.
    pub(crate) fn refers() -> Self {
        Self::of(StatusCode::CONFLICT, "refers", "It refers to what is not there")
    }

    pub(crate) fn pointer(self, pointer: &str) -> Self {
        Self { pointer: Some(pointer.to_owned()), ..self }
    }

    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// What the request was made for is no longer so.
    pub(crate) fn changed() -> Self {
        Self::of(StatusCode::PRECONDITION_FAILED, "changed", "Somebody else has changed it")
            .detail("read it again, and decide anew")
    }

    /// Whoever wants to know what is about themselves has to say who they are.
    pub(crate) fn not_signed_in() -> Self {
        Self::of(StatusCode::UNAUTHORIZED, "not-signed-in", "Nobody is signed in")
            .detail("POST an email and a password to /session first")
    }

    /// The same for an address that nobody has and for a password that is wrong.
    pub(crate) fn no_such_credentials() -> Self {
        Self::of(StatusCode::UNAUTHORIZED, "credentials", "Nobody has this email and password")
    }

    /// With what is left of the limits that it is for.
    pub(crate) fn with_limits(self, decision: RateDecision) -> Self {
        Self { limits: Some(decision.into()), ..self }
    }

    /// As it is sent.
    pub(crate) fn response(&self) -> Response<Bytes> {
        let body = serde_json::to_vec(self).expect("a problem has texts and a number");
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(limits) = &self.limits {
            limits.write(headers);
            limits.write_three(headers);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // There has to be one, and for cookies none is registered.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Cookie realm=\"shop\""));
        }
        response
    }

    pub(crate) fn unavailable(detail: &str) -> Self {
        let problem = Self::of(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The service can't answer now");
        Self { retry_after: Some(1), ..problem.detail(detail) }
    }

    pub(crate) fn timed_out() -> Self {
        Self::unavailable("it took too long")
    }

    /// A write that may or may not have been done. Without a time to come again: who repeats it may do it twice.
    pub(crate) fn unknown(why: &str) -> Self {
        Self::of(StatusCode::SERVICE_UNAVAILABLE, "unknown", "It is not known whether that was done")
            .detail(format!("{why}; look before you repeat it"))
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.detail.as_deref().unwrap_or_default())
    }
}

impl std::error::Error for Problem {}

impl From<Problem> for larder::Error {
    fn from(problem: Problem) -> Self {
        Self::other(problem)
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        if let SessionError::Store(error) = &error {
            // Each request may come by here while the server is away, which is told where it is noticed.
            tracing::debug!(error = error as &dyn std::error::Error, "sessions can't be reached");
            return Self::unavailable("sessions can't be reached");
        }
        tracing::error!(error = &error as &dyn std::error::Error, "a session can't be used");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<larder::Error> for Problem {
    fn from(error: larder::Error) -> Self {
        use larder::Error;
        let error = match error {
            Error::Other(reason) => match reason.downcast::<Self>() {
                Ok(problem) => return *problem,
                Err(reason) => Error::Other(reason),
            },
            error => error,
        };
        match &error {
            Error::NotFound { .. } => return Self::not_found("row"),
            // Of a read that is made again where it may wait.
            Error::WouldWait => return Self::unavailable("it is not near"),
            // The line that each request has says it: a thousand of them are not a thousand errors.
            Error::Busy { .. } => return Self::unavailable("too many requests wait"),
            Error::Cursor(_) => {
                return Self::of(StatusCode::BAD_REQUEST, "cursor", "This is no cursor of the list")
                    .detail("begin at the list's beginning, without `after`");
            }
            Error::Database(Diesel::DatabaseError(Kind::UniqueViolation, _)) => {
                return Self::of(StatusCode::CONFLICT, "taken", "Somebody else has that already");
            }
            Error::Database(Diesel::DatabaseError(Kind::ForeignKeyViolation, _)) => {
                return Self::refers();
            }
            _ => {}
        }
        // What it is, is for whoever runs the service.
        tracing::error!(error = &error as &dyn std::error::Error, "a request failed");
        match error {
            Error::Pool(_) | Error::Store(_) | Error::TooSlow { .. } => Self::unavailable("what it needs is away"),
            Error::TimedOut => Self::timed_out(),
            Error::CommitUnknown(_) => Self::unknown("its answer is lost"),
            Error::Database(error) if is_lost(&error) => Self::unavailable("what it needs is away"),
            error if error.is_retryable() => Self::unavailable("somebody else has changed the same; try again"),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

/// Whether the database has gone, and with it the transaction, of which nothing is done then.
fn is_lost(error: &Diesel) -> bool {
    match error {
        Diesel::DatabaseError(Kind::ClosedConnection | Kind::UnableToSendCommand, _) => true,
        Diesel::DatabaseError(_, info) => info.message().starts_with("terminating connection"),
        other => matches!(other, Diesel::BrokenTransactionManager),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.response().map(Body::from)
    }
}
