//! Who signs in, and who is signed in.

mod cookie;
mod credentials;
mod password;
mod signed;

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use diesel::pg::Pg;
use larder::{Async, Error, Scope, asynchronous};
use larder_redis::{
    RedisStore,
    sessions::{Session, SessionError, SessionId, SessionOptions, Sessions},
};
use uuid::Uuid;

use self::{cookie::SessionCookie, password::Passwords};
pub(crate) use self::{
    credentials::set_password,
    password::check_length,
    signed::{Presented, Signed},
};
use crate::{body, problem::Problem};

/// How long a request waits for a thread to ask for its session at most.
const WAIT: Duration = Duration::from_secs(1);

/// What the command line says of it.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct AccountOptions {
    /// Whether cookies go over HTTPS only.
    pub secure_cookies: bool,
}

/// Passwords and sessions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Accounts {
    /// They hold nothing but whose they are. They wait on threads of their own, not behind a slow database.
    sessions: Async<Sessions<()>>,
    passwords: Passwords,
    cookie: SessionCookie,
}

impl Accounts {
    pub(crate) fn new(store: &RedisStore, n_connections: u32, options: AccountOptions) -> Result<Self, Error> {
        let sessions = store.sessions("web", SessionOptions::default());
        Ok(Self {
            sessions: Async::of(sessions, n_connections as usize, asynchronous::Options::default().wait(WAIT)),
            passwords: Passwords::new()?,
            cookie: SessionCookie::new(options.secure_cookies),
        })
    }

    /// What is kept of a password.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Error> {
        self.passwords.hash(password).await
    }

    /// The user whose address and password these are. Where there is none, it takes as long to say so as where the password is wrong.
    pub(crate) async fn user_with(
        &self,
        larder: &Async<Scope<Pg>>,
        email: String,
        password: String,
    ) -> Result<Option<Uuid>, Error> {
        // What is no address can't be asked for, and is nobody's.
        let found = match body::email(&email) {
            Ok(()) => larder.transaction(move |tx| credentials::of_email(tx, &email)).await?,
            Err(_) => None,
        };
        let (user, hash) = found.unzip();
        Ok(if self.passwords.matches(password, hash.flatten()).await? { user } else { None })
    }

    /// Begins a user's session, in place of the one that was presented: whoever has planted that one has nothing.
    pub(crate) async fn begin(&self, presented: Option<SessionId>, user: Uuid) -> Result<Session<()>, Problem> {
        let user = user.to_string();
        self.ask(move |sessions| {
            let rotated = presented.map(|id| sessions.sign_in(&id, &user)).transpose()?.flatten();
            rotated.map_or_else(|| sessions.create(Some(&user), ()), Ok)
        })
        .await
    }

    /// Whose session it is, if it is one.
    pub(crate) async fn load(&self, id: SessionId) -> Result<Option<Signed>, Problem> {
        let session = self.ask(move |sessions| sessions.load(&id)).await?;
        let user = session.as_ref().and_then(Session::user).and_then(|user| user.parse().ok());
        Ok(user.map(|user| Signed { id, user }))
    }

    /// Ends a session, if it is one.
    pub(crate) async fn end(&self, id: SessionId) -> Result<(), Problem> {
        self.ask(move |sessions| sessions.revoke(&id)).await.map(drop)
    }

    /// Ends all sessions of a user.
    pub(crate) async fn end_all(&self, user: Uuid) -> Result<(), Problem> {
        self.ask(move |sessions| sessions.revoke_all(&user.to_string())).await.map(drop)
    }

    /// The id that a request's cookie has, if it may be one.
    pub(crate) fn presented(&self, headers: &HeaderMap) -> Option<SessionId> {
        self.cookie.read(headers)
    }

    /// `Set-Cookie` for a session.
    pub(crate) fn cookie_of(&self, session: &Session<()>) -> HeaderValue {
        self.cookie.of(session)
    }

    /// `Set-Cookie` for none.
    pub(crate) fn no_cookie(&self) -> HeaderValue {
        self.cookie.gone()
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Sessions<()>) -> Result<T, SessionError> + Send + 'static,
    ) -> Result<T, Problem> {
        self.sessions.run(move |sessions| ask(sessions).map_err(Problem::from)).await
    }
}
