//! Writes past larder: psql, a cron job, another service. Triggers note them in the outbox, and a relay tells the caches.

use std::{
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use diesel::{
    PgConnection,
    connection::{Connection as _, SimpleConnection as _},
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};
use larder::{
    Larder, Models,
    relay::{Figures, Lag, Relay, RelayHandle},
    triggers::Triggers,
};
use shop_core::{Order, OrderItem, User};

/// How often the outbox is looked at, however many ask, and after which time what was seen is not told any more.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const GOOD_FOR: Duration = Duration::from_secs(5);

/// Those who start at once make the triggers one after the other, and nobody waits long for a table that somebody else has locked.
const MAKE_ALONE: &str = "SET LOCAL lock_timeout = '5s'; SELECT pg_advisory_xact_lock(x'73686f7074726967'::bigint)";

/// The relay of this process, which leads or stands by.
pub(crate) struct Outside {
    relay: RelayHandle,
    last: Mutex<Last>,
}

/// How far the outbox was behind when it was last looked at.
#[derive(Default)]
struct Last {
    seen: Option<(Instant, Lag)>,
    asked_at: Option<Instant>,
    is_asking: bool,
}

impl Outside {
    /// Makes the triggers that the database lacks, and starts a relay for this handle. To be called where it may wait.
    ///
    /// # Errors
    /// The database is not there, or the role does not own the tables.
    pub(crate) fn start(larder: &Larder<Pg>, database_url: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        // Requests may take all connections of the service; a relay that can't have one is none.
        let pool = Pool::builder()
            .max_size(2)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(2))
            .build(ConnectionManager::<PgConnection>::new(database_url))?;
        install(&mut *pool.get()?)?;
        let relay = Relay::builder(larder).models(models()).pool(pool).start()?;
        Ok(Self { relay, last: Mutex::default() })
    }

    /// What the relay has done.
    pub(crate) fn figures(&self) -> Figures {
        self.relay.figures()
    }

    /// How far the outbox was behind some moments ago: `None` if that is not known. Waits for nothing, and has the database asked once a
    /// second at most.
    pub(crate) fn lag(self: &Arc<Self>) -> Option<Lag> {
        let mut last = self.last();
        if !last.is_asking && last.asked_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            (last.is_asking, last.asked_at) = (true, Some(Instant::now()));
            let outside = Arc::clone(self);
            // Nobody waits for it: whoever asks next is told.
            drop(tokio::task::spawn_blocking(move || {
                let seen = outside.relay.lag();
                let mut last = outside.last();
                last.is_asking = false;
                match seen {
                    Ok(lag) => last.seen = Some((Instant::now(), lag)),
                    Err(error) => tracing::debug!(%error, "the outbox can't be looked at"),
                }
            }));
        }
        last.seen.filter(|(at, _)| at.elapsed() < GOOD_FOR).map(|(_, lag)| lag)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn models() -> Models<Pg> {
    Models::new().with::<User>().with::<Order>().with::<OrderItem>()
}

fn install(connection: &mut PgConnection) -> diesel::QueryResult<()> {
    let triggers = Triggers::of(models());
    if triggers.check(connection)?.is_empty() {
        return Ok(());
    }
    connection.transaction(|connection| {
        connection.batch_execute(MAKE_ALONE)?;
        for gap in triggers.check(connection)? {
            tracing::info!("{gap}: it is made");
        }
        connection.batch_execute(&triggers.up())
    })
}
