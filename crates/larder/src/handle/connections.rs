//! The connections of a handle: nobody waits for one longer than is allowed, and nobody at all while none can be made.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::{
    connection::SimpleConnection as _,
    r2d2::{ConnectionManager, Pool, PooledConnection},
};

use crate::{
    backend::{Backend, throw_away_if_lost},
    error::{Error, PoolError, Result},
    inline::may_wait,
};

/// How long a wait lasts if nobody says otherwise: beyond that whoever asked has gone.
const WAIT: Duration = Duration::from_secs(1);

/// The longest wait: more can't be added to the time of day.
const LONGEST: Duration = Duration::from_secs(3_600);

/// For how long what was seen last is believed. A pool that nobody asks for a while may have let its connections go.
const BELIEVED: Duration = Duration::from_secs(5);

/// A wait has so many parts. Time goes on while a process or its machine stands still, and a wait that was one piece would be over when it
/// goes on, whatever has become free; so a stop costs a part.
const PARTS: u32 = 10;

/// With this much as its `connection_timeout`, a pool tries to connect once a second.
const PROMPT: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Known {
    cause: Option<String>,
    failed_at: Option<Instant>,
}

pub(super) struct Connections<DB: Backend> {
    pool: Pool<ConnectionManager<DB::Connection>>,
    wait: Duration,
    /// Whether the last who waited waited in vain, and the pool had no connection at all.
    is_away: AtomicBool,
    /// When that was last, and why, as far as is known. r2d2 tells only one of many who wait, so it has to be remembered for the others.
    known: Mutex<Known>,
}

impl<DB: Backend> Connections<DB> {
    pub(super) fn new(pool: Pool<ConnectionManager<DB::Connection>>, wait: Option<Duration>) -> Self {
        let retried_within = pool.connection_timeout() / 2;
        if pool.connection_timeout() > PROMPT {
            tracing::warn!(
                ?retried_within,
                "after an outage of the database the pool connects that late: give it a shorter connection_timeout"
            );
        }
        let wait = wait.unwrap_or_else(|| pool.connection_timeout().min(WAIT)).min(LONGEST);
        Self { pool, wait, is_away: AtomicBool::new(false), known: Mutex::default() }
    }

    #[cfg(any(feature = "postgres", feature = "tokio"))]
    pub(super) fn pool(&self) -> &Pool<ConnectionManager<DB::Connection>> {
        &self.pool
    }

    /// A connection, as soon as there is one.
    pub(super) fn get(&self) -> Result<PooledConnection<ConnectionManager<DB::Connection>>> {
        may_wait()?;
        // Even without a wait the pool is told that one is wanted: it goes on trying, as many at once as it may have connections.
        let wait = if self.is_known_to_be_away() { Duration::ZERO } else { self.wait };
        match in_parts(wait, |part| self.pool.get_timeout(part).map_err(|error| cause_of(&error))) {
            Ok(connection) => {
                if self.is_away.load(Ordering::Relaxed) {
                    self.came_back();
                }
                told::<DB>(connection)
            }
            Err(cause) => Err(Error::Pool(self.failed(cause, wait))),
        }
    }

    /// The same for somebody who waits until then at most, wherever his process stood still: too short, perhaps, to say anything of the
    /// database.
    pub(super) fn get_until(&self, end: Instant) -> Result<PooledConnection<ConnectionManager<DB::Connection>>> {
        may_wait()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::TimedOut);
        }
        if left >= self.wait || self.is_known_to_be_away() {
            return self.get();
        }
        let connection = self.pool.get_timeout(left).map_err(|_| Error::TimedOut)?;
        if self.is_away.load(Ordering::Relaxed) {
            self.came_back();
        }
        told::<DB>(connection)
    }

    /// Whether nobody need wait: a moment ago somebody did in vain, and there is still no connection.
    fn is_known_to_be_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
            && self.has_none()
            && self.known().failed_at.is_some_and(|failed_at| failed_at.elapsed() < BELIEVED)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_none(&self) -> bool {
        self.pool.state().connections == 0
    }

    fn failed(&self, cause: Option<String>, waited: Duration) -> PoolError {
        if !self.has_none() {
            return PoolError::Exhausted { waited, cause };
        }
        let mut known = self.known();
        if cause.is_some() {
            known.cause = cause;
        }
        // Of those who did not wait none found out anything.
        if waited > Duration::ZERO || known.failed_at.is_none() {
            known.failed_at = Some(Instant::now());
        }
        let cause = known.cause.clone();
        let was_away = self.is_away.swap(true, Ordering::Relaxed);
        drop(known);
        if !was_away {
            tracing::warn!(cause, "no connection to the database can be made");
        }
        PoolError::Away { cause }
    }

    fn came_back(&self) {
        let mut known = self.known();
        *known = Known::default();
        let was_away = self.is_away.swap(false, Ordering::Relaxed);
        drop(known);
        if was_away {
            tracing::info!("connections to the database can be made again");
        }
    }
}

/// Marks a connection that has been told what it is to know.
struct Told;

/// The connection, after it was told what it is to know: a round trip, the first time that it is given out.
fn told<DB: Backend>(
    mut connection: PooledConnection<ConnectionManager<DB::Connection>>,
) -> Result<PooledConnection<ConnectionManager<DB::Connection>>> {
    if let Some(sql) = DB::ON_CONNECTION
        && PooledConnection::extensions(&connection).get::<Told>().is_none()
    {
        if let Err(error) = connection.batch_execute(sql) {
            throw_away_if_lost::<DB>(&mut connection, &error);
            return Err(Error::Database(error));
        }
        PooledConnection::extensions_mut(&mut connection).insert(Told);
    }
    Ok(connection)
}

/// What an attempt to connect failed with, if this wait is the one that is told of it.
fn cause_of(error: &r2d2::Error) -> Option<String> {
    // "timed out waiting for connection", and behind it the manager's error, if there was one and nobody else was told of it.
    error.to_string().split_once(": ").map(|(_, cause)| cause.to_owned())
}

/// Waits for as long by `get`, which is given a part of the time at once, and gives the last cause that it told.
fn in_parts<T>(
    wait: Duration,
    mut get: impl FnMut(Duration) -> std::result::Result<T, Option<String>>,
) -> std::result::Result<T, Option<String>> {
    if wait.is_zero() {
        return get(wait);
    }
    let part = wait / PARTS;
    let mut cause = None;
    for n in 1..=PARTS + 1 {
        let start = Instant::now();
        match get(part) {
            Ok(got) => return Ok(got),
            Err(told) => cause = told.or(cause),
        }
        // Whoever was stopped in the last part has not looked since; only once, or where everything is late a wait would have no end.
        let was_stopped = start.elapsed() > part * 2;
        if n == PARTS && !was_stopped {
            break;
        }
    }
    Err(cause)
}

#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests {
    use std::{fs, sync::Barrier, thread};

    use diesel::{SqliteConnection, sqlite::Sqlite};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn pool(path: &str, size: u32, timeout: Duration) -> Pool<ConnectionManager<SqliteConnection>> {
        let builder = Pool::builder().max_size(size).min_idle(Some(0)).connection_timeout(timeout);
        builder.build_unchecked(ConnectionManager::new(path))
    }

    fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
        let start = Instant::now();
        (work(), start.elapsed())
    }

    fn refused<DB: Backend>(connections: &Connections<DB>) -> (PoolError, Duration) {
        let (result, took) = timed(|| connections.get().map(drop));
        match result {
            Err(Error::Pool(error)) => (error, took),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_wait_is_as_long_as_is_allowed_and_says_that_all_are_in_use() {
        let wait = Duration::from_millis(40);
        let connections = Connections::<Sqlite>::new(pool(":memory:", 1, LONG), Some(wait));
        let taken = connections.get().unwrap();
        // Each of them waits: there is a connection, and it may become free.
        for _ in 0..3 {
            let (error, took) = refused(&connections);
            assert!(matches!(error, PoolError::Exhausted { waited, cause: None } if waited == wait), "{error:?}");
            assert!(took >= wait && took < LONG, "{took:?}");
        }
        drop(taken);
        connections.get().unwrap();
    }

    /// A wait in which a part takes that many times what it should: how many parts it had.
    fn n_parts(wait: Duration, takes: impl Fn(u32) -> u32) -> u32 {
        let mut n_parts = 0;
        let waited = in_parts(wait, |part| {
            n_parts += 1;
            thread::park_timeout(part * takes(n_parts));
            Err::<(), _>(None)
        });
        assert_eq!(waited, Err(None));
        n_parts
    }

    #[test]
    fn who_is_stopped_in_the_last_part_of_a_wait_looks_once_more() {
        // Parts of this that take no time take none on a busy machine either.
        const WAIT: Duration = Duration::from_secs(3);
        assert_eq!(n_parts(WAIT, |_| 0), PARTS);
        assert_eq!(n_parts(WAIT, |n| if n == 3 { 4 } else { 0 }), PARTS);
        assert_eq!(n_parts(WAIT, |n| if n == PARTS { 4 } else { 0 }), PARTS + 1);
        assert_eq!(n_parts(WAIT / 100, |_| 4), PARTS + 1, "it has an end where everything is late");
        assert_eq!(n_parts(Duration::ZERO, |_| 0), 1);
    }

    #[test]
    fn what_a_part_of_a_wait_was_told_is_not_lost() {
        let mut causes = [None, Some("first"), None, Some("second")].into_iter();
        let waited = in_parts(Duration::from_millis(1), |_| Err::<(), _>(causes.next().flatten().map(str::to_owned)));
        assert_eq!(waited, Err(Some("second".to_owned())));
    }

    #[test]
    fn the_shorter_of_the_pools_own_time_and_a_second_is_the_default() {
        for (timeout, expected) in [(LONG, WAIT), (Duration::from_millis(20), Duration::from_millis(20))] {
            assert_eq!(Connections::<Sqlite>::new(pool(":memory:", 1, timeout), None).wait, expected);
        }
    }

    #[test]
    fn while_none_can_be_made_everybody_is_told_why_at_once_until_one_can() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("away");
        let path = place.join("db.sqlite").to_string_lossy().into_owned();
        let wait = Duration::from_millis(500);
        let connections = Connections::<Sqlite>::new(pool(&path, 2, WAIT), Some(wait));
        // Many wait in vain for the first time, and r2d2 tells one of them why.
        let barrier = Barrier::new(8);
        let waited = thread::scope(|scope| {
            let wait_in_vain = || {
                barrier.wait();
                let (error, took) = refused(&connections);
                assert!(error.is_away() && took < LONG, "{error:?} after {took:?}");
                took
            };
            let waiting: Vec<_> = (0..8).map(|_| scope.spawn(wait_in_vain)).collect();
            waiting.into_iter().map(|waiting| waiting.join().unwrap()).max()
        });
        assert!(waited >= Some(wait));
        let (known, took) = timed(|| (0..1_000).map(|_| refused(&connections).0).collect::<Vec<_>>());
        assert!(took < 20 * wait, "a thousand took {took:?}, so they have waited");
        for error in known {
            assert!(error.is_away() && error.to_string().contains("unable to open"), "{error}");
        }
        fs::create_dir(&place).unwrap();
        let deadline = Instant::now() + LONG;
        while let Err(error) = connections.get() {
            assert!(Instant::now() < deadline, "{error:?}");
            thread::yield_now();
        }
        // It is forgotten: the next who finds all in use waits as ever.
        let _taken = (connections.get().unwrap(), connections.get().unwrap());
        let (error, took) = refused(&connections);
        assert!(!error.is_away() && took >= wait, "{error:?} after {took:?}");
    }
}
