use std::{
    collections::VecDeque,
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

use larder::store::StoreError;
use redis::Value;
use serde::de::DeserializeOwned;

use super::{
    Begin, Delivery, Shared, Work,
    answer::{self, Entry, Taken},
};
use crate::{
    call::Call,
    error::{from_server, senseless},
    pack::unpack,
    request::{Request, milliseconds},
    scripts::streams as scripts,
    stop::Stop,
    wire::{Wire, moment_in},
};

/// How long the server may take to answer beyond the time for which it was asked to wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest time for which it is asked to wait at once, and the shortest.
const WAITS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_millis(1));

/// The pause after a failure, and the longest one after several.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// How often a consumer looks within the time after which others' messages are redelivered.
const LOOKS: u32 = 4;

/// One that works on the messages of a group. [`Stream::consumer`](super::Stream::consumer) makes one.
pub struct Consumer<T> {
    shared: Arc<Shared>,
    group: Arc<str>,
    name: Box<str>,
    stop: Stop,
    fetched: VecDeque<Entry>,
    /// Of how many messages that the group has lost its user was told, or somebody else before it began.
    n_told: Option<u64>,
    not_told: u64,
    look_at: Instant,
    wire: Option<Wire>,
    message: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Consumer<T> {
    pub(super) fn new(shared: Arc<Shared>, group: &str, name: &str) -> Self {
        Self {
            shared,
            group: group.into(),
            name: name.into(),
            stop: Stop::default(),
            fetched: VecDeque::new(),
            n_told: None,
            not_told: 0,
            look_at: Instant::now(),
            wire: None,
            message: PhantomData,
        }
    }

    /// What ends [`next`](Self::next) from another thread.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits for a message to work on: `None` if there is none within that time, or it was [stopped](Self::stop), and has none left of a
    /// [batch](super::StreamOptions::batch).
    ///
    /// What others have left lying comes before what is new. A failure is waited out as long as there is time: what it has given to
    /// nobody comes again [later](super::StreamOptions::redeliver_after).
    ///
    /// A server that does not answer is waited for longer than `within`, by a second at most, and where a connection has to be made by the
    /// [`connect_timeout`](crate::RedisStoreBuilder::connect_timeout).
    ///
    /// # Errors
    /// The last failure, if the time was over before Redis has answered.
    pub fn next(&mut self, within: Duration) -> Result<Option<Work<T>>, StoreError> {
        let (until, mut pause) = (moment_in(within), PAUSES.0);
        loop {
            if let Some(work) = self.at_hand() {
                return Ok(Some(work));
            }
            if self.stop.is_stopped() {
                return Ok(None);
            }
            let fetched = self.fetch(until);
            if fetched.is_ok() {
                pause = PAUSES.0;
            } else {
                self.hang_up();
                self.stop.wait_until(until.min(Instant::now() + pause));
                pause = (2 * pause).min(PAUSES.1);
            }
            if Instant::now() >= until && self.fetched.is_empty() && self.not_told == 0 {
                return fetched.map(|()| None);
            }
        }
    }

    fn at_hand(&mut self) -> Option<Work<T>> {
        if self.not_told > 0 {
            return Some(Work::Lost { n_messages: std::mem::take(&mut self.not_told) });
        }
        let entry = self.fetched.pop_front()?;
        let Entry { id, n_deliveries, number, bytes } = entry;
        Some(match unpack(&bytes) {
            Ok(message) => {
                let (shared, group) = (Arc::clone(&self.shared), Arc::clone(&self.group));
                Work::Delivery(Delivery { message, number, n_deliveries, shared, group, id })
            }
            Err(reason) => Work::Unreadable { number, n_deliveries, reason },
        })
    }

    /// Takes what there is, and if there is nothing waits for something to come.
    fn fetch(&mut self, until: Instant) -> Result<(), StoreError> {
        let Taken { n_lost, n_told, behind, entries } = self.take()?;
        // It is told before anything else is taken, and only that takes it down.
        self.not_told = n_lost.saturating_sub(self.n_told.unwrap_or(n_told));
        self.n_told = Some(n_lost);
        self.fetched.extend(entries);
        if self.fetched.is_empty() && self.not_told == 0 && Instant::now() < until {
            self.wait(&behind, until.min(self.look_at))?;
        }
        Ok(())
    }

    fn take(&mut self) -> Result<Taken, StoreError> {
        let (shared, options) = (&self.shared, self.shared.options);
        let is_to_look = self.look_at <= Instant::now();
        let idle = if is_to_look { milliseconds(options.redeliver_after) } else { 0 };
        let begin = if options.begin == Begin::Oldest { b"0" } else { b"$" };
        let (script, request) = Call::new(&scripts::TAKE, shared.keys.all())
            .arg(self.group.as_bytes())
            .arg(self.name.as_bytes())
            .number(u64::from(options.batch))
            .arg(begin)
            .number(idle)
            .number(u64::from(options.max_deliveries))
            .number(options.max_entries)
            .number(self.n_told.unwrap_or(0))
            .finish();
        let taken = shared.pool.with_link(|link| {
            let answer = link.run(script, &request)?.pop();
            answer::read(link, answer, "a consumer is given messages", answer::taken)
        })?;
        if is_to_look && taken.entries.iter().all(|entry| entry.n_deliveries == 1) {
            self.look_at = moment_in(options.redeliver_after / LOOKS);
        }
        Ok(taken)
    }

    /// Waits until something comes behind an id, which may be for somebody else, or the time is over.
    fn wait(&mut self, behind: &[u8], until: Instant) -> Result<(), StoreError> {
        let time = until.saturating_duration_since(Instant::now()).clamp(WAITS.1, WAITS.0);
        if self.wire.is_none() {
            let (mut wire, _) = self.shared.lines.wire()?;
            if !self.stop.connected(Some(wire.hangup()?)) {
                return Ok(());
            }
            self.wire = Some(wire);
        }
        let Some(wire) = &mut self.wire else { return Ok(()) };
        let patience = moment_in(time + PATIENCE);
        let mut request = Request::default();
        request.command(8).arg(&[b"XREAD"]).arg(&[b"COUNT"]).number(1).arg(&[b"BLOCK"]).number(milliseconds(time));
        request.arg(&[b"STREAMS"]).arg(&[&self.shared.keys.entries]).arg(&[behind]);
        wire.send(&request, patience)?;
        match wire.receive(patience)? {
            Some(Value::ServerError(error)) => Err(from_server(&error)),
            Some(Value::Push { .. }) => Err(senseless("nothing comes unasked")),
            // What it is will be asked for together with all others.
            Some(_) => Ok(()),
            None => Err(StoreError::timed_out("the server did not answer in time")),
        }
    }
}

impl<T> Consumer<T> {
    fn hang_up(&mut self) {
        self.wire = None;
        self.stop.connected(None);
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("group", &self.group).field("name", &self.name).finish_non_exhaustive()
    }
}
