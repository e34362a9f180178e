//! The lines on which processes are told of writes, and what their near caches may serve.
//!
//! What Redis publishes is heard by the lane, and waits in a queue for each process until nature hands it on: late, together with the
//! answers to questions that came after it, or never, if the line is lost. Nothing overtakes anything on a line.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver},
    },
    time::Duration,
};

use larder::store::{Announcement, Clock as _, Line, Listener, ManualClock, Subscription};
use redis::{Client, Connection, PushInfo, PushKind, Value};

use crate::{
    act::{LANE, N_PROCESSES, Place},
    mutant::Mutation,
    plan::N_ACTORS,
    rows::Key,
    stage::Show,
    tally::Fault,
};

/// What passes with each step.
pub const STEP: Duration = Duration::from_millis(1);

/// Something that a process is about to be told.
#[derive(Debug)]
enum News {
    /// Cells that are written, by their keys.
    Dropped(Vec<Vec<u8>>),
    /// The answer to a question of that time.
    Proof(Duration),
}

/// The line of a process whose handle keeps rows near.
pub struct Wired {
    listener: Arc<dyn Listener>,
    news: VecDeque<News>,
    is_joined: bool,
    has_joined: bool,
    /// From which state on a key must be served: what the process has written, and what it has read.
    pub floors: HashMap<Key, usize>,
}

/// The lines of a schedule, if rows are kept near.
#[derive(Default)]
pub struct Lines {
    lines: Vec<Wired>,
    mutation: Option<Mutation>,
}

impl Lines {
    /// The lines of processes, all of them up and proven.
    #[must_use]
    pub fn of(listeners: Vec<Arc<dyn Listener>>, mutation: Option<Mutation>, now: Duration) -> Self {
        let wired = |listener: Arc<dyn Listener>| Wired {
            listener,
            news: VecDeque::new(),
            is_joined: false,
            has_joined: false,
            floors: HashMap::new(),
        };
        let mut lines = Self { lines: listeners.into_iter().map(wired).collect(), mutation };
        for process in 0..lines.lines.len() {
            lines.join(process);
            lines.prove(process, now);
        }
        lines
    }

    /// Whether rows are kept near.
    #[must_use]
    pub fn are_there(&self) -> bool {
        !self.lines.is_empty()
    }

    /// From which state on each key must be served to a process.
    #[must_use]
    pub fn floors(&self, process: usize) -> HashMap<Key, usize> {
        self.lines.get(process).map(|line| line.floors.clone()).unwrap_or_default()
    }

    /// From now on a process must not be served a key as it was before that state.
    pub fn raise(&mut self, process: usize, key: Key, state: usize) {
        if let Some(line) = self.lines.get_mut(process) {
            let floor = line.floors.entry(key).or_default();
            *floor = state.max(*floor);
        }
    }

    /// A process is no more; what takes its place knows nothing.
    pub fn killed(&mut self, process: usize) {
        if let Some(line) = self.lines.get_mut(process) {
            // Whatever rule is taken out: there is no copy left.
            line.listener.lost();
            line.news.clear();
            line.floors.clear();
            (line.is_joined, line.has_joined) = (false, false);
        }
    }

    /// Every line is lost.
    pub fn lost(&mut self) {
        (0..self.lines.len()).for_each(|process| {
            self.lose(process);
        });
    }

    fn lose(&mut self, process: usize) -> bool {
        let line = &mut self.lines[process];
        line.news.clear();
        if std::mem::take(&mut line.is_joined) && self.mutation != Some(Mutation::KeepsNearWhenLost) {
            line.listener.lost();
        }
        true
    }

    fn join(&mut self, process: usize) {
        let line = &mut self.lines[process];
        line.is_joined = true;
        if !std::mem::replace(&mut line.has_joined, true) || self.mutation != Some(Mutation::KeepsNearWhenLost) {
            line.listener.joined(None);
        }
    }

    fn prove(&self, process: usize, sent: Duration) {
        let is_endless = self.mutation == Some(Mutation::ServesNearUnproven);
        self.lines[process].listener.proven(if is_endless { Duration::MAX } else { sent }, None);
    }

    fn publish(&mut self, keys: &[Vec<u8>]) {
        for line in self.lines.iter_mut().filter(|line| line.is_joined) {
            line.news.push_back(News::Dropped(keys.to_vec()));
        }
    }

    fn has_open_question(&self, process: usize) -> bool {
        self.lines[process].news.iter().any(|news| matches!(news, News::Proof(_)))
    }
}

impl Show {
    /// What happens on lines before the next step.
    pub fn tell(&mut self) {
        if !self.act.lines.are_there() {
            return;
        }
        self.tools.time.advance(STEP);
        for process in 0..N_PROCESSES {
            if !self.act.plan.processes.contains(&process) || self.act.random.u8(..100) >= self.act.plan.manner.tells {
                continue;
            }
            self.hear();
            let line = &self.act.lines.lines[process];
            if !line.is_joined {
                self.act.lines.join(process);
                self.act.note(LANE, |_| format!("process {process} is told of writes again"));
            } else if self.act.draws(Fault::LineLost) {
                self.act.lines.lose(process);
                self.act.note(LANE, |_| format!("the line of process {process} is lost"));
            } else if self.act.lines.has_open_question(process) || self.act.random.bool() {
                self.deliver(process);
            } else {
                let sent = self.tools.time.now();
                self.act.lines.lines[process].news.push_back(News::Proof(sent));
            }
        }
        if self.act.draws(Fault::TimePasses) {
            self.tools.time.advance(self.act.plan.horizon);
            self.act.note(LANE, |_| "time passes".to_owned());
        }
    }

    /// Hears what Redis has published since, and puts it on the lines that are up.
    fn hear(&mut self) {
        for keys in self.tools.ear.hear() {
            self.act.note(LANE, |_| format!("{} is announced", in_words(&keys)));
            self.act.lines.publish(&keys);
        }
    }

    /// Tells a process what comes next on its line.
    fn deliver(&mut self, process: usize) {
        let Some(news) = self.act.lines.lines[process].news.pop_front() else { return };
        match news {
            News::Proof(sent) => self.act.lines.prove(process, sent),
            News::Dropped(mut keys) => {
                if self.act.lines.mutation == Some(Mutation::KeepsNearUnclaimed) {
                    // As if it had come before the question was asked.
                    keys.retain(|key| !self.is_awaited(process, key));
                }
                self.act.note(LANE, |_| format!("process {process} hears of {}", in_words(&keys)));
                let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
                self.act.lines.lines[process].listener.dropped(&Announcement { keys: &keys, place: None });
                self.act.tally.told += 1;
            }
        }
    }

    /// Whether an actor of a process has the store's answer for a cell in hand, and has not done anything with it.
    fn is_awaited(&self, process: usize, key: &[u8]) -> bool {
        use larder::failpoints::Point::AfterRead;
        (0..N_ACTORS).filter(|&slot| self.act.process_of(slot) == process).any(|slot| {
            let slot = &self.act.slots[slot];
            slot.is_busy
                && slot.place == Some(Place::Point(AfterRead))
                && slot.last_read.iter().any(|cell| cell.as_bytes() == key)
        })
    }

    /// All that was published arrives, and every process has proof: what is served near after this must be what the database has.
    pub fn settle_lines(&mut self) {
        if !self.act.lines.are_there() {
            return;
        }
        self.hear();
        for process in 0..N_PROCESSES {
            if !self.act.lines.lines[process].is_joined {
                self.act.lines.join(process);
            }
            while !self.act.lines.lines[process].news.is_empty() {
                self.deliver(process);
            }
            self.act.lines.prove(process, self.tools.time.now());
        }
    }

    /// Redis is another one: all lines are lost.
    pub fn lose_lines(&mut self) {
        self.act.lines.lost();
        self.tools.ear.reconnect();
    }
}

fn in_words(keys: &[Vec<u8>]) -> String {
    keys.iter().map(|key| String::from_utf8_lossy(key)).collect::<Vec<_>>().join(", ")
}

/// Hears what is published in the namespace of a lane, in its order.
pub struct Ear {
    client: Client,
    channel: String,
    connection: Connection,
    told: Receiver<PushInfo>,
}

impl Ear {
    /// On the Redis of a URL.
    ///
    /// # Panics
    /// If it is not there.
    #[must_use]
    pub fn new(url: &str, namespace: &str) -> Self {
        let separator = if url.contains('?') { '&' } else { '?' };
        let client = Client::open(format!("{url}{separator}protocol=resp3")).expect("the URL of a server is one");
        let channel = format!("{namespace}#changed0");
        let (connection, told) = subscribe(&client, &channel);
        Self { client, channel, connection, told }
    }

    /// Connects again, to a server that was started again.
    pub fn reconnect(&mut self) {
        (self.connection, self.told) = subscribe(&self.client, &self.channel);
    }

    /// Forgets what was published until now and not heard.
    pub fn forget(&mut self) {
        self.hear();
    }

    /// The keys of each message that was published until now and not heard.
    fn hear(&mut self) -> Vec<Vec<Vec<u8>>> {
        // Its answer comes after all that was published before it.
        redis::cmd("PING").exec(&mut self.connection).expect("redis takes orders");
        self.told.try_iter().filter(|info| info.kind == PushKind::Message).map(|info| keys(&info.data)).collect()
    }
}

fn subscribe(client: &Client, channel: &str) -> (Connection, Receiver<PushInfo>) {
    let mut connection = client.get_connection().expect("redis is there");
    let (sender, told) = mpsc::channel();
    connection.set_push_sender(sender);
    redis::cmd("SUBSCRIBE").arg(channel).set_no_response(true).exec(&mut connection).expect("redis takes orders");
    redis::cmd("PING").exec(&mut connection).expect("redis takes orders");
    (connection, told)
}

/// The keys in a message, as `scripts/message.lua` writes them.
fn keys(data: &[Value]) -> Vec<Vec<u8>> {
    let Some(Value::BulkString(text)) = data.last() else { panic!("a message has a text: {data:?}") };
    let head = match text.first() {
        Some(b'D') => 1,
        Some(b'B') => 1 + 16 + 16,
        Some(b'A') => 1 + 16 + 16 + 16 + 16,
        _ => panic!("a message of an unknown kind: {data:?}"),
    };
    let (mut rest, mut keys) = (&text[head..], Vec::new());
    while let Some((size, after)) = rest.split_first_chunk::<8>() {
        let size = str::from_utf8(size).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let (key, after) = after.split_at(size.expect("before each key stands its size"));
        keys.push(key.to_vec());
        rest = after;
    }
    keys
}

/// Takes down who listens, in place of a line: the end of a [`Wire`](crate::wire::Wire).
#[derive(Default)]
pub struct Switchboard(Mutex<[Option<Arc<dyn Listener>>; N_PROCESSES]>);

struct Plug;

impl Line for Plug {}

impl Switchboard {
    /// That one listens for a process from now on.
    pub fn plug(&self, process: usize, listener: Arc<dyn Listener>) -> Subscription {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[process] = Some(listener);
        Subscription::new(Plug)
    }

    /// Who listens, if somebody does for each process.
    #[must_use]
    pub fn take(&self) -> Option<Vec<Arc<dyn Listener>>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}

/// The time that near caches go by.
pub type Time = ManualClock;
