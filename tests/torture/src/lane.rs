//! What is kept between schedules: servers, connections, and the handles of four processes.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use diesel::{
    PgConnection,
    connection::SimpleConnection as _,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};
use larder::{
    BreakerOptions, Builder, Larder, NearOptions, Writes,
    behind::{Options, WhenAway, WhenFull},
    buffer::Buffer,
    store::{Clock as _, ManualClock, Store},
};
use shop_core::{Order, schema::orders};
use tests::{Database, OwnRedis, SHOP};

use crate::{
    act::{Act, N_PROCESSES},
    books,
    cells::Cells,
    history::{History, State},
    line::{Ear as Listening, Lines, Switchboard, Time},
    mutant::{MARKERS_EVICTED, MARKS_NOTHING, Mutant, Mutation},
    naive::CacheAside,
    pipe::Pipe,
    plan::{Bias, Plan},
    proxy::Proxy,
    rows::Cast,
    stage::Stage,
    theme::Theme,
    tools::{Probe, QUARANTINE, Tools, redis_store, session_name},
    trees,
    wire::{Ear, Wire},
};

const NAMESPACE: &str = "torture:";

/// Nothing is left of earlier refreshes.
const VIEW_OF_NOW: &str = "REFRESH MATERIALIZED VIEW user_stats; DELETE FROM larder_outbox";

/// What is played against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// larder as it is.
    Larder,
    /// larder as it is, on a Redis that evicts markers.
    Evicting,
    /// larder without one of its rules.
    Mutant(Mutation),
    /// A cache as people write it by hand.
    CacheAside,
}

/// Plays one schedule after the other. Two lanes have nothing in common.
pub struct Lane {
    /// The stage.
    pub stage: Arc<Stage>,
    processes: Vec<Process>,
    themes: &'static [Theme],
    bias: Option<Bias>,
    mutation: Option<Mutation>,
    switchboard: Arc<Switchboard>,
    // Behind whatever is connected to it.
    _database: Database,
}

/// The handles of a process, of which a schedule uses one.
struct Process {
    direct: Ways,
    proxied: Ways,
    builder: Building,
    pipe: Arc<dyn Buffer>,
}

struct Ways {
    at_once: Larder<Pg>,
    in_background: Larder<Pg>,
    pool: Pool<ConnectionManager<PgConnection>>,
}

/// Begins a handle of a process.
type Building = Box<dyn Fn(&Pool<ConnectionManager<PgConnection>>, bool) -> Builder<Pg> + Send + Sync>;

impl Lane {
    /// A lane with servers of its own: a database in the PostgreSQL of `DATABASE_URL`, and a Redis.
    ///
    /// # Panics
    /// If a server can't be reached or started.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        let database = SHOP.database();
        let redis = OwnRedis::new();
        let clock = ManualClock::default();
        let connect = || Cells::connect(&redis.url(), NAMESPACE).expect("redis is there");
        let mutation = match subject {
            Subject::Mutant(mutation) => Some(mutation),
            _ => None,
        };
        let bias = match subject {
            Subject::Evicting => Some(MARKERS_EVICTED),
            Subject::Mutant(mutation) => mutation.bias(),
            Subject::Larder | Subject::CacheAside => None,
        };
        let themes: &[Theme] = match subject {
            Subject::Larder => &Theme::PLAYED,
            Subject::Mutant(mutation) => mutation.themes(),
            Subject::Evicting | Subject::CacheAside => &Theme::ROWS,
        };
        let quarantine = if mutation == Some(Mutation::NoQuarantine) { Duration::ZERO } else { QUARANTINE };
        let store = || -> Arc<dyn Store> {
            match subject {
                Subject::Larder | Subject::Evicting => {
                    Arc::new(redis_store(&redis.url(), NAMESPACE, &clock, quarantine))
                }
                Subject::Mutant(mutation) => {
                    let store = redis_store(&redis.url(), NAMESPACE, &clock, quarantine);
                    Arc::new(Mutant::new(store, mutation, connect()))
                }
                Subject::CacheAside => Arc::new(CacheAside::new(connect())),
            }
        };
        let stores: Vec<Arc<dyn Store>> = (0..N_PROCESSES).map(|_| store()).collect();
        let proxies: Vec<Proxy> = (0..N_PROCESSES)
            .map(|_| Proxy::before(address_of(database.url())).expect("loopback has a free port"))
            .collect();
        if mutation == Some(Mutation::LeavesWayOpen) {
            proxies.iter().for_each(Proxy::leave_open);
        }
        let buffer = || -> Arc<dyn Buffer> {
            Arc::new(redis_store(&redis.url(), NAMESPACE, &clock, quarantine).buffer("torture"))
        };
        let buffers: Vec<Arc<dyn Buffer>> = (0..N_PROCESSES).map(|_| buffer()).collect();
        let place = Arc::new(OnceLock::new());
        let switchboard = Arc::new(Switchboard::default());
        let time = Time::default();
        let processes = (0..N_PROCESSES)
            .map(|n| {
                let wire = Wire::new(n, Arc::clone(&place), Arc::clone(&stores[n]), Arc::clone(&switchboard), mutation);
                let wire: Arc<dyn Store> = Arc::new(wire);
                let pipe: Arc<dyn Buffer> =
                    Arc::new(Pipe::new(n, Arc::clone(&place), Arc::clone(&buffers[n]), mutation));
                let events = Arc::clone(&place);
                let builder = move |pool: &Pool<_>, in_background| {
                    let ear = Ear { process: n, stage: Arc::clone(&events), mutation };
                    Larder::builder(pool.clone())
                        .shared_arc(Arc::clone(&wire))
                        .events(ear)
                        .fill_in_background(in_background)
                        // What is promised of others is of another kind: others may read old rows until a relay has come.
                        .writes(Writes::Strict)
                        // Long enough for a schedule whose machine stands still.
                        .commit_within(Duration::from_secs(60))
                        // Operations fail because they are told to, and time is not real.
                        .breaker(BreakerOptions::off())
                        // By threads that are on no stage; the search has the rules, and the storm plays it.
                        .refresh_early(false)
                };
                let builder: Building = Box::new(builder);
                let ways = |url: &str| {
                    let pool = pool(&with(url, &session_name(n)), 4);
                    let (at_once, in_background) = (builder(&pool, false).build(), builder(&pool, true).build());
                    Ways { at_once, in_background, pool }
                };
                let (direct, proxied) = (ways(database.url()), ways(&through(database.url(), proxies[n].port())));
                Process { direct, proxied, builder, pipe }
            })
            .collect();
        // One for both: whoever meets a server that was started again does so for the other.
        let beyond = store();
        let probe = Probe::new(
            |store| Larder::builder(pool(database.url(), 1)).shared_arc(store).fill_in_background(false).build(),
            Arc::clone(&beyond),
        );
        let flusher = Larder::builder(pool(database.url(), 1))
            .shared_arc(beyond)
            .fill_in_background(false)
            .behind(Options::on_arc(buffer()).with::<Order>())
            .build();
        let mut eyes = database.connect();
        eyes.batch_execute(books::UP).expect("the tables of the books can be made");
        eyes.batch_execute(trees::UP).expect("the tables of trees can be made");
        match mutation {
            Some(Mutation::MarksNothing) => eyes.batch_execute(MARKS_NOTHING).expect("a trigger can be made"),
            Some(Mutation::LosesPrices) => eyes.batch_execute(books::LOSES_PRICES).expect("a trigger can be made"),
            _ => {}
        }
        let history = History::from(State::of(&mut eyes, Theme::Row).expect("the database can be read"));
        let mut random = fastrand::Rng::with_seed(0);
        let act = Act::new(0, Plan::draw(&mut random, &Theme::PLAYED, None), random, history, false);
        let cells = connect();
        let ear = Listening::new(&redis.url(), NAMESPACE);
        let mut tools = Tools { eyes, cells, redis, stores, buffers, flusher, proxies, time, ear, clock, probe };
        tools.meet();
        tools.pass_quarantine();
        let stage = Arc::new(Stage::new(act, tools));
        let _ = place.set(Arc::downgrade(&stage));
        Self { stage, processes, themes, bias, mutation, switchboard, _database: database }
    }

    /// Puts the rows of a schedule in place.
    ///
    /// # Panics
    /// If the database does not do as told.
    pub fn prepare(&self, seed: u64, is_traced: bool) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut plan = Plan::draw(&mut random, self.themes, self.bias);
        plan.proxied |= self.mutation == Some(Mutation::LeavesWayOpen);
        let mut show = self.stage.show();
        Cast::of(seed).enter(&mut show.tools.eyes).expect("rows can be put in place");
        match plan.theme {
            Theme::Behind => show.tools.empty_buffer(),
            Theme::Upkeep => books::enter(&Cast::of(seed), &mut show.tools.eyes).expect("rows can be put in place"),
            Theme::Tree => trees::enter(&Cast::of(seed), &mut show.tools.eyes).expect("rows can be put in place"),
            Theme::View => show.tools.eyes.batch_execute(VIEW_OF_NOW).expect("the view can be refreshed"),
            _ => {}
        }
        let history = History::from(State::of(&mut show.tools.eyes, plan.theme).expect("the database can be read"));
        let far: Vec<Larder<Pg>> = self.processes.iter().map(|process| process.handle(&plan)).collect();
        show.handles = far.clone();
        let mut lines = Lines::default();
        if plan.is_near || matches!(plan.theme, Theme::Behind | Theme::View) {
            // New ones for each schedule: what is in their memory must not depend on what was played before.
            let anew = |process: &Process| process.anew(&plan, &show.tools.time);
            show.handles = self.processes.iter().map(anew).collect();
        }
        show.spares = if plan.theme == Theme::Behind && !plan.is_near && !plan.in_background {
            // Who takes the place of a process that is killed has a number of its own, and knows nothing of what the other has sent.
            self.processes.iter().map(|process| process.anew(&plan, &show.tools.time)).map(Some).collect()
        } else {
            Vec::new()
        };
        if plan.is_near {
            let listeners = self.switchboard.take().expect("a near cache listens as soon as it is made");
            lines = Lines::of(listeners, self.mutation, show.tools.time.now());
        }
        let writes_elsewhere = self.mutation == Some(Mutation::DropsNoOwnWrites);
        show.writers = if writes_elsewhere { far } else { show.handles.clone() };
        // What was published since is of another schedule.
        show.tools.ear.forget();
        show.act = Act::new(seed, plan, random, history, is_traced);
        show.act.lines = lines;
        show.act.mutation = self.mutation;
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // The handles keep the wires, whose threads would wait for a stage that is gone.
        let mut show = self.stage.show();
        show.handles.clear();
        show.spares.clear();
        show.writers.clear();
        show.act.lines = Lines::default();
    }
}

impl Process {
    /// A handle that has seen nothing yet.
    fn anew(&self, plan: &Plan, time: &Time) -> Larder<Pg> {
        let ways = if plan.proxied { &self.proxied } else { &self.direct };
        let mut builder = (self.builder)(&ways.pool, plan.in_background);
        if plan.is_near {
            builder = builder.near(NearOptions::bytes(1 << 20).horizon(plan.horizon).clock(time.clone()));
        }
        if plan.theme == Theme::Behind {
            builder = builder.behind(self.options(plan));
        }
        builder.build()
    }

    fn options(&self, plan: &Plan) -> Options {
        let when_away = if plan.writes_through { WhenAway::WriteThrough } else { WhenAway::Reject };
        let mut options = Options::on_arc(Arc::clone(&self.pipe)).with::<Order>();
        if plan.writes_through {
            options = options.counter::<Order>(orders::total_amount);
        }
        options.max_entries(plan.room).when_full(WhenFull::Reject).when_away(when_away)
    }

    fn handle(&self, plan: &Plan) -> Larder<Pg> {
        let ways = if plan.proxied { &self.proxied } else { &self.direct };
        if plan.in_background { ways.in_background.clone() } else { ways.at_once.clone() }
    }
}

fn pool(url: &str, size: u32) -> Pool<ConnectionManager<PgConnection>> {
    Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .test_on_check_out(false)
        .connection_timeout(Duration::from_secs(20))
        .build(ConnectionManager::new(url))
        .expect("a pool without idle connections needs no server")
}

/// Sessions of a name, whose statements don't wait for a lock for good.
fn with(url: &str, name: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}application_name={name}&options=-c%20lock_timeout%3D10s")
}

/// The same database, through a proxy on loopback.
pub(crate) fn through(url: &str, port: u16) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    // What stands behind overrides what stands before. What is encrypted could not be read.
    format!("{url}{separator}host=127.0.0.1&port={port}&sslmode=disable&gssencmode=disable")
}

/// Host and port of a URL.
pub(crate) fn address_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.contains(':') { host.to_owned() } else { format!("{host}:5432") }
}
