use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use larder::store::{Nonce, StoreError};
use redis::{PushKind, Value};

use crate::{
    error::{from_server, senseless},
    message::nonce,
    names::Names,
    pool::Manager,
    request::Request,
    wire::{Hangup, Wire, moment_in},
};

/// How long the first write that asks waits until answers can reach it; after that they may not.
const START_TIMEOUT: Duration = Duration::from_millis(250);
/// The pause between attempts to hear answers.
const PAUSE: Duration = Duration::from_millis(200);
/// How often it is made sure that answers would come, and how long that may take.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// The answers of those who hold copies to the writes of one store: a thread and a connection, from the first write that asks on.
pub(crate) struct Answers {
    manager: Arc<Manager>,
    names: Arc<Names>,
    desk: Arc<Desk>,
}

struct Desk {
    /// Under which holders answer this store.
    name: Nonce,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_started: bool,
    /// Whether what is answered now reaches us.
    is_up: bool,
    is_closed: bool,
    hangup: Option<Hangup>,
    waiting: HashMap<Nonce, Waiting>,
}

/// A write that waits, so that an answer costs the same however many there are.
#[derive(Default)]
struct Waiting {
    /// A set, since one may answer twice: a request may have reached the server twice.
    answered: HashSet<Nonce>,
    /// Who was asked and has not answered, once that is known.
    silent: HashSet<Nonce>,
}

impl Waiting {
    /// Takes down who has answered: whether he was the last.
    fn answer(&mut self, holder: Nonce) -> bool {
        self.answered.insert(holder);
        self.silent.remove(&holder) && self.silent.is_empty()
    }
}

/// A write to which answers are taken down, until this is dropped.
pub(crate) struct Expected<'a> {
    desk: &'a Desk,
    write: Nonce,
}

impl Answers {
    pub(crate) fn new(manager: Arc<Manager>, names: Arc<Names>) -> Self {
        let desk = Desk { name: Nonce::fresh(), state: Mutex::default(), changed: Condvar::new() };
        Self { manager, names, desk: Arc::new(desk) }
    }

    /// The name of the store for those who answer.
    pub(crate) fn name(&self) -> &Nonce {
        &self.desk.name
    }

    /// Takes down the answers to a write that has not been announced yet.
    ///
    /// While none can arrive, it waits in vain, and for as long as if nobody had answered.
    pub(crate) fn expect(&self, write: Nonce) -> Expected<'_> {
        let mut state = self.desk.state();
        if !state.is_started {
            state.is_started = true;
            self.start();
            let waited = self.desk.changed.wait_timeout_while(state, START_TIMEOUT, |state| !state.is_up);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waiting.insert(write, Waiting::default());
        Expected { desk: &self.desk, write }
    }

    fn start(&self) {
        let (manager, names, desk) = (Arc::clone(&self.manager), Arc::clone(&self.names), Arc::clone(&self.desk));
        let thread = thread::Builder::new().name("larder-answers".to_owned());
        if let Err(error) = thread.spawn(move || run(&manager, &names, &desk)) {
            tracing::warn!(%error, "no thread to hear answers on: writes of strict models wait in vain");
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        let mut state = self.desk.state();
        state.is_closed = true;
        if let Some(hangup) = state.hangup.take() {
            hangup.end_reading();
        }
        self.desk.changed.notify_all();
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under this lock halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expected<'_> {
    /// Waits until each of those has answered, but no longer than until then: how many have not.
    pub(crate) fn wait(&self, asked: &[Nonce], until: Instant) -> usize {
        let n_silent = |state: &State| state.waiting.get(&self.write).map_or(asked.len(), |write| write.silent.len());
        let mut state = self.desk.state();
        if let Some(Waiting { answered, silent }) = state.waiting.get_mut(&self.write) {
            *silent = asked.iter().filter(|holder| !answered.contains(*holder)).copied().collect();
        }
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.desk.changed.wait_timeout_while(state, left, |state| n_silent(state) > 0);
        n_silent(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.desk.state().waiting.remove(&self.write);
    }
}

/// Hears answers until the store is closed.
fn run(manager: &Manager, names: &Names, desk: &Desk) {
    loop {
        let heard = hear(manager, names, desk);
        let mut state = desk.state();
        (state.is_up, state.hangup) = (false, None);
        if state.is_closed {
            return;
        }
        if let Err(error) = heard {
            let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            tracing::debug!(error = %reason, "no answers are heard: writes of strict models wait in vain");
        }
        drop(desk.changed.wait_timeout_while(state, PAUSE, |state| !state.is_closed));
    }
}

/// One connection, from its making until it is lost, or not wanted any more.
fn hear(manager: &Manager, names: &Names, desk: &Desk) -> Result<(), StoreError> {
    let (mut wire, _) = manager.wire()?;
    let hangup = wire.hangup()?;
    let mut state = desk.state();
    state.hangup = Some(hangup);
    if state.is_closed {
        return Ok(());
    }
    drop(state);
    let mut request = Request::default();
    let channel = names.dropped(&desk.name);
    request.command(2).arg(&[b"SUBSCRIBE"]).arg(&[&channel]);
    wire.send(&request, moment_in(manager.io_timeout))?;
    let mut ping = Request::default();
    ping.command(1).arg(&[b"PING"]);
    let mut until = moment_in(manager.connect_timeout);
    // The subscription is the first question.
    let mut is_asked = true;
    loop {
        match receive(&mut wire, until)? {
            Some(Heard::Alive) => {
                let mut state = desk.state();
                if state.is_closed {
                    return Ok(());
                }
                if !state.is_up {
                    state.is_up = true;
                    desk.changed.notify_all();
                }
                (is_asked, until) = (false, Instant::now() + CHECK_EVERY);
            }
            Some(Heard::Answer { holder, writes }) => {
                let mut state = desk.state();
                let mut is_complete = false;
                for write in writes {
                    // Whoever has stopped waiting does not want to know.
                    is_complete |= state.waiting.get_mut(&write).is_some_and(|write| write.answer(holder));
                }
                drop(state);
                if is_complete {
                    desk.changed.notify_all();
                }
            }
            None if is_asked => return Err(StoreError::timed_out("the server did not answer in time")),
            None => {
                wire.send(&ping, moment_in(manager.io_timeout))?;
                (is_asked, until) = (true, Instant::now() + CHECK_EVERY);
            }
        }
    }
}

/// What comes to one who waits for answers.
enum Heard {
    Answer {
        holder: Nonce,
        writes: Vec<Nonce>,
    },
    /// The subscription is confirmed, or the server has said that it is there.
    Alive,
}

fn receive(wire: &mut Wire, until: Instant) -> Result<Option<Heard>, StoreError> {
    let Some(value) = wire.receive(until)? else { return Ok(None) };
    match value {
        Value::Push { kind: PushKind::Message, data } => {
            let [_, Value::BulkString(payload)] = &data[..] else {
                return Err(senseless("a message has a channel and a text"));
            };
            parse(payload).map(Some).ok_or_else(|| senseless("an answer names a holder and writes"))
        }
        Value::Push { kind: PushKind::Subscribe, .. } | Value::SimpleString(_) => Ok(Some(Heard::Alive)),
        Value::ServerError(error) => Err(from_server(&error)),
        _ => Err(senseless("nothing but answers comes unasked")),
    }
}

fn parse(payload: &[u8]) -> Option<Heard> {
    let (holder, mut rest) = nonce(payload)?;
    let mut writes = Vec::with_capacity(rest.len() / 16);
    while !rest.is_empty() {
        let (write, after) = nonce(rest)?;
        writes.push(write);
        rest = after;
    }
    Some(Heard::Answer { holder, writes })
}
