//! What all requests share.

use std::{error::Error, sync::Arc, time::Duration};

use diesel::{
    PgConnection,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};
use larder::{
    Async, Larder, NearOptions, asynchronous,
    refresh::{Refresher, RefresherHandle},
    store::Ended,
};
use larder_http::Purger;
use larder_redis::RedisStore;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use shop_core::{Order, User, UserStats};

use crate::{
    accounts::Accounts,
    demo::Demo,
    edge,
    limits::Limits,
    live::Live,
    options::{Caches, Options},
    outside::Outside,
};

/// The caches and the database behind the service. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) larder: Async<Larder<Pg>>,
    pub(crate) accounts: Accounts,
    pub(crate) limits: Limits,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) time_out: Duration,
    pub(crate) outside: Option<Arc<Outside>>,
    pub(crate) live: Arc<Live>,
    pub(crate) demo: Option<Arc<Demo>>,
    _purgers: Vec<Purger>,
    _refresher: Arc<RefresherHandle>,
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
        let purgers = edge::purgers(&options.edges);
        let store = Ended::new(store, {
            let purgers = purgers.clone();
            move |cells| edge::tell(&purgers, cells)
        });
        let builder = Larder::<Pg>::builder(pool);
        let mut builder = match options.caches {
            Caches::Near => builder.shared(store).near(NearOptions::bytes(64 << 20)),
            Caches::Shared => builder.shared(store),
            Caches::None => builder,
        };
        if let Some(secret) = options.secret {
            builder = builder.cursor_key(secret);
        }
        let larder = builder.build();
        let refresher = Refresher::of::<UserStats>(&larder)
            .depends_on::<User>()
            .depends_on::<Order>()
            .at_most_every(Duration::from_secs(5))
            .start()?;
        // Where nothing is kept, there is nobody to tell.
        let is_kept = options.caches != Caches::None;
        let outside = is_kept.then(|| Outside::start(&larder, &options.database_url)).transpose()?;
        Ok(Self {
            larder: Async::new(larder, asynchronous::Options::default()),
            accounts,
            limits,
            metrics: PrometheusBuilder::new().install_recorder()?,
            time_out: options.time_out,
            outside: outside.map(Arc::new),
            live: Arc::new(Live::new()),
            demo: options.demo.then(|| Arc::new(Demo::new(&options.database_url))),
            _purgers: purgers,
            _refresher: Arc::new(refresher),
        })
    }
}
