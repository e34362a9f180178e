//! The connections of a store.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use larder::store::{Clock, StoreError};
use r2d2::{ManageConnection, NopErrorHandler, PooledConnection};
use redis::{Client, Value};

use crate::{
    error::{from_connection, from_server},
    health::{Health, Standing},
    link::Link,
    pipe::{Pipe, Pipes},
    reign::{self, Reign},
    request::Request,
    server::{Quarantine, Seen, Server},
    warning::Warnings,
    wire::{Address, Wire, moment_in},
};

/// How long an operation waits for a connection at least while nobody else is answered: beyond that the database is faster.
const SILENCE: Duration = Duration::from_millis(100);

/// With longer time-outs it waits for that share of them.
const SILENT_SHARE: u32 = 5;

/// Attempts to connect are made in the background, one after the other, with half of this between them.
const RETRY_PERIOD: Duration = Duration::from_secs(1);

/// How many connections there are, and who uses one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// One operation has it for itself.
    Pool(u32),
    /// All threads send on it what they have.
    Pipelines(u32),
}

pub(crate) struct Pool {
    inner: Connections,
    health: Arc<Health>,
    io_timeout: Duration,
    /// How many operations were answered.
    n_answered: AtomicU64,
}

enum Connections {
    Own(r2d2::Pool<Manager>),
    Shared(Pipes),
}

/// A connection, or a share of one, for one operation.
enum Held {
    Own(PooledConnection<Manager>),
    Shared(Link),
}

impl Deref for Held {
    type Target = Link;

    fn deref(&self) -> &Link {
        match self {
            Self::Own(link) => link,
            Self::Shared(link) => link,
        }
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Link {
        match self {
            Self::Own(link) => link,
            Self::Shared(link) => link,
        }
    }
}

impl Pool {
    /// Starts to connect in the background, and waits for the first attempt to end, but not for long.
    pub(crate) fn new(manager: Manager, sharing: Sharing) -> Self {
        let Manager { connect_timeout, io_timeout, .. } = manager;
        let health = Arc::clone(&manager.health);
        let inner = match sharing {
            Sharing::Pool(size) => Connections::Own(
                r2d2::Pool::builder()
                    .max_size(size)
                    .min_idle(Some(1))
                    .test_on_check_out(false)
                    .connection_timeout(RETRY_PERIOD)
                    .error_handler(Box::new(NopErrorHandler))
                    .build_unchecked(manager),
            ),
            Sharing::Pipelines(n) => Connections::Shared(Pipes::new(manager, n)),
        };
        health.wait_for_first_attempt(connect_timeout);
        Self { inner, health, io_timeout, n_answered: AtomicU64::new(0) }
    }

    /// How many operations can be under way at once without waiting for each other.
    pub(crate) fn size(&self) -> usize {
        match &self.inner {
            Connections::Own(pool) => pool.max_size() as usize,
            Connections::Shared(pipes) => pipes.size(),
        }
    }

    /// Takes a connection, as [`Pool::wait_for_link`] waits for one, and not at all while none can be made.
    fn link(&self) -> Result<Held, StoreError> {
        let mut deadline = None;
        loop {
            let mut link = match &self.inner {
                Connections::Own(pool) => Held::Own(match pool.try_get() {
                    Some(link) => link,
                    None => {
                        let longest = self.io_timeout.max(SILENCE);
                        self.wait_for_link(pool, *deadline.get_or_insert_with(|| moment_in(longest)))?
                    }
                }),
                Connections::Shared(pipes) => {
                    let deadline = *deadline.get_or_insert_with(|| moment_in(self.silence()));
                    Held::Shared(pipes.link(deadline)?)
                }
            };
            match self.health.standing(link.era()) {
                Standing::Good => return Ok(link),
                Standing::Doubtful if self.ask_again(&mut link)? => return Ok(link),
                Standing::Doubtful | Standing::Past => link.give_up(),
            }
        }
    }

    /// Asks whether the server is still in the reign of which all connections are; if not, they are thrown away.
    fn ask_again(&self, link: &mut Link) -> Result<bool, StoreError> {
        let lasts = link.is_up_to_date();
        if lasts.is_ok() {
            self.answered();
        }
        match &lasts {
            Ok(true) => self.health.leads_to(link.era(), link.fence(), Instant::now()),
            // One that was only too slow says nothing of the others.
            Err(error) if error.is_timeout() => {}
            Ok(false) | Err(_) => self.end_era(link.era()),
        }
        lasts
    }

    /// Does something with a connection, and lets the other connections know if it breaks.
    pub(crate) fn with_link<T>(&self, work: impl FnOnce(&mut Link) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut link = self.link()?;
        let done = work(&mut link);
        if !link.is_broken() {
            self.answered();
        }
        // One that was only too slow says nothing of the others.
        if link.is_broken() && !done.as_ref().is_err_and(StoreError::is_timeout) {
            self.end_era(link.era());
        }
        done
    }

    /// How long an operation waits while nobody is answered.
    fn silence(&self) -> Duration {
        SILENCE.max(self.io_timeout / SILENT_SHARE)
    }

    /// Throws away the connections that were made together with one that has broken.
    fn end_era(&self, era: u64) {
        self.health.end_era(era);
    }

    /// Takes down that an operation was answered, whatever the answer was: whoever waits for a connection has reason to.
    fn answered(&self) {
        self.n_answered.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for a connection: until then while others are answered, since the pool is only busy, and for [`SILENCE`] where nobody is.
    ///
    /// Whoever gets none loads by himself what another may be loading. A thousand threads on 16 connections wait for more than
    /// 100 ms on a busy machine, and then each key was loaded up to 150 times.
    fn wait_for_link(
        &self,
        pool: &r2d2::Pool<Manager>,
        deadline: Instant,
    ) -> Result<PooledConnection<Manager>, StoreError> {
        let silence = self.silence();
        loop {
            if pool.state().connections == 0
                && let Some(error) = self.health.failure_to_connect()
            {
                return Err(error);
            }
            let n_answered = self.n_answered.load(Ordering::Relaxed);
            let left = deadline.saturating_duration_since(Instant::now());
            if let Ok(link) = pool.get_timeout(left.min(silence)) {
                return Ok(link);
            }
            if left <= silence || self.n_answered.load(Ordering::Relaxed) == n_answered {
                let busy = || StoreError::timed_out("no connection has become free");
                return Err(self.health.failure_to_connect().unwrap_or_else(busy));
            }
        }
    }
}

/// Makes connections that know which server they lead to.
#[derive(Clone)]
pub(crate) struct Manager {
    pub(crate) client: Client,
    pub(crate) address: Address,
    pub(crate) connect_timeout: Duration,
    pub(crate) io_timeout: Duration,
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) warnings: Arc<Warnings>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) health: Arc<Health>,
}

/// Where a connection leads to.
#[derive(Clone)]
pub(crate) struct Met {
    pub(crate) reign: Arc<Reign>,
    pub(crate) seen: Seen,
    /// Which connections it was made with; see `Health`.
    pub(crate) era: u64,
}

enum Protocol {
    Resp2,
    Resp3,
}

impl Manager {
    fn try_connect(&self) -> Result<Link, StoreError> {
        let era = self.health.era();
        let connection = self.client.get_connection_with_timeout(self.connect_timeout).map_err(from_connection)?;
        let mut link = Link::new(connection, era);
        link.set_timeout(self.connect_timeout)?;
        let answers = link.call(&questions())?;
        let (server, seen) = self.meet(&answers).inspect_err(|_| link.give_up())?;
        self.health.leads_to(era, server.reign().fence(), Instant::now());
        link.set_timeout(self.io_timeout)?;
        link.leads_to(server.reign().clone(), seen);
        Ok(link)
    }

    /// Makes a connection to listen on, in RESP3; the whole of it takes no longer than the time-out.
    pub(crate) fn wire(&self) -> Result<(Wire, Reign), StoreError> {
        let (wire, met) = self.open(&Protocol::Resp3)?;
        Ok((wire, Reign::clone(&met.reign)))
    }

    /// Makes a connection that many share.
    pub(crate) fn pipe(&self) -> Result<(Pipe, Met), StoreError> {
        let opened = self.open(&Protocol::Resp2);
        let opened = opened.inspect(|_| self.health.connected()).inspect_err(|error| self.health.failed(error));
        opened.map(|(wire, met)| (Pipe::new(wire, self.io_timeout), met))
    }

    fn open(&self, protocol: &Protocol) -> Result<(Wire, Met), StoreError> {
        let era = self.health.era();
        let until = moment_in(self.connect_timeout);
        let mut wire = Wire::connect(&self.address, until)?;
        let settings = self.client.get_connection_info().redis_settings();
        let mut request = Request::default();
        match (protocol, settings.password()) {
            (Protocol::Resp2, None) => {}
            (Protocol::Resp2, Some(password)) => {
                let user = settings.username().map(str::as_bytes);
                request.command(2 + usize::from(user.is_some())).arg(&[b"AUTH"]);
                for arg in user.into_iter().chain([password.as_bytes()]) {
                    request.arg(&[arg]);
                }
            }
            (Protocol::Resp3, Some(password)) => {
                let user = settings.username().unwrap_or("default");
                request.command(5).arg(&[b"HELLO"]).arg(&[b"3"]).arg(&[b"AUTH"]);
                request.arg(&[user.as_bytes()]).arg(&[password.as_bytes()]);
            }
            (Protocol::Resp3, None) => {
                request.command(2).arg(&[b"HELLO"]).arg(&[b"3"]);
            }
        }
        if let Some(database) = u64::try_from(settings.db()).ok().filter(|database| *database != 0) {
            request.command(2).arg(&[b"SELECT"]).number(database);
        }
        for answer in wire.call(&request, until)? {
            if let Value::ServerError(error) = answer {
                return Err(from_server(&error));
            }
        }
        let answers = wire.call(&questions(), until)?;
        let (server, seen) = self.meet(&answers)?;
        self.health.leads_to(era, server.reign().fence(), Instant::now());
        Ok((wire, Met { reign: Arc::new(server.reign().clone()), seen, era }))
    }

    /// Reads who the server is, and takes note of it.
    fn meet(&self, answers: &[Value]) -> Result<(Server, Seen), StoreError> {
        let server = read(answers)?;
        if !server.is_master() {
            return Err(StoreError::refused("the server is a replica, and a cache is read and written on its master"));
        }
        self.warnings.note(&server);
        let seen = self.quarantine.meet(&server, self.clock.now());
        Ok((server, seen))
    }
}

impl ManageConnection for Manager {
    type Connection = Link;
    type Error = StoreError;

    fn connect(&self) -> Result<Link, StoreError> {
        self.try_connect().inspect(|_| self.health.connected()).inspect_err(|error| self.health.failed(error))
    }

    fn is_valid(&self, _: &mut Link) -> Result<(), StoreError> {
        Ok(())
    }

    fn has_broken(&self, link: &mut Link) -> bool {
        link.is_broken()
    }
}

/// Asks a server who it is, and tells it who we are.
fn questions() -> Request {
    let mut request = Request::default();
    request.command(2).arg(&[b"INFO"]).arg(&[b"server"]);
    request.command(2).arg(&[b"INFO"]).arg(&[b"replication"]);
    request.command(2).arg(&[b"INFO"]).arg(&[b"memory"]);
    request.command(3).arg(&[b"CLIENT"]).arg(&[b"SETNAME"]).arg(&[b"larder"]);
    request
}

fn read(answers: &[Value]) -> Result<Server, StoreError> {
    let mut info = String::new();
    // The name is a courtesy, and may be refused.
    for answer in answers.iter().take(3) {
        info.push_str(reign::text(answer)?);
    }
    Server::parse(&info)
}
