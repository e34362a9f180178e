//! The thread that follows the log.

mod stream;

use std::{
    fmt,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use diesel::{Connection as _, PgConnection, pg::Pg};
use larder::{
    Models,
    store::{Cursor, Store},
};

use self::stream::Stream;
use crate::{
    Error, Status,
    apply::apply,
    changes::{Changes, Watched},
    setup::needs_whole_rows,
    slot::{self, Slot},
    source::Source,
    status::Shared,
};

/// How long to wait before the next try, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Follows the write-ahead log until it is dropped, on a thread of its own.
pub struct Follower {
    status: Arc<Shared>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// Builds a [`Follower`].
pub struct Builder {
    url: String,
    store: Arc<dyn Store>,
    models: Models<Pg>,
    publication: String,
    slot: String,
    retain_at_most: u64,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may have a password in it.
        f.debug_struct("Builder")
            .field("publication", &self.publication)
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

impl Follower {
    /// Starts to build a follower that tells `store` of changes of the tables of `models`.
    ///
    /// The database is named by URL, `postgres://user:password@host:port/database?sslmode=..&sslrootcert=..`, since the log needs a
    /// connection of another kind. The store must be the one that the handles have.
    pub fn builder(url: impl Into<String>, store: Arc<dyn Store>, models: Models<Pg>) -> Builder {
        let (publication, slot) = ("larder".to_owned(), "larder".to_owned());
        Builder { url: url.into(), store, models: models.tables(), publication, slot, retain_at_most: 1 << 30 }
    }

    /// How it is doing. Costs nothing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.get()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has ended, too.
            let _ = thread.join();
        }
    }
}

impl Builder {
    /// The publication that [`setup::up`](crate::setup::up) has made. Defaults to `larder`.
    #[must_use]
    pub fn publication(mut self, name: impl Into<String>) -> Self {
        self.publication = name.into();
        self
    }

    /// The slot, of which followers of other stores need another: lower-case letters, digits and `_`. Defaults to `larder`.
    #[must_use]
    pub fn slot(mut self, name: impl Into<String>) -> Self {
        self.slot = name.into();
        self
    }

    /// How many bytes of the log may be kept for the slot while the store can't be told. Beyond it, the slot is dropped; once the store
    /// is back, a new one is made and every cell settled. Looked at once a second, by whoever follows. Defaults to 1 GiB.
    ///
    /// While no follower runs, only the server's `max_slot_wal_keep_size` bounds it: without that, a warning is given at start.
    #[must_use]
    pub fn retain_at_most(mut self, bytes: u64) -> Self {
        self.retain_at_most = bytes;
        self
    }

    /// Starts to follow. Returns at once; whatever keeps it from following is tried again, and is in [`Follower::status`].
    ///
    /// # Errors
    /// [`Error::Url`] and [`Error::Thread`].
    pub fn start(self) -> Result<Follower, Error> {
        let source = Source::parse(&self.url)?;
        let status = Arc::new(Shared::default());
        let (stop, stopped) = mpsc::channel();
        let work = Work {
            source,
            store: self.store,
            watched: Watched::all(&self.models),
            needs_whole_rows: self.models.describe().map(|model| needs_whole_rows(&model)).collect(),
            models: self.models,
            publication: self.publication,
            slot: self.slot,
            retain_at_most: self.retain_at_most,
            status: Arc::clone(&status),
            stopped,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .thread_name("larder-wal-stream")
            .build()
            .map_err(Error::Thread)?;
        let thread = thread::Builder::new()
            .name("larder-wal".to_owned())
            .spawn(move || work.run(&runtime))
            .map_err(Error::Thread)?;
        Ok(Follower { status, stop: Some(stop), thread: Some(thread) })
    }
}

/// Everything that the thread has.
pub(crate) struct Work {
    source: Source,
    store: Arc<dyn Store>,
    models: Models<Pg>,
    watched: Vec<Watched>,
    needs_whole_rows: Vec<bool>,
    publication: String,
    slot: String,
    retain_at_most: u64,
    status: Arc<Shared>,
    stopped: Receiver<()>,
}

impl Work {
    fn run(&self, runtime: &tokio::runtime::Runtime) {
        let mut pause = PAUSES.0;
        loop {
            let followed = self.follow(runtime);
            let was_following = self.status.get().is_following;
            let Err(error) = followed else { break };
            tracing::warn!(%error, cause = std::error::Error::source(&error).map(tracing::field::display), "not following the log");
            self.status.change(|status| {
                status.is_following = false;
                status.last_error = Some(error.to_string());
            });
            pause = if was_following { PAUSES.0 } else { (pause * 2).min(PAUSES.1) };
            if self.is_stopped(pause) {
                break;
            }
        }
        self.status.change(|status| status.is_following = false);
    }

    /// Follows until it is stopped or something breaks.
    fn follow(&self, runtime: &tokio::runtime::Runtime) -> Result<(), Error> {
        let mut connection = PgConnection::establish(&self.source.url)?;
        slot::check(&mut connection, &self.watched, &self.needs_whole_rows, &self.publication)?;
        match slot::find(&mut connection, &self.slot)? {
            Some(slot) if !slot.is_lost => self.bound(&mut connection, &slot)?,
            Some(_) => {
                slot::give_up(&mut connection, &self.slot)?;
                self.start_afresh(&mut connection)?;
            }
            None => self.start_afresh(&mut connection)?,
        }
        Stream::open(self, runtime, connection)?.follow()
    }

    /// Gives the slot up if too much of the log is kept for it, and the store can't be told.
    fn bound(&self, connection: &mut PgConnection, slot: &Slot) -> Result<(), Error> {
        let retained_bytes = u64::try_from(slot.retained_bytes).unwrap_or(0);
        self.status.change(|status| status.retained_bytes = Some(retained_bytes));
        if retained_bytes <= self.retain_at_most || self.reach_store().is_ok() {
            return Ok(());
        }
        slot::give_up(connection, &self.slot)?;
        Err(Error::GivenUp { retained_bytes })
    }

    /// Makes a slot, and settles all that may have been committed before, so that no change is in neither.
    ///
    /// The slot lasts only when that is done: whoever finds one may take everything before it for settled.
    fn start_afresh(&self, connection: &mut PgConnection) -> Result<(), Error> {
        self.reach_store()?;
        let temporary = slot::create_temporary(connection, &self.slot)?;
        let all = Changes::of_any_row(self.watched.len());
        let n_cells = apply(&all, &self.models, &self.watched, connection, self.store.as_ref())?;
        slot::make_last(connection, &temporary, &self.slot)?;
        self.status.change(|status| {
            status.n_fresh_starts += 1;
            status.n_cells += n_cells as u64;
        });
        Ok(())
    }

    /// Whether the store answers. No cell has such a key.
    fn reach_store(&self) -> Result<(), Error> {
        self.store.scan(b":", Cursor::START)?;
        Ok(())
    }

    /// Waits: whether the follower is to end.
    fn is_stopped(&self, at_most: Duration) -> bool {
        !matches!(self.stopped.recv_timeout(at_most), Err(RecvTimeoutError::Timeout))
    }
}
