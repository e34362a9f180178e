use std::{fmt, sync::Arc, time::Duration};

use larder::store::{Clock, SystemClock};
use redis::{Client, ConnectionInfo, IntoConnectionInfo};

use crate::{
    RedisStore,
    error::BuildError,
    health::Health,
    names::Names,
    pool::{Manager, Sharing},
    server::Quarantine,
    strict::Strict,
    warning::Warnings,
    wire::Address,
};

/// The settings of a [`RedisStore`]; [`RedisStore::builder`] makes one.
pub struct RedisStoreBuilder {
    url: String,
    namespace: String,
    sharing: Sharing,
    connect_timeout: Duration,
    io_timeout: Duration,
    quarantine: Option<Duration>,
    strict_horizon: Duration,
    clock: Arc<dyn Clock>,
    #[cfg(feature = "tls")]
    root_certificate: Option<Vec<u8>>,
}

impl RedisStoreBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            namespace: "larder:".to_owned(),
            sharing: Sharing::Pool(16),
            connect_timeout: Duration::from_secs(1),
            io_timeout: Duration::from_millis(500),
            quarantine: None,
            strict_horizon: Duration::from_millis(500),
            clock: Arc::new(SystemClock::default()),
            #[cfg(feature = "tls")]
            root_certificate: None,
        }
    }

    /// What every key in Redis begins with. Stores with the same namespace on the same server share their cells; another
    /// namespace is another, empty cache.
    ///
    /// Defaults to `larder:`.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// The number of connections at most. An operation holds one for its round trip only. One that finds none waits while others are
    /// answered, for no longer than the [`io_timeout`](Self::io_timeout), and where nobody is for 100 ms, or a fifth of that time-out
    /// if it is more; then it fails with a time-out.
    ///
    /// Who listens, which is each handle with a near cache, has one more of its own; so has a store that writes strict models.
    ///
    /// Defaults to 16.
    #[must_use]
    pub fn pool_size(mut self, n_connections: u32) -> Self {
        self.sharing = Sharing::Pool(n_connections);
        self
    }

    /// Lets all threads share so many connections, instead of one for each operation as [`pool_size`](Self::pool_size) has it; the later of
    /// the two calls counts.
    ///
    /// Whoever finds nobody at work on a connection sends all that was asked for until then in one write, so that many threads need few
    /// round trips; one alone waits for nobody else. What is sent on one connection reaches the server in the order in which it was asked for.
    /// An operation takes the connection on which the fewest are asking. It waits where 1,024 operations or 1 MiB of commands
    /// are waiting there already, and in all no longer than twice the [`io_timeout`](Self::io_timeout). Where the server is
    /// silent for that time-out, or the connection breaks, all operations that are under way on it fail, and nobody knows which of them were done.
    ///
    /// One or two are enough for one process: more connections make smaller batches.
    #[must_use]
    pub fn pipelines(mut self, n_connections: u32) -> Self {
        self.sharing = Sharing::Pipelines(n_connections);
        self
    }

    /// How long each step of making a connection may last: reaching each address of the host, and each answer to the greeting.
    /// Connections are made in the background, so no operation waits for that; only [`build`](Self::build) does, once and no
    /// longer than this. Resolving the host's name is not bounded by it.
    ///
    /// Defaults to 1 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the server may take to accept a request, and how long to send the next part of its answer. A connection that
    /// has timed out is dropped. Longer than this, and as long for a connection, twice, an operation lasts only against a
    /// server that sends its answers drop by drop.
    ///
    /// Defaults to 500 ms.
    #[must_use]
    pub fn io_timeout(mut self, timeout: Duration) -> Self {
        self.io_timeout = timeout;
        self
    }

    /// How long no leases are taken on a server that may have lost markers: one that was started or promoted to master less
    /// than this ago, that replaces another one while this process runs, or that got its first replica meanwhile. Until then reads of what is not cached go to the
    /// database and fill nothing; writes go on as ever.
    ///
    /// It must not be shorter than the time for which writers of **any** process hold their markers, their `commit_within` and
    /// `commit_takes` together: with less, a restart of Redis in the middle of a write can leave an old value in the cache. A length that
    /// is set here stays as it is; if a handle on this store holds markers for longer, a warning goes to `tracing`. Tests that
    /// start a server of their own set it to zero.
    ///
    /// Defaults to the longest time for which the handles on this store hold markers, and at least to 15 s.
    #[must_use]
    pub fn quarantine(mut self, length: Duration) -> Self {
        self.quarantine = Some(length);
        self
    }

    /// How long a process may go on serving copies of strict models when it hears nothing more of the server, or is held up: and so, for
    /// how long a write of such a model waits for a process that does not answer, and a tenth of a second more.
    ///
    /// It must be **the same in every process that uses the namespace**: a writer can't know what a holder of copies goes by. A
    /// longer one makes a dead process cost more, which it does for twice as long, and at least two seconds; a shorter one turns
    /// hits into reads of the store when a thread is held up. From 30 milliseconds to 10 seconds; what is beyond counts as that. A handle
    /// that waits must be allowed to: keep it well below half of its `commit_within`.
    ///
    /// Defaults to 500 ms.
    #[must_use]
    pub fn strict_horizon(mut self, horizon: Duration) -> Self {
        self.strict_horizon = horizon.clamp(Duration::from_millis(30), Duration::from_secs(10));
        self
    }

    /// The clock that the quarantine goes by. Time-outs go by the system's clock always, and what expires in Redis goes by the
    /// server's.
    ///
    /// Defaults to [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Trusts the server with this certificate authority, in PEM, instead of with those that the operating system trusts.
    /// For `rediss://` URLs.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificate = Some(pem.into());
        self
    }

    /// Makes the store, and begins to connect in the background.
    ///
    /// It waits for the first connection, so that the first operation finds one, but no longer than the
    /// [time-out](Self::connect_timeout), and not at all where none can be made. It returns a store in any case: an application
    /// starts while Redis is away, and takes to it when it comes. Until then every operation fails without waiting.
    ///
    /// # Errors
    /// [`BuildError`] if the URL or a setting makes no sense. A server that is away, or refuses the password, is no error here.
    pub fn build(self) -> Result<RedisStore, BuildError> {
        for (setting, is_zero) in [
            ("pool_size", self.sharing == Sharing::Pool(0)),
            ("pipelines", self.sharing == Sharing::Pipelines(0)),
            ("connect_timeout", self.connect_timeout.is_zero()),
            ("io_timeout", self.io_timeout.is_zero()),
        ] {
            if is_zero {
                return Err(BuildError::Zero { setting });
            }
        }
        let client = self.client()?;
        let names = Names::new(self.namespace.as_bytes(), client.get_connection_info().redis_settings().db());
        let address = Address {
            server: client.get_connection_info().addr().clone(),
            #[cfg(feature = "tls")]
            root_certificate: self.root_certificate,
        };
        let manager = Manager {
            client,
            address,
            connect_timeout: self.connect_timeout,
            io_timeout: self.io_timeout,
            quarantine: Arc::new(Quarantine::new(self.quarantine)),
            warnings: Arc::new(Warnings::default()),
            clock: self.clock,
            health: Arc::new(Health::default()),
        };
        Ok(RedisStore::new(manager, self.sharing, names, Strict { horizon: self.strict_horizon }))
    }

    fn client(&self) -> Result<Client, BuildError> {
        if cfg!(not(feature = "tls")) && ["rediss:", "valkeys:"].iter().any(|scheme| self.url.starts_with(scheme)) {
            let reason = "TLS needs the feature `tls` of larder-redis".to_owned();
            return Err(BuildError::InvalidUrl { reason });
        }
        let info = self.url.as_str().into_connection_info().map_err(|error| invalid_url(&error))?;
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        // The greeting of redis-rs would wait for each of its answers in turn; ours asks once.
        let greeting = info.redis_settings().clone().set_skip_set_lib_name();
        self.open(info.set_tcp_settings(tcp).set_redis_settings(greeting))
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "with TLS there is a certificate")]
    fn open(&self, info: ConnectionInfo) -> Result<Client, BuildError> {
        Client::open(info).map_err(|error| invalid_url(&error))
    }

    #[cfg(feature = "tls")]
    fn open(&self, info: ConnectionInfo) -> Result<Client, BuildError> {
        // redis-rs takes the provider of the process, and rustls panics if it has to choose between two that are linked in.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Somebody else may have been quicker, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        match &self.root_certificate {
            None => Client::open(info).map_err(|error| invalid_url(&error)),
            Some(pem) => {
                use rustls::pki_types::{CertificateDer, pem::PemObject};
                // redis-rs would take a file without any certificate, and then trust nobody.
                if !matches!(CertificateDer::pem_slice_iter(pem).next(), Some(Ok(_))) {
                    return Err(BuildError::InvalidCertificate { source: "it holds no certificate in PEM".into() });
                }
                let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) };
                Client::build_with_tls(info, certificates)
                    .map_err(|error| BuildError::InvalidCertificate { source: Box::new(error) })
            }
        }
    }
}

/// Says what is wrong with a URL without repeating any of it: it may hold a password.
fn invalid_url(error: &redis::RedisError) -> BuildError {
    let reason = match error.detail() {
        None => error.to_string(),
        Some(_) => error.category().to_owned(),
    };
    BuildError::InvalidUrl { reason }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL, which may hold a password.
        f.debug_struct("RedisStoreBuilder")
            .field("namespace", &self.namespace)
            .field("sharing", &self.sharing)
            .field("connect_timeout", &self.connect_timeout)
            .field("io_timeout", &self.io_timeout)
            .field("quarantine", &self.quarantine)
            .field("strict_horizon", &self.strict_horizon)
            .finish_non_exhaustive()
    }
}
