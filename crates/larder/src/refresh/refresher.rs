//! Who refreshes a view by itself, and how it is told when.

use std::{fmt, io, sync::Arc, time::Duration};

use diesel::{
    PgConnection,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};

use super::{Figures, Refreshed, figures::Ledger};
use crate::{
    entity::{Entity, MaterializedView, Table},
    error::Result,
    figures::OfModel,
    handle::Larder,
    models::table_of,
    payload,
    stop::{Running, Stop},
    store::CellKey,
};

/// Refreshes a view after writes to the tables that its query reads, in one of all processes that have such a refresher.
///
/// ```no_run
/// # #[cfg(feature = "postgres")]
/// # fn example<UserStats, User, Order>(larder: &larder::Larder<diesel::pg::Pg>) -> std::io::Result<()>
/// # where
/// #     UserStats: larder::MaterializedView + larder::Table<diesel::pg::Pg>,
/// #     User: larder::Entity,
/// #     Order: larder::Entity,
/// # {
/// use std::time::Duration;
/// use larder::refresh::Refresher;
///
/// let refresher = Refresher::of::<UserStats>(larder)
///     .depends_on::<User>()
///     .depends_on::<Order>()
///     .at_most_every(Duration::from_secs(30))
///     .at_least_every(Duration::from_secs(3_600))
///     .start()?; // runs until it is dropped
/// println!("not older than {:?}", refresher.figures().stale_for);
/// # Ok(())
/// # }
/// ```
///
/// # What it sees
/// Every write of a table changes the stamp of the table's own cell in the store, from whatever process it comes: through larder, or told of by
/// triggers or the log. The stamps are taken before the view's query runs, so a write that comes in between is followed by another
/// refresh. A stamp that the store has lost, or can't tell, counts as a write. Of what nobody tells only
/// [`at_least_every`](Self::at_least_every) takes care. A handle without a store is told of nothing, so its view is refreshed
/// [as often as it may be](Self::at_most_every).
///
/// # What it costs
/// The leader keeps one connection of the pool for as long as it leads, and a thread; it looks once a second, or as often as it may
/// refresh if that is more, for one round trip of the store and one statement. Others take a connection once a second, for two statements.
/// A refresh takes a second connection, and costs what [`Larder::refresh`] does. After a failure it waits for a second, and then
/// twice as long each time, up to a minute.
///
/// When the leader has gone, another takes over within some two seconds, and goes on from the last refresh, which the store remembers
/// for 30 days: if that has lost it, or the view was made anew, the view is refreshed.
/// A leader that is cut off is believed in for 15 seconds, or for 15 minutes in the middle of a refresh.
#[must_use = "nothing is refreshed before `start`"]
pub struct Refresher {
    pub(super) job: Job,
}

/// What is to be refreshed, and when.
pub(super) struct Job {
    pub(super) larder: Larder<Pg>,
    pub(super) pool: Pool<ConnectionManager<PgConnection>>,
    pub(super) name: &'static str,
    /// The view as SQL names it.
    pub(super) view: String,
    pub(super) refresh: fn(&Larder<Pg>) -> Result<Refreshed>,
    pub(super) of_model: OfModel,
    /// The cells of the tables that it depends on.
    pub(super) depends_on: Vec<CellKey>,
    pub(super) at_most_every: Duration,
    pub(super) at_least_every: Option<Duration>,
    pub(super) ledger: Ledger,
}

impl Refresher {
    /// A refresher of one view, on the handle's connections and store.
    pub fn of<E: MaterializedView + Table<Pg>>(larder: &Larder<Pg>) -> Self {
        let job = Job {
            larder: larder.clone(),
            pool: larder.pool().clone(),
            name: E::NAME,
            view: table_of::<Pg, E>(),
            refresh: E::refresh,
            of_model: |figures| figures.of::<E>(),
            depends_on: Vec::new(),
            at_most_every: Duration::from_secs(10),
            at_least_every: None,
            ledger: Ledger::default(),
        };
        Self { job }
    }

    /// The view's query reads this table, or this other view.
    pub fn depends_on<E: Entity>(mut self) -> Self {
        let cell = payload::table_key(E::cells_name());
        if !self.job.depends_on.contains(&cell) {
            self.job.depends_on.push(cell);
        }
        self
    }

    /// How long after the beginning of a refresh the next one begins at the soonest, however much is written. Defaults to 10 s.
    pub fn at_most_every(mut self, time: Duration) -> Self {
        self.job.at_most_every = time;
        self
    }

    /// How long after the beginning of a refresh the next one begins although nothing is known to have been written. Defaults to never.
    pub fn at_least_every(mut self, time: Duration) -> Self {
        self.job.at_least_every = Some(time);
        self
    }

    /// Another pool for the leader's lock: one whose connections are sessions of the database, where those of the handle go through a
    /// pooler that gives them a session a transaction. Defaults to the handle's.
    pub fn pool(mut self, pool: Pool<ConnectionManager<PgConnection>>) -> Self {
        self.job.pool = pool;
        self
    }

    /// Starts it, on a thread of its own. It refreshes at its beginning, unless the store remembers a refresh since which nothing was written;
    /// without a table to depend on and without a schedule never again, of which `tracing` is warned. It needs neither the store nor the database to be there yet.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(self) -> io::Result<RefresherHandle> {
        let job = Arc::new(self.job);
        if job.depends_on.is_empty() && job.at_least_every.is_none() {
            tracing::warn!(
                view = job.name,
                "it depends on no table and has no schedule: it is refreshed once, and never again"
            );
        }
        let run = {
            let job = Arc::clone(&job);
            move |stop: &Stop| job.run(stop)
        };
        let running = Running::start("larder-refresh", run)?;
        Ok(RefresherHandle { job, running })
    }
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher").field("view", &self.job.name).finish_non_exhaustive()
    }
}

/// A refresher that runs. It ends when this is dropped.
#[must_use = "the refresher ends when this is dropped"]
pub struct RefresherHandle {
    job: Arc<Job>,
    running: Running,
}

impl RefresherHandle {
    /// Ends the refresher, and returns what it has done when it has ended: at once, or when the refresh that is under way is done.
    pub fn stop(mut self) -> Figures {
        self.running.end();
        self.figures()
    }

    /// What this refresher has done so far. Costs nothing.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.job.ledger.figures()
    }
}

impl fmt::Debug for RefresherHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (view, figures) = (&self.job.name, self.figures());
        f.debug_struct("RefresherHandle").field("view", view).field("figures", &figures).finish_non_exhaustive()
    }
}
