//! Who looks after partitions, and how it is told to.

use std::{
    fmt, io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use diesel::{
    PgConnection,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};

use super::{
    error::Error,
    figures::{Figures, Ledger},
    hold::Limits,
    report::{Plan, Report, Status},
    work::Work,
};
use crate::{
    handle::Larder,
    models::Models,
    stop::{Running, Stop},
};

/// What becomes of a partition whose rows are not kept any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expired {
    /// It is detached and dropped.
    Drop,
    /// It is detached, and stays as a table of its own.
    Detach,
    /// It is detached, written to a file of this folder, and dropped: `<schema>.<partition>.csv`, which `COPY .. FROM .. (FORMAT csv, HEADER)`
    /// reads again. It is dropped when the file has all of its rows and is on the disk.
    Archive(PathBuf),
}

/// Makes partitions ahead of the rows, moves rows out of the default partition, and takes old ones away: for all models that are
/// [partitioned](super::Partition), one keeper of all processes at a time for each table.
///
/// ```no_run
/// # fn example(larder: &larder::Larder<diesel::pg::Pg>, models: larder::Models<diesel::pg::Pg>) -> std::io::Result<()> {
/// use larder::partitions::{Expired, Keeper};
///
/// let keeper = Keeper::of(larder, &models).expired(Expired::Archive("/var/archive".into())).start()?; // until it is dropped
/// # Ok(())
/// # }
/// ```
///
/// # What others feel of it
/// A partition is made aside. While it is attached, and rows of the default partition are moved into it, writers of the table wait, and readers
/// of the default partition at the end of that. One is detached concurrently where there is no default partition, and otherwise with readers
/// and writers waiting, for some milliseconds. Nothing waits for a lock for longer than
/// [`lock_timeout`](Self::lock_timeout), in which others wait behind it: that is tried five times, and then again at the next look. No
/// step has its locks for longer than [`hold_at_most`](Self::hold_at_most): what takes longer is given up, and tried again at the next look.
/// Both are told of as a [failure](super::Failure).
///
/// # Whatever happens to it
/// Each step is a transaction. A partition that was detached has a comment by which the next keeper knows that it is to go, in whatever
/// process that is: its rows' cells are emptied, then it is archived, then dropped.
///
/// # What it costs
/// A look takes one connection of the pool, and for each table six statements. It is the role of the keeper's connections that has to own
/// the tables.
#[must_use = "nothing is done before `run_once` or `start`"]
pub struct Keeper {
    pub(super) job: Job,
}

/// A moment that somebody else gives.
pub(super) type Now = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What is to be looked after, and how.
pub(super) struct Job {
    pub(super) larder: Larder<Pg>,
    pub(super) models: Models<Pg>,
    pub(super) pool: Pool<ConnectionManager<PgConnection>>,
    pub(super) limits: Limits,
    pub(super) expired: Expired,
    pub(super) clock: Option<Now>,
    pub(super) every: Duration,
    pub(super) expire_at_most: usize,
    pub(super) ledger: Ledger,
}

impl Keeper {
    /// A keeper of all of these models that are partitioned, on the handle's connections and store.
    pub fn of(larder: &Larder<Pg>, models: &Models<Pg>) -> Self {
        let limits = Limits { lock_timeout: Duration::from_millis(200), hold_at_most: Duration::from_secs(2) };
        let job = Job {
            larder: larder.clone(),
            models: models.partitioned(),
            pool: larder.pool().clone(),
            limits,
            expired: Expired::Drop,
            clock: None,
            every: Duration::from_secs(600),
            expire_at_most: 10,
            ledger: Ledger::default(),
        };
        Self { job }
    }

    /// What becomes of partitions whose rows are not kept any more. Defaults to [`Expired::Drop`].
    pub fn expired(mut self, expired: Expired) -> Self {
        self.job.expired = expired;
        self
    }

    /// For how long a step waits for a lock that somebody else has: that long others may wait behind it. Defaults to 200 ms.
    pub fn lock_timeout(mut self, time: Duration) -> Self {
        self.job.limits.lock_timeout = time;
        self
    }

    /// For how long a step may keep others waiting: from its first lock in whose way others may stand, until its transaction ends. The `COMMIT`
    /// comes beside. What takes longer has not happened, and is [`Error::HeldTooLong`](super::Error::HeldTooLong). Defaults to 2 s.
    ///
    /// In that time all rows of one partition that lie in the default partition are moved, and PostgreSQL looks whether any is left, so the
    /// whole default partition is read: some 100,000 rows are moved in a second, and some millions read.
    pub fn hold_at_most(mut self, time: Duration) -> Self {
        self.job.limits.hold_at_most = time;
        self
    }

    /// How many partitions of numbers may go at one look: if there are more, none does, and it is told of as
    /// [`Error::TooMany`](super::Error::TooMany), since one number that is far too large makes all others old. Defaults to 10.
    pub fn expire_at_most(mut self, n_partitions: usize) -> Self {
        self.job.expire_at_most = n_partitions;
        self
    }

    /// How long after a look the next one comes; after one that failed it comes after a second, and then twice as long each time. Defaults to
    /// 10 min.
    pub fn every(mut self, time: Duration) -> Self {
        self.job.every = time;
        self
    }

    /// What time it is. Defaults to the database's clock, which is the same for all processes.
    ///
    /// Ranges of numbers have no use for it: their present is the largest number that is in a range, and not in the default partition.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.job.clock = Some(Arc::new(now));
        self
    }

    /// Another pool: one whose connections are sessions of the database, where those of the handle go through a pooler that gives them a
    /// session a transaction, or are of a role that does not own the tables. Defaults to the handle's.
    pub fn pool(mut self, pool: Pool<ConnectionManager<PgConnection>>) -> Self {
        self.job.pool = pool;
        self
    }

    /// Does now all that there is to do.
    pub fn run_once(&self) -> Report {
        self.job.look(&Stop::default())
    }

    /// What [`run_once`](Self::run_once) would do: for each table, whether there is anything or not. Changes nothing.
    ///
    /// # Errors
    /// Those of the first table that can't be looked at.
    pub fn plan(&self) -> Result<Vec<Plan>, Error> {
        self.each(|work| work.plan())
    }

    /// What there is of each table. Costs some statements a table, and a count of its default partition's rows.
    ///
    /// # Errors
    /// Those of the first table that can't be looked at.
    pub fn status(&self) -> Result<Vec<Status>, Error> {
        self.each(|work| work.status())
    }

    /// Gives one value of a table that is partitioned by list a partition of its own, with the rows of the default partition that have it:
    /// what the others share is the default partition. Done once more, it does nothing.
    ///
    /// `model` is one of [`Models::names`], and `value` as SQL writes it in quotes.
    ///
    /// # Errors
    /// [`Error::NoScheme`] if no such model is partitioned, and [`Error::NotByList`] if it is not by list.
    pub fn give_partition(&self, model: &str, value: &str) -> Result<Report, Error> {
        self.job.give_partition(model, value)
    }

    /// Starts it, on a thread of its own: it looks at its beginning, and then as often as it is told to. It needs neither the store nor
    /// the database to be there yet.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(self) -> io::Result<KeeperHandle> {
        let job = Arc::new(self.job);
        let run = {
            let job = Arc::clone(&job);
            move |stop: &Stop| job.run(stop)
        };
        let running = Running::start("larder-partitions", run)?;
        Ok(KeeperHandle { job, running })
    }

    fn each<T>(&self, of_one: impl Fn(&mut Work<'_>) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let mut connection = self.job.pool.get()?;
        let models = self.job.models.iter();
        models.map(|model| of_one(&mut Work::of(&self.job, model, &mut connection)?)).collect()
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("models", &self.job.models).finish_non_exhaustive()
    }
}

/// A keeper that runs. It ends when this is dropped.
#[must_use = "the keeper ends when this is dropped"]
pub struct KeeperHandle {
    job: Arc<Job>,
    running: Running,
}

impl KeeperHandle {
    /// Ends the keeper, and returns what it has done when it has ended: at once, or when the step that is under way is done.
    pub fn stop(mut self) -> Figures {
        self.running.end();
        self.figures()
    }

    /// What this keeper has done so far. Costs nothing.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.job.ledger.figures()
    }
}

impl fmt::Debug for KeeperHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeeperHandle").field("figures", &self.figures()).finish_non_exhaustive()
    }
}
