//! What all requests share.

use std::{
    error::Error,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use diesel::{
    PgConnection,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};
use larder::{
    Async, Larder, NearOptions, asynchronous,
    refresh::{Refresher, RefresherHandle},
    store::{CellKey, Ended},
};
use larder_http::Purger;
use larder_redis::RedisStore;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use shop_core::{Order, User, UserStats};
use tokio::runtime::Handle;

use crate::{
    accounts::Accounts,
    demo::Demo,
    edge,
    ending::Ending,
    events::Events,
    limits::Limits,
    live::Live,
    options::{Caches, Options},
    outside::Outside,
    visits::{self, Visits},
};

/// The caches and the database behind the service. Clones are the same; each layer of each request makes one, so it is one reference.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// What all requests share.
pub struct Shared {
    pub(crate) larder: Async<Larder<Pg>>,
    pub(crate) accounts: Accounts,
    pub(crate) limits: Limits,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) time_out: Duration,
    pub(crate) outside: Option<Arc<Outside>>,
    pub(crate) live: Live,
    pub(crate) demo: Option<Arc<Demo>>,
    pub(crate) events: Events,
    pub(crate) ending: Ending,
    pub(crate) visits: Visits,
    purgers: Vec<Purger>,
    refresher: Mutex<Option<RefresherHandle>>,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Migrates the database, and opens caches in front of it. To be called where it may wait, in a runtime of tokio.
    ///
    /// # Errors
    /// A server is not there, a URL is none, or a migration fails.
    pub fn open(options: &Options) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let pool = Pool::builder()
            .max_size(options.connections)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(2))
            .build(ConnectionManager::<PgConnection>::new(&options.database_url))?;
        shop_core::migrate(&mut *pool.get()?)?;

        let store = RedisStore::builder(&options.redis_url).namespace(format!("{}:", options.namespace)).build()?;
        let accounts = Accounts::new(&store, options.connections, options.accounts)?;
        let limits = Limits::new(&store, options.limits.clone());
        let events = Events::start(&store, options.events)?;
        let counts = visits::buffer(&store);
        let purgers = edge::purgers(&options.edges);
        let store = Ended::new(store, {
            let purgers = purgers.clone();
            move |cells: &[&CellKey]| {
                // Nobody keeps counts, which change twice a second.
                let kept: Vec<&CellKey> = cells.iter().copied().filter(|cell| !visits::is_count(cell)).collect();
                edge::tell(&purgers, &kept);
            }
        });
        let builder = Larder::<Pg>::builder(pool).behind(counts);
        let mut builder = match options.caches {
            Caches::Near => builder.shared(store).near(NearOptions::bytes(64 << 20)),
            Caches::Shared => builder.shared(store),
            Caches::None => builder,
        };
        if let Some(secret) = options.secret {
            builder = builder.cursor_key(secret);
        }
        let larder = builder.build();
        let visits = Visits::start(&larder)?;
        let refresher = Refresher::of::<UserStats>(&larder)
            .depends_on::<User>()
            .depends_on::<Order>()
            .at_most_every(Duration::from_secs(5))
            .start()?;
        // Where nothing is kept, there is nobody to tell.
        let is_kept = options.caches != Caches::None;
        let outside = is_kept.then(|| Outside::start(&larder, &options.database_url)).transpose()?;
        Ok(Self(Arc::new(Shared {
            larder: Async::new(larder, asynchronous::Options::default()),
            accounts,
            limits,
            metrics: PrometheusBuilder::new().install_recorder()?,
            time_out: options.time_out,
            outside: outside.map(Arc::new),
            live: Live::new(),
            demo: options.demo.then(|| Arc::new(Demo::new(&options.database_url))),
            events,
            ending: Ending::default(),
            visits,
            purgers,
            refresher: Mutex::new(Some(refresher)),
        })))
    }

    /// How far its end has come.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.ending.clone()
    }

    /// Writes and tells what waits, and ends what runs beside requests: whether all of it was done until then. To be called where it may wait, on a
    /// thread of the runtime, when no request comes any more.
    #[must_use]
    pub fn close(&self, until: Instant) -> bool {
        let are_visits_written = self.visits.close(until);
        tracing::info!(all = are_visits_written, "ending: visits are written");
        let is_published = self.events.close(until);
        tracing::info!(all = is_published, "ending: changes of orders are published");
        let are_edges_told = self.purgers.iter().fold(true, |all, purger| {
            let left = until.saturating_duration_since(Instant::now());
            Handle::current().block_on(purger.drain(left)).is_ok() && all
        });
        tracing::info!(all = are_edges_told, "ending: edges are told what to drop");
        drop(self.refresher.lock().unwrap_or_else(PoisonError::into_inner).take());
        tracing::info!("ending: no view is refreshed any more");
        are_visits_written && is_published && are_edges_told
    }
}
