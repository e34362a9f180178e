//! The same repositories from async code, on [tokio](https://docs.rs/tokio).
//!
//! ```no_run
//! # use larder::{Async, Larder, Result};
//! # use larder::asynchronous::Options;
//! # use diesel::prelude::*;
//! # diesel::table! { users (id) { id -> BigInt, name -> Text, } }
//! # #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Insertable, larder::Repository)]
//! # #[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
//! # struct User { id: i64, name: String }
//! # async fn example(larder: Larder<diesel::pg::Pg>) -> Result<()> {
//! let larder = Async::new(larder, Options::default());          // once, in a runtime
//! let ada = larder.read(|larder| User::repository(larder).find(1)).await?;
//! let bob = User { id: 2, name: "bob".to_owned() };
//! larder.transaction(move |tx| User::repository(tx).insert(&bob)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! There is one implementation, which waits for the database and the store as threads do. Here it runs on threads of tokio's that are made for
//! waiting, as many at once as [`Options`] say, and never on one of those that drive tasks: but for a [read](Async::read) of what is near, which takes
//! no longer than to look into memory, and is answered where it was asked.
//!
//! # When a future is dropped
//! What waits for its turn is not begun. What is under way on its thread is brought to its end there: its connection goes back to the pool, its
//! leases and markers are ended, and a [transaction](Async::transaction) that has not come to its COMMIT is rolled back.

mod hands;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use self::hands::Hands;
use crate::{
    backend::Backend,
    error::{Error, Result},
    handle::Larder,
    inline,
    scope::Scope,
    session::Session,
    transaction::Tx,
};

/// How much may be under way at once, and how much may wait for it.
#[derive(Debug, Clone)]
#[must_use = "options do nothing by themselves"]
pub struct Options {
    threads: Option<usize>,
    queue: usize,
    wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: None, queue: 1_024, wait: Duration::from_secs(5) }
    }
}

impl Options {
    /// How many calls are under way at once, each on a thread. Defaults to as many as there are connections: those that the pool may have to
    /// the database, and those that the store may have. More would only wait for connections, on threads.
    pub fn threads(mut self, n: usize) -> Self {
        self.threads = Some(n.max(1));
        self
    }

    /// How many calls may wait for a thread; one more fails at once. Defaults to 1,024.
    pub fn queue(mut self, n: usize) -> Self {
        self.queue = n;
        self
    }

    /// How long a call waits for a thread at most. Defaults to 5 s.
    pub fn wait(mut self, at_most: Duration) -> Self {
        self.wait = at_most;
        self
    }
}

/// A handle or a scope for async code. Cheap to clone; clones share their threads.
pub struct Async<S> {
    session: S,
    hands: Arc<Hands>,
}

impl<S: Clone> Clone for Async<S> {
    fn clone(&self) -> Self {
        Self { session: self.session.clone(), hands: Arc::clone(&self.hands) }
    }
}

impl<S: fmt::Debug> fmt::Debug for Async<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Async").field("session", &self.session).field("hands", &self.hands).finish()
    }
}

impl<DB: Backend> Async<Larder<DB>> {
    /// A handle for async code. A second one has threads of its own.
    #[must_use]
    pub fn new(larder: Larder<DB>, options: Options) -> Self {
        let n_threads = larder.n_connections();
        Self::of(larder, n_threads, options)
    }

    /// For one request or client, as [`Larder::scope`].
    #[must_use]
    pub fn scope(&self) -> Async<Scope<DB>> {
        self.with(self.session.scope())
    }
}

impl<S> Async<S> {
    /// Anything else that waits as threads do, on threads of its own: another service's client, a password's hash.
    ///
    /// `n_threads` calls are under way at once, unless [`Options::threads`] says otherwise. What shares the threads of a handle, by
    /// [`with`](Self::with), waits also where those wait for a slow database; this does not.
    #[must_use]
    pub fn of(session: S, n_threads: usize, options: Options) -> Self {
        let n_threads = options.threads.unwrap_or(n_threads);
        Self { session, hands: Arc::new(Hands::new(n_threads, options.queue, options.wait)) }
    }

    /// The same threads for another session: a scope with terms of its own, say.
    #[must_use]
    pub fn with<Other>(&self, session: Other) -> Async<Other> {
        Async { session, hands: Arc::clone(&self.hands) }
    }

    /// The session itself, for code that may wait. In a task only what waits for nothing may be called on it.
    pub fn session(&self) -> &S {
        &self.session
    }

    /// How many calls are under way, and how many wait for a thread.
    #[must_use]
    pub fn load(&self) -> Load {
        self.hands.load()
    }
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Load {
    /// Calls on threads, of which not all may be waited for still.
    pub under_way: usize,
    /// Calls that wait for a thread.
    pub waiting: usize,
    /// How many may be under way.
    pub threads: usize,
}

impl<S: Clone + Send + 'static> Async<S> {
    /// Runs whatever may wait, on a thread.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::Busy`] if there is no thread to be had: then `work` was not called.
    ///
    /// # Panics
    /// If `work` does, or the runtime has no threads for what waits, or is being shut down.
    pub async fn run<T, E>(&self, work: impl FnOnce(&S) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let session = self.session.clone();
        self.hands.run(move || work(&session)).await?
    }
}

impl<S> Async<S>
where
    S: Session + Clone + Send + Sync + 'static,
{
    /// Reads: at once if all of it is near, else on a thread.
    ///
    /// `read` is called here and now, where nothing may wait: what is not near fails with [`Error::WouldWait`], and then, whatever `read`
    /// has made of that, it is called once more on a thread, where it may wait. So it should do nothing but read through repositories, and
    /// must not wait for anything itself: a computation of a second, a [memo](Larder::memo) or an [aside](Larder::aside) that asks a
    /// service belong into [`run`](Self::run).
    ///
    /// # Errors
    /// Those of `read`, and [`Error::Busy`] if there is no thread to be had.
    ///
    /// # Panics
    /// If `read` does, or the runtime has no threads for what waits, or is being shut down.
    pub async fn read<T, E>(&self, read: impl Fn(&S) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match inline::without_waiting(|| read(&self.session)) {
            Some(result) => result,
            None => self.run(read).await,
        }
    }

    /// Runs `work` in a transaction, on a thread, as [`Larder::transaction`].
    ///
    /// If the future is dropped before `work` has come to its end, the transaction is rolled back; after that it may be committed, which nobody
    /// is told.
    ///
    /// # Errors
    /// Those of [`Larder::transaction`], and [`Error::Busy`] if there is no thread to be had.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    pub async fn transaction<T>(&self, work: impl FnOnce(&Tx<S::Backend>) -> Result<T> + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
    {
        let (wanted, is_wanted) = Wanted::new();
        let done = self
            .run(move |session| {
                session.transaction(|tx| {
                    let value = work(tx)?;
                    if is_wanted.load(Ordering::SeqCst) {
                        Ok(value)
                    } else {
                        Err(Error::other("nobody waits for it any more"))
                    }
                })
            })
            .await;
        drop(wanted);
        done
    }
}

/// Whoever waits for something: it is not wanted any more when this is dropped.
struct Wanted(Arc<AtomicBool>);

impl Wanted {
    fn new() -> (Self, Arc<AtomicBool>) {
        let is_wanted = Arc::new(AtomicBool::new(true));
        (Self(Arc::clone(&is_wanted)), is_wanted)
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
