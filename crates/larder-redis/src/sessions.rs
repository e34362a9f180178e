//! Sessions: typed data of whoever has an id that can't be guessed.
//!
//! ```no_run
//! use larder_redis::{
//!     RedisStore,
//!     sessions::{SessionId, SessionOptions},
//! };
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Visit {
//!     basket: Vec<u64>,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::connect("redis://localhost")?;
//! let sessions = store.sessions::<Visit>("web", SessionOptions::default());
//!
//! let session = sessions.create(None, Visit::default())?;
//! let cookie = session.id().text();
//!
//! let id: SessionId = cookie.parse()?;
//! sessions.update(&id, |visit| visit.basket.push(7))?;
//! // Whoever has planted the old id has nothing.
//! let session = sessions.sign_in(&id, "user-42")?;
//! # let _ = session;
//!
//! sessions.revoke_all("user-42")?;
//! # Ok(())
//! # }
//! ```

mod error;
mod id;
mod known;
mod options;
#[cfg(feature = "tower-sessions")]
mod tower;

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use larder::store::Nonce;
use redis::Value;
use serde::{Serialize, de::DeserializeOwned};

use self::known::Known;
#[cfg(feature = "tower-sessions")]
pub use self::tower::TowerSessions;
pub use self::{
    error::SessionError,
    id::{InvalidSessionId, SessionId},
    options::SessionOptions,
};
use crate::{
    RedisStore,
    call::Call,
    digest::{DIGITS, digest},
    error::from_server,
    pack::{pack, unpack},
    pool::Pool,
    request::{Request, milliseconds},
    scripts::sessions as scripts,
};

/// How often an update is tried: of all that try at once one succeeds each time.
const TRIES: u32 = 100;

/// Sessions with data of type `T`. [`RedisStore::sessions`] makes them.
///
/// Those of one name, namespace and server are the same ones. Each is a hash in Redis under the digest of its id, so that nobody who reads what
/// lies there has an id. Each user with sessions has one key more, for all of them together, under a digest too. Both expire. The data and
/// the user's name lie there as they are. All keys of a name have one hash tag.
///
/// **Whatever Redis loses or evicts ends sessions, and begins none**: a user's key that is gone ends all of theirs. But a server that comes back with an older
/// state of itself, from a snapshot, a log that was not written through, or as a replica that lagged, has sessions again that were revoked meanwhile.
///
/// # Costs
///
/// Each method is one round trip, of one `EVALSHA` or `UNLINK`, whatever number of sessions there is; [`update`](Self::update) two, and two more for each
/// time that somebody else was faster. Loading writes, too: it begins the idle time anew. A user of the server must be allowed `~shop:* +evalsha
/// +script|load +time +hmget +hset +get +set +pexpire +pexpireat +pttl +rename +unlink` beside what [connecting](RedisStore) takes,
/// for the namespace `shop:`.
pub struct Sessions<T> {
    pool: Arc<Pool>,
    /// What the keys of sessions, and those of users, begin with.
    prefixes: Arc<(Vec<u8>, Vec<u8>)>,
    options: SessionOptions,
    data: PhantomData<fn() -> T>,
}

/// A session, as it was when it was loaded.
#[derive(Debug, Clone)]
pub struct Session<T> {
    id: SessionId,
    version: u64,
    user: Option<String>,
    ends_in: Duration,
    /// What it holds. A change stays here until it is [saved](Sessions::save).
    pub data: T,
}

impl RedisStore {
    /// Sessions on the same server, in the same namespace and on the same connections.
    ///
    /// They are as durable as the server is; it needs no larder beside it. A cache that evicts wants a server of its own, or users are signed
    /// out when it is full.
    #[must_use]
    pub fn sessions<T: Serialize + DeserializeOwned>(&self, name: &str, options: SessionOptions) -> Sessions<T> {
        let prefix = self.names().sessions(name);
        let prefixes = Arc::new(([&prefix, &b"s:"[..]].concat(), [&prefix, &b"u:"[..]].concat()));
        Sessions { pool: Arc::clone(self.pool()), prefixes, options, data: PhantomData }
    }
}

impl<T> Session<T> {
    /// What to send to whom it belongs.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Who has signed in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// When it ends at the latest, from when it was loaded on: the `Max-Age` of a cookie.
    #[must_use]
    pub fn ends_in(&self) -> Duration {
        self.ends_in
    }
}

impl<T: Serialize + DeserializeOwned> Sessions<T> {
    /// Begins a session, of a user or of nobody yet.
    ///
    /// # Errors
    /// [`SessionError::Store`], [`TooLarge`](SessionError::TooLarge), [`Unwritable`](SessionError::Unwritable).
    pub fn create(&self, user: Option<&str>, data: T) -> Result<Session<T>, SessionError> {
        let (id, packed) = (SessionId::fresh(), self.pack(&data)?);
        let user_digest = user.map(digest_of_user);
        let mut keys = vec![self.key(&id)];
        keys.extend(user_digest.as_ref().map(|digest| self.user_key(digest)));
        let mut call = Call::new(&scripts::CREATE, keys);
        call = call.number(milliseconds(self.options.idle)).number(milliseconds(self.options.life)).arg(&packed);
        if let Some((user, digest)) = user.zip(user_digest.as_ref()) {
            call = call.arg(&named(user)).arg(digest).arg(Nonce::fresh().as_bytes());
        }
        self.digit(call)?;
        let (user, ends_in) = (user.map(str::to_owned), Duration::from_millis(milliseconds(self.options.life)));
        Ok(Session { id, version: 1, user, ends_in, data })
    }

    /// The session of an id, whose idle time begins anew: `None` if there is none, or not any more.
    ///
    /// # Errors
    /// [`SessionError::Store`], [`Unreadable`](SessionError::Unreadable).
    pub fn load(&self, id: &SessionId) -> Result<Option<Session<T>>, SessionError> {
        self.session(*id, self.used(Call::new(&scripts::LOAD, vec![self.key(id)])))
    }

    /// Saves the data of a session that nobody else has changed since it was loaded.
    ///
    /// # Errors
    /// [`SessionError::Conflict`] if somebody has, [`Gone`](SessionError::Gone) if it is over: it is not begun again.
    /// [`Store`](SessionError::Store), after which it may have been saved; [`TooLarge`](SessionError::TooLarge),
    /// [`Unwritable`](SessionError::Unwritable).
    pub fn save(&self, session: &mut Session<T>) -> Result<(), SessionError> {
        let data = self.pack(&session.data)?;
        let call = self.used(Call::new(&scripts::SAVE, vec![self.key(&session.id)]));
        match self.digit(call.number(session.version).arg(&data))? {
            b'1' => {
                session.version += 1;
                Ok(())
            }
            b'2' => Err(SessionError::Conflict),
            _ => Err(SessionError::Gone),
        }
    }

    /// Changes the data of a session as it is then, without losing what others change: where somebody was faster, it is loaded and changed once
    /// more. So `change` may run several times, and should do nothing else.
    ///
    /// # Errors
    /// [`SessionError::Gone`] if there is no such session. After [`Store`](SessionError::Store) the change may have been made.
    /// [`Conflict`](SessionError::Conflict) if others were faster a hundred times;
    /// [`Unreadable`](SessionError::Unreadable), [`TooLarge`](SessionError::TooLarge), [`Unwritable`](SessionError::Unwritable).
    pub fn update<R>(&self, id: &SessionId, mut change: impl FnMut(&mut T) -> R) -> Result<R, SessionError> {
        for _ in 0..TRIES {
            let mut session = self.load(id)?.ok_or(SessionError::Gone)?;
            let result = change(&mut session.data);
            match self.save(&mut session) {
                Err(SessionError::Conflict) => {}
                saved => return saved.map(|()| result),
            }
        }
        Err(SessionError::Conflict)
    }

    /// Gives a session another id, with the same data, user and end: whenever somebody's rights change. The old id is nothing from that
    /// moment on.
    ///
    /// `None` if there is no such session. What was loaded under the old id can't be saved any more.
    ///
    /// # Errors
    /// [`SessionError::Store`], after which the session may have its new id, which nobody knows then: its user signs in again.
    /// [`Unreadable`](SessionError::Unreadable), after which it has.
    pub fn rotate(&self, id: &SessionId) -> Result<Option<Session<T>>, SessionError> {
        let fresh = SessionId::fresh();
        self.session(fresh, self.used(Call::new(&scripts::ROTATE, vec![self.key(id), self.key(&fresh)])))
    }

    /// Makes a session a user's, from now on, and gives it another id as [`rotate`](Self::rotate) does: an id that was there before the sign-in
    /// may have been planted by somebody else. Its life begins anew.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub fn sign_in(&self, id: &SessionId, user: &str) -> Result<Option<Session<T>>, SessionError> {
        let (fresh, digest) = (SessionId::fresh(), digest_of_user(user));
        let keys = vec![self.key(id), self.key(&fresh), self.user_key(&digest)];
        let call = self.used(Call::new(&scripts::ROTATE, keys)).number(milliseconds(self.options.life));
        self.session(fresh, call.arg(&named(user)).arg(&digest).arg(Nonce::fresh().as_bytes()))
    }

    /// Ends a session: whether there was something to end.
    ///
    /// # Errors
    /// [`SessionError::Store`], after which it may go on.
    pub fn revoke(&self, id: &SessionId) -> Result<bool, SessionError> {
        self.unlink(&self.key(id))
    }

    /// Ends all sessions of a user, in the time that one takes: whether there may have been any. Those that begin afterwards are good.
    ///
    /// # Errors
    /// [`SessionError::Store`], after which they may go on.
    pub fn revoke_all(&self, user: &str) -> Result<bool, SessionError> {
        self.unlink(&self.user_key(&digest_of_user(user)))
    }

    /// Ends all sessions of a session's user but this one, as after a new password: `false` if it is over itself, or nobody's.
    ///
    /// # Errors
    /// [`SessionError::Store`], after which they may go on.
    pub fn revoke_others(&self, id: &SessionId) -> Result<bool, SessionError> {
        let call = Call::new(&scripts::OTHERS, vec![self.key(id)]).arg(&self.prefixes.1);
        Ok(self.digit(call.arg(Nonce::fresh().as_bytes()))? == b'1')
    }

    /// What every script needs for which a session is used.
    fn used(&self, call: Call) -> Call {
        call.arg(&self.prefixes.1).number(milliseconds(self.options.idle))
    }

    fn key(&self, id: &SessionId) -> Vec<u8> {
        [&self.prefixes.0[..], &id.digest()].concat()
    }

    fn user_key(&self, digest: &[u8; DIGITS]) -> Vec<u8> {
        [&self.prefixes.1[..], digest].concat()
    }

    fn pack(&self, data: &T) -> Result<Vec<u8>, SessionError> {
        let bytes = pack(data).map_err(|source| SessionError::Unwritable { source })?;
        let (n_bytes, max_bytes) = (bytes.len(), self.options.max_bytes);
        if n_bytes > max_bytes { Err(SessionError::TooLarge { n_bytes, max_bytes }) } else { Ok(bytes) }
    }

    fn unlink(&self, key: &[u8]) -> Result<bool, SessionError> {
        let mut request = Request::default();
        request.command(2).arg(&[b"UNLINK"]).arg(&[key]);
        let n_ended = self.pool.with_link(|link| match link.call(&request)?.pop() {
            Some(Value::Int(n)) => Ok(n),
            Some(Value::ServerError(error)) => Err(from_server(&error)),
            _ => Err(link.refuse("UNLINK answers with a number")),
        })?;
        Ok(n_ended > 0)
    }

    /// Runs a script that answers with a digit.
    fn digit(&self, call: Call) -> Result<u8, SessionError> {
        let (script, request) = call.finish();
        let digits = self.pool.with_link(|link| match link.run(script, &request)?.pop() {
            Some(answer) => link.digits(answer, 1, b'2'),
            None => Err(link.refuse("a script is answered")),
        })?;
        Ok(digits[0])
    }

    /// Runs a script that answers with a session.
    fn session(&self, id: SessionId, call: Call) -> Result<Option<Session<T>>, SessionError> {
        let (script, request) = call.finish();
        let known = self.pool.with_link(|link| {
            let answer = link.run(script, &request)?.pop();
            Known::read(link, answer)
        })?;
        let Some(Known { version, ends_in, user, data }) = known else { return Ok(None) };
        let data = unpack(&data).map_err(|source| SessionError::Unreadable { source })?;
        Ok(Some(Session { id, version, user, ends_in, data }))
    }
}

impl<T> Clone for Sessions<T> {
    fn clone(&self) -> Self {
        let (pool, prefixes) = (Arc::clone(&self.pool), Arc::clone(&self.prefixes));
        Self { pool, prefixes, options: self.options, data: PhantomData }
    }
}

impl<T> fmt::Debug for Sessions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("options", &self.options).finish_non_exhaustive()
    }
}

fn digest_of_user(user: &str) -> [u8; DIGITS] {
    digest(&[user.as_bytes()])
}

/// A user as it stands in a session, where nothing stands for nobody: a user may have an empty name.
fn named(user: &str) -> Vec<u8> {
    [b"=", user.as_bytes()].concat()
}
