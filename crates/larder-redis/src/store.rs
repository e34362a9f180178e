mod maintain;
mod write;

use std::{fmt, sync::Arc, time::Duration};

use larder::store::{
    BATCH, Cell, CellKey, Clock, Cursor, Ending, Fill, Inspected, Layout, Lease, Listener, Listening, Nonce, Position,
    Recall, Scanned, Stamped, Store, StoreError, Subscription, Vacancy,
};

use crate::{
    BuildError, RedisBuffer, RedisStoreBuilder,
    answer::{cell, stamp_in, stamps_in},
    cell::{HEADER_BYTES, header},
    link::Link,
    listen::Listeners,
    names::Names,
    pool::{Manager, Pool, Sharing},
    request::{Request, milliseconds},
    scripts::{self, Script},
    server::{Quarantine, TooShort},
    strict::{Answers, Strict, outwait},
    warning::{Warning, Warnings},
};

/// A store on Redis 6.2 or later (or Valkey), shared by every process that uses the same server and namespace.
///
/// A method costs one round trip: a read is one `MGET`, what changes cells one `EVALSHA` for up to [`BATCH`] keys and 64 KiB of them,
/// and what is beyond goes along in the same pipeline. [`inspect`](Store::inspect) adds a `PTTL` for each key, and a page of a
/// [scan](Store::scan) is one `SCAN`, which steps over some 500 keys of the server whomever they belong to. Each key is one string,
/// which holds a cell and 33 bytes besides a value.
///
/// Operations never wait for a connection, or for the server, longer than the time-outs of the [builder](RedisStore::builder), for a
/// connection not much longer than 100 ms while nobody is answered, and not at all while the server can't be reached. Only a write that recalls copies waits longer.
///
/// The server must be a master that is spoken to directly, not through a proxy that spreads connections over servers: all connections
/// must lead to one. What is cached counts for one *reign* of it, from its start or promotion on: for what `run_id` and `master_replid` are
/// then. A connection asks for them when it is made, and an operation that finds the latest answer older than 250 ms asks again first,
/// which is one more round trip; where the reign is another one, all connections are made anew, and no operation fails for it. Redis
/// begins a new reign also when its first replica comes, and when the last one has been gone for `repl-backlog-ttl`: the cache is
/// cold then, until the quarantine is over, as it is after a restart.
///
/// Its `maxmemory-policy` may be any of `allkeys-lru`,
/// `allkeys-lfu`, `volatile-lru` and `volatile-lfu`, or none; others may evict markers of writes in doubt, and
/// [`RedisStore::warnings`] says so.
///
/// # Copies in other processes
///
/// Each [listener](Store::listen) has a thread and a connection of its own, in RESP3. It costs the server two small commands as often as
/// a proof is wanted, and one message for each batch of a write: the keys, and some 40 bytes.
///
/// What a write costs more ([`Recall`]): nothing if it is *announced*, in the script that takes the markers. If it is *acknowledged*, one
/// message from each process that holds copies of strict models, and the time until the last of them has come: some tenths of a
/// millisecond for ten processes on one machine. If a process does not answer, or is gone without having said so, the write waits for
/// the [strict horizon](RedisStoreBuilder::strict_horizon), a hundredth of it, and 100 ms, which is 605 ms by default; so does each write,
/// for two seconds at most, until the process is off the list. It is the same for the two seconds after the server has been started, or
/// has lost the list. An *outwaited* write waits so long always. Rows stay locked meanwhile, and readers go to the database.
///
/// Besides cells there are two keys, `#announced` and `#holders` behind the namespace; a cell's key must be neither. Messages go over
/// channels that begin with the namespace and `#`. A user of the server who is allowed the following, for the namespace `shop:`, can do
/// all that a store does:
///
/// ```text
/// ~shop:* &shop:#* +hello +select +info +ping +client|setname +mget +pttl +scan +evalsha +eval +script|load +set +get +getrange
/// +del +zadd +zrem +zscore +zrangebyscore +zremrangebyscore +pexpire +time +publish +subscribe
/// ```
pub struct RedisStore {
    pool: Arc<Pool>,
    lines: Arc<Manager>,
    names: Arc<Names>,
    listeners: Listeners,
    strict: Strict,
    answers: Answers,
    quarantine: Arc<Quarantine>,
    warnings: Arc<Warnings>,
    clock: Arc<dyn Clock>,
}

impl RedisStore {
    /// A store with the defaults of [`RedisStoreBuilder`] on the server of a URL:
    /// `redis://[user][:password@]host[:port][/db]`, `rediss://..` for TLS (feature `tls`), or `unix:///path`.
    ///
    /// It waits for a connection for 1 s at most, and returns a store whether the server can be reached or not; see
    /// [`RedisStoreBuilder::build`].
    ///
    /// # Errors
    /// [`BuildError::InvalidUrl`].
    pub fn connect(url: &str) -> Result<Self, BuildError> {
        Self::builder(url).build()
    }

    /// The settings of a store on the server of a URL, in the forms of [`RedisStore::connect`].
    #[must_use]
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url)
    }

    pub(crate) fn new(manager: Manager, sharing: Sharing, names: Names, strict: Strict) -> Self {
        let (lines, names) = (Arc::new(manager.clone()), Arc::new(names));
        let Manager { quarantine, warnings, clock, .. } = manager.clone();
        Self {
            pool: Arc::new(Pool::new(manager, sharing)),
            listeners: Listeners::new(Arc::clone(&lines), Arc::clone(&names), strict),
            answers: Answers::new(Arc::clone(&lines), Arc::clone(&names)),
            lines,
            names,
            strict,
            quarantine,
            warnings,
            clock,
        }
    }

    /// What the settings of the server are not good for, as of the latest connection to it: `None` if none was made yet.
    ///
    /// The same goes to `tracing`, once for each reign of a server. A service that would rather not start asks here.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = larder_redis::RedisStore::connect("redis://localhost/")?;
    /// if let Some([warning, ..]) = store.warnings().as_deref() {
    ///     return Err(warning.to_string().into());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn warnings(&self) -> Option<Vec<Warning>> {
        self.warnings.latest()
    }

    /// A buffer of writes on the same server, in the same namespace and on the same connections: for `larder::behind`.
    ///
    /// Stores of the same namespace and server share the buffers of a name. See [`RedisBuffer`] for what the server must be like.
    #[must_use]
    pub fn buffer(&self, name: impl Into<String>) -> RedisBuffer {
        let name = name.into();
        let keys = self.names.buffer(&name);
        RedisBuffer::new(name, keys, Arc::clone(&self.pool))
    }

    /// What else works on the same connections.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// What makes connections to wait on.
    pub(crate) fn lines(&self) -> &Arc<Manager> {
        &self.lines
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Does something with a connection, and lets the other connections know if it breaks.
    fn with_link<T>(&self, work: impl FnOnce(&mut Link) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.pool.with_link(work)
    }

    /// Asks for what lies under keys, a command for each batch.
    fn mget(&self, request: &mut Request, keys: &[CellKey]) {
        for keys in keys.chunks(BATCH) {
            request.command(1 + keys.len()).arg(&[b"MGET"]);
            for key in keys {
                request.arg(&[self.names.namespace(), key.as_bytes()]);
            }
        }
    }

    /// Begins an `EVALSHA` on cells and then on keys of the store's own, of which `n_args` arguments must follow.
    fn evalsha<'k>(
        &self,
        request: &mut Request,
        script: &Script,
        (cells, own): (impl ExactSizeIterator<Item = &'k CellKey>, &[&[u8]]),
        n_args: usize,
    ) {
        let n_keys = cells.len() + own.len();
        request.command(3 + n_keys + n_args).arg(&[b"EVALSHA"]).arg(&[script.hash.as_bytes()]);
        request.number(n_keys as u64);
        for key in cells {
            request.arg(&[self.names.namespace(), key.as_bytes()]);
        }
        for key in own {
            request.arg(&[key]);
        }
    }
}

/// Reads the answers to what [`RedisStore::mget`] asked.
fn cells(
    link: &mut Link,
    keys: &[CellKey],
    answers: impl Iterator<Item = redis::Value>,
) -> Result<Vec<Cell>, StoreError> {
    let mut cells = Vec::with_capacity(keys.len());
    for (keys, answer) in keys.chunks(BATCH).zip(answers) {
        for (key, value) in keys.iter().zip(link.list(answer, keys.len())?) {
            cells.push(cell(link, key, value)?);
        }
    }
    Ok(cells)
}

impl Store for RedisStore {
    fn attach(&self, hold: Duration) {
        if let Err(TooShort { length }) = self.quarantine.cover(hold) {
            tracing::warn!(
                ?length,
                ?hold,
                "the quarantine is shorter than markers are held: a restart of Redis in the middle of a write may leave an old value"
            );
        }
    }

    fn at_once(&self) -> Option<usize> {
        Some(self.pool.size())
    }

    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut request = Request::with_capacity(64 * keys.len());
        self.mget(&mut request, keys);
        self.with_link(|link| {
            let answers = link.call(&request)?;
            cells(link, keys, answers.into_iter())
        })
    }

    fn read_stamped(&self, keys: &[CellKey], stamped: &[CellKey]) -> Result<Stamped, StoreError> {
        if stamped.is_empty() {
            return Ok((self.read(keys)?, Vec::new()));
        }
        let mut request = Request::with_capacity(64 * (keys.len() + stamped.len()));
        self.mget(&mut request, keys);
        for key in stamped {
            // As much as tells the stamp, and no value, which may be large.
            request.command(4).arg(&[b"GETRANGE"]).arg(&[self.names.namespace(), key.as_bytes()]);
            request.number(0).number(HEADER_BYTES as u64 - 1);
        }
        self.with_link(|link| {
            let mut answers = link.call(&request)?.into_iter();
            let n_batches = keys.len().div_ceil(BATCH);
            let cells = cells(link, keys, answers.by_ref().take(n_batches))?;
            let stamps = answers.map(|answer| stamp_in(link, answer)).collect::<Result<Vec<_>, _>>()?;
            if stamps.len() == stamped.len() {
                Ok((cells, stamps))
            } else {
                Err(link.refuse("each command is answered"))
            }
        })
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let script = &*scripts::LEASE;
        self.with_link(|link| {
            if !self.quarantine.is_over(link.seen(), self.clock.now()) {
                return Ok(vec![None; keys.len()]);
            }
            let lease = Lease { token: Nonce::fresh(), fence: link.fence() };
            let mut request = Request::with_capacity(128 * keys.len());
            for keys in keys.chunks(BATCH) {
                self.evalsha(&mut request, script, (keys.iter().map(|(key, _)| *key), &[]), 1 + keys.len());
                request.number(milliseconds(ttl));
                for (key, vacancy) in keys {
                    let header = header(b'L', lease.fence, key.layout(), lease.token);
                    match vacancy {
                        Vacancy::Outdated(stamp) => request.arg(&[&header, stamp.as_bytes()]),
                        Vacancy::Nothing | Vacancy::Foreign => request.arg(&[&header]),
                    };
                }
            }
            let answers = link.run(script, &request)?;
            let mut leases = Vec::with_capacity(keys.len());
            for (keys, answer) in keys.chunks(BATCH).zip(answers) {
                for ((key, _), digit) in keys.iter().zip(link.digits(answer, keys.len(), b'2')?) {
                    if digit == b'2' {
                        tracing::warn!(%key, "something that is no cell was overwritten");
                    }
                    leases.push((digit != b'0').then_some(lease));
                }
            }
            Ok(leases)
        })
    }

    fn stamp(&self, keys: &[&CellKey], ttl: Duration) -> Result<Vec<Option<Nonce>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let script = &*scripts::STAMP;
        self.with_link(|link| {
            if !self.quarantine.is_over(link.seen(), self.clock.now()) {
                return Ok(vec![None; keys.len()]);
            }
            let stamp = Nonce::fresh();
            let mut request = Request::with_capacity(128 + 64 * keys.len());
            for keys in keys.chunks(BATCH) {
                self.evalsha(&mut request, script, (keys.iter().copied(), &[]), 2);
                request.arg(&[&header(b'V', link.fence(), Layout::STAMP, stamp)]).number(milliseconds(ttl));
            }
            let answers = link.run(script, &request)?;
            let mut stamps = Vec::with_capacity(keys.len());
            for (keys, answer) in keys.chunks(BATCH).zip(answers) {
                stamps.extend(stamps_in(link, answer, keys.len(), stamp)?);
            }
            Ok(stamps)
        })
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        if fills.is_empty() {
            return Ok(Vec::new());
        }
        let script = &*scripts::FILL;
        self.with_link(|link| {
            // A lease of another reign of the server is void, and its value would be foreign.
            let current: Vec<usize> = (0..fills.len()).filter(|&n| fills[n].lease.fence == link.fence()).collect();
            let n_bytes = current.iter().map(|&n| 160 + fills[n].value.len()).sum();
            let mut request = Request::with_capacity(n_bytes);
            for batch in current.chunks(BATCH) {
                self.evalsha(&mut request, script, (batch.iter().map(|&n| fills[n].key), &[]), 2 * batch.len());
                for Fill { key, lease, value, ttl } in batch.iter().map(|&n| &fills[n]) {
                    let header = header(b'V', lease.fence, key.layout(), lease.token);
                    request.arg(&[&header, value]).number(milliseconds(*ttl));
                }
            }
            let mut filled = vec![false; fills.len()];
            if current.is_empty() {
                return Ok(filled);
            }
            let answers = link.run(script, &request)?;
            for (batch, answer) in current.chunks(BATCH).zip(answers) {
                for (&n, digit) in batch.iter().zip(link.digits(answer, batch.len(), b'1')?) {
                    filled[n] = digit == b'1';
                }
            }
            Ok(filled)
        })
    }

    fn begin(
        &self,
        nonce: Nonce,
        keys: &[&CellKey],
        hold: Duration,
        recall: Recall,
    ) -> Result<Option<Position>, StoreError> {
        if keys.is_empty() {
            return Ok(None);
        }
        let place = match recall {
            Recall::Announced => self.mark(nonce, keys, hold, None)?.place,
            Recall::Acknowledged => self.recall(nonce, keys, hold)?,
            Recall::Outwaited => {
                let place = self.mark(nonce, keys, hold, None)?.place;
                outwait(self.end_of_wait());
                place
            }
        };
        Ok(Some(place))
    }

    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        if endings.is_empty() { Ok(()) } else { self.end(nonce, endings) }
    }

    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        if keys.is_empty() { Ok(()) } else { self.empty(nonce, keys) }
    }

    fn listen(&self, listener: Arc<dyn Listener>, wanted: Listening) -> Option<Subscription> {
        self.listeners.add(listener, wanted)
    }

    fn inspect(&self, keys: &[CellKey]) -> Result<Vec<Inspected>, StoreError> {
        if keys.is_empty() { Ok(Vec::new()) } else { self.look_at(keys) }
    }

    fn extend(&self, values: &[(&CellKey, Nonce, Duration)]) -> Result<Vec<bool>, StoreError> {
        if values.is_empty() { Ok(Vec::new()) } else { self.prolong(values) }
    }

    fn scan(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError> {
        self.page(prefix, from)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.names.namespace().escape_ascii().to_string();
        f.debug_struct("RedisStore").field("namespace", &namespace).finish_non_exhaustive()
    }
}
