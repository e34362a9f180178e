//! Processes and servers that are killed, at whatever they are doing.
//!
//! Each call of a writer increments a row of its own, which nobody else does, and one that many share. So every single call can be told
//! from all others: whether it was counted, and how often. And each thread of a writer sets a column of one row again and again, to the
//! number of the call, so that it shows which call was the last. A third of the writers write increments through while the buffer is away.
//! `LARDER_CRASHES=1000 cargo test -- what_is_acknowledged_is_written_once` does more of it, and `LARDER_SEED` draws the same crashes.

use std::{
    collections::HashMap,
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bigdecimal::BigDecimal;
use diesel::{Connection as _, PgConnection, pg::Pg};
use fastrand::Rng;
use larder::{
    Larder,
    behind::{Flusher, Options},
};
use servers::RedisOptions;
use tests::{COUNTERS, Counter, Meter, OwnPostgres, OwnRedis, counters, eventually};

const SHARED: i64 = 10;

/// How many calls a writer makes if it is not killed before.
const EACH: i64 = 5_000;

/// What is known of each row that is incremented once.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Known {
    Nothing,
    Tried,
    Acknowledged,
    /// It was said that it is not done, and never will be.
    Refused,
}

/// What a row was set to, one after the other, and which of it was acknowledged.
type Values = Vec<(i64, bool)>;

struct Site {
    postgres: OwnPostgres,
    redis: OwnRedis,
    calls: Arc<Calls>,
    rng: Rng,
}

#[derive(Default)]
struct Calls {
    known: Mutex<Vec<Known>>,
    set: Mutex<HashMap<i64, Values>>,
    n_acknowledged: AtomicU64,
    next: AtomicI64,
}

/// A process that is killed when it is dropped.
struct Worker {
    child: Child,
    listener: Option<thread::JoinHandle<()>>,
}

impl Worker {
    /// Ends it as a power cut would, and hears all that it has said.
    fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have come to its end.
        let _ = self.child.kill();
        self.child.wait().unwrap();
        if let Some(listener) = self.listener.take() {
            listener.join().unwrap();
        }
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

impl Site {
    fn new(seed: u64) -> Self {
        let redis = OwnRedis::with(RedisOptions { persistent: true, ..RedisOptions::default() });
        let site = Self { postgres: OwnPostgres::new(), redis, calls: Arc::default(), rng: Rng::with_seed(seed) };
        COUNTERS.apply(&mut site.connect());
        Counter::add(&mut site.connect(), 0, SHARED).unwrap();
        site.calls.next.store(SHARED, Ordering::Relaxed);
        site
    }

    fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.postgres.url()).unwrap()
    }

    fn worker(&self, role: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_behind-worker"));
        command.arg(role).arg(self.postgres.url()).arg(self.redis.url()).stdin(Stdio::null());
        command
    }

    fn flusher(&self) -> Worker {
        let child = self.worker("flush").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Worker { child, listener: None }
    }

    /// A process that increments rows that nobody has incremented before.
    fn writer(&mut self) -> Worker {
        let from = self.calls.next.fetch_add(EACH, Ordering::Relaxed);
        Counter::add(&mut self.connect(), from, from + EACH).unwrap();
        self.calls.lock().resize(usize::try_from(from + EACH).unwrap(), Known::Nothing);
        let role = if self.rng.u8(..3) == 0 { "through" } else { "write" };
        let mut command = self.worker(role);
        command.arg(from.to_string()).arg((from + EACH).to_string()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (told, calls) = (child.stdout.take().unwrap(), Arc::clone(&self.calls));
        let listener = thread::spawn(move || {
            // A line that was cut by the end of the process was not said.
            for line in BufReader::new(told).lines().map_while(Result::ok) {
                calls.hear(&line);
            }
        });
        Worker { child, listener: Some(listener) }
    }

    fn larder(&self) -> Larder<Pg> {
        let store = larder_redis::RedisStore::connect(&self.redis.url()).unwrap();
        let options = Options::on(store.buffer("crash")).counter::<Counter>(counters::n);
        Larder::builder(tests::pool(&self.postgres.url(), &Meter::new(), 4)).shared(store).behind(options).build()
    }
}

impl Calls {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, line: &str) {
        let Some((what, of)) = line.split_once(' ') else { return };
        let Ok(numbers) = of.split(' ').map(str::parse::<i64>).collect::<Result<Vec<_>, _>>() else { return };
        let set = || self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let place = |id: i64| usize::try_from(id).unwrap();
        match (what, &numbers[..]) {
            ("tries", &[id]) => self.lock()[place(id)] = Known::Tried,
            ("lacks", &[id]) => self.lock()[place(id)] = Known::Refused,
            ("has", &[id]) => {
                self.lock()[place(id)] = Known::Acknowledged;
                self.n_acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            ("sets", &[row, value]) => set().entry(row).or_default().push((value, false)),
            ("set", &[row, value]) => {
                let last = set().get_mut(&row).and_then(|values| values.last_mut().map(|last| *last = (value, true)));
                last.expect("it was tried before");
            }
            other => panic!("a writer says {other:?}"),
        }
    }
}

impl Site {
    /// Waits until some more calls were acknowledged. A writer that has come to its end is followed by another.
    fn wait_for(&mut self, n_more: u64, writers: &mut [Worker]) {
        let calls = Arc::clone(&self.calls);
        let n_acknowledged = || calls.n_acknowledged.load(Ordering::Relaxed);
        let until = n_acknowledged() + n_more;
        eventually(Duration::from_secs(120), || {
            for writer in &mut *writers {
                if writer.has_ended() {
                    *writer = self.writer();
                }
            }
            n_acknowledged() >= until
        });
    }
}

#[test]
fn what_is_acknowledged_is_written_once_and_in_order_whatever_is_killed_at_whatever_moment() {
    let n_crashes: u64 = env::var("LARDER_CRASHES").map_or(20, |n| n.parse().unwrap());
    let seed: u64 = env::var("LARDER_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("LARDER_SEED={seed}");
    let mut site = Site::new(seed);
    let (mut writers, mut flushers) = ([site.writer(), site.writer()], [site.flusher(), site.flusher()]);
    let start = Instant::now();
    let mut killed = [0; 4];
    for crash in 0..n_crashes {
        let n_more = site.rng.u64(1..150);
        site.wait_for(n_more, &mut writers);
        let (which, one) = (usize::try_from(crash % 4).unwrap(), site.rng.usize(..2));
        killed[which] += 1;
        match which {
            0 => {
                std::mem::replace(&mut writers[one], site.writer()).kill();
            }
            1 => {
                std::mem::replace(&mut flushers[one], site.flusher()).kill();
            }
            2 => {
                site.redis.kill();
                site.redis.restart();
            }
            _ => {
                site.postgres.kill();
                site.postgres.restart();
            }
        }
    }
    site.wait_for(100, &mut writers);
    writers.into_iter().for_each(Worker::kill);
    flushers.into_iter().for_each(Worker::kill);
    let took = start.elapsed();

    let larder = site.larder();
    eventually(Duration::from_secs(60), || Flusher::run_once(&larder).is_ok());
    assert_eq!(larder.backlog().unwrap().size.n_entries, 0);
    assert_eq!(larder.dead_letters().unwrap().list(10).unwrap(), []);
    let rows = Counter::all(&mut site.connect()).unwrap();
    let (shared, own) = rows.split_at(usize::try_from(SHARED).unwrap());
    let known = site.calls.lock().clone();
    let mut counted = vec![0; shared.len()];
    let (mut n_acknowledged, mut n_unknown, mut n_unknown_counted, mut n_refused) = (0, 0, 0, 0);
    for row in own {
        let id = usize::try_from(row.id).unwrap();
        match (known[id], row.n) {
            (Known::Acknowledged, 1) => n_acknowledged += 1,
            (Known::Tried, 0) => n_unknown += 1,
            (Known::Tried, 1) => (n_unknown, n_unknown_counted) = (n_unknown + 1, n_unknown_counted + 1),
            (Known::Refused, 0) => n_refused += 1,
            (Known::Nothing, 0) => {}
            (known, n) => panic!("row {id}: {known:?}, and counted {n} times"),
        }
        counted[id % shared.len()] += row.n;
    }
    let shared: Vec<i64> = shared.iter().map(|row| row.n).collect();
    assert_eq!(shared, counted, "what was acknowledged together was counted together");
    assert_eq!(n_acknowledged, site.calls.n_acknowledged.load(Ordering::Relaxed));
    let set = site.calls.set.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut n_set = 0;
    for (row, values) in &set {
        let acknowledged = values.iter().rposition(|(_, is_acknowledged)| *is_acknowledged);
        // What was not answered may have come after the last one that was, and not before it.
        let (from, before) = acknowledged.map_or((0, 0), |last| (last + 1, values[last].0));
        let may_be: Vec<BigDecimal> =
            [before].into_iter().chain(values[from..].iter().map(|(value, _)| *value)).map(BigDecimal::from).collect();
        let amount = &own[usize::try_from(row - SHARED).unwrap()].amount;
        assert!(may_be.contains(amount), "row {row} is {amount}, and none of {may_be:?}");
        n_set += values.iter().filter(|(_, is_acknowledged)| *is_acknowledged).count();
    }
    let [writers, flushers, redis, postgres] = killed;
    println!(
        "{took:?}: killed {writers} writers, {flushers} flushers, Redis {redis} and PostgreSQL {postgres} times; {n_acknowledged} calls \
         acknowledged and counted once each; of {n_unknown} that were not answered {n_unknown_counted} were counted, once each; {n_refused} \
         refused and not counted; of {n_set} acknowledged values in {} rows the last ones stand",
        set.len()
    );
}
