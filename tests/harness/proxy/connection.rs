use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::state::State;

/// How PostgreSQL ends its answer when no transaction is open any more: "ready for query", idle.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who has connected.
    Client,
    /// Who is connected to.
    Server,
}

/// Two ends, and what may be said from one to the other.
#[derive(Debug)]
pub(super) struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// Whether nothing is told to the client, or the server, any more.
    is_closed: [AtomicBool; 2],
    /// Whether the answer to what was sent last is to be lost.
    is_answer_lost: AtomicBool,
    /// The request by which the client has first subscribed to something.
    subscribed: OnceLock<Box<[u8]>>,
    /// Whether the client is told nothing any more, and does not know it.
    is_deaf: AtomicBool,
}

/// Connects a client to the server, and passes on what they say until both are done.
pub(super) fn pass_on(client: TcpStream, state: &Arc<State>) -> io::Result<()> {
    let server = TcpStream::connect(state.change(|rules| rules.server.clone()))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let connection = Arc::new(Connection {
        client,
        server,
        is_closed: Default::default(),
        is_answer_lost: AtomicBool::new(false),
        subscribed: OnceLock::new(),
        is_deaf: AtomicBool::new(false),
    });
    state.add(&connection);
    for side in [Side::Client, Side::Server] {
        let (connection, state) = (Arc::clone(&connection), Arc::clone(state));
        thread::spawn(move || connection.pass(side, &state));
    }
    Ok(())
}

impl Connection {
    fn end(&self, side: Side) -> &TcpStream {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    fn is_closed(&self, towards: Side) -> bool {
        self.is_closed[towards as usize].load(Ordering::SeqCst)
    }

    /// Tells one side that there is nothing to come.
    pub(super) fn close_towards(&self, side: Side) {
        self.is_closed[side as usize].store(true, Ordering::SeqCst);
        // Who has hung up already is not there to hear it.
        let _ = self.end(side).shutdown(Shutdown::Write);
    }

    pub(super) fn cut(&self) {
        for side in [Side::Client, Side::Server] {
            self.close_towards(side);
            let _ = self.end(side).shutdown(Shutdown::Both);
        }
    }

    /// From now on the client is told nothing, while what it says still arrives.
    pub(super) fn deafen(&self) {
        self.is_deaf.store(true, Ordering::SeqCst);
    }

    /// Whether the client has subscribed to a channel whose name has that in it.
    pub(super) fn has_subscribed_to(&self, channel: &[u8]) -> bool {
        self.subscribed.get().is_some_and(|request| has(request, channel))
    }

    /// Passes on what comes for one side.
    fn pass(&self, to: Side, state: &State) {
        let from = if to == Side::Client { Side::Server } else { Side::Client };
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.end(from).read(&mut buffer) {
                Ok(0) => return self.close_towards(to),
                Ok(n) => {
                    let bytes = &buffer[..n];
                    let wait = if to == Side::Server { self.heed(bytes, state) } else { self.news(state) };
                    state.detain(wait, || self.is_closed(to));
                    if self.is_closed(to) || (to == Side::Client && self.is_deaf.load(Ordering::SeqCst)) {
                        // Read on: to whoever still talks it must look as if somebody listened.
                        continue;
                    }
                    if to == Side::Client && self.is_answer_lost.load(Ordering::SeqCst) {
                        if bytes.ends_with(READY) {
                            return self.cut();
                        }
                        continue;
                    }
                    if self.end(to).write_all(bytes).is_err() {
                        return self.cut();
                    }
                }
                Err(_) => return self.cut(),
            }
        }
    }

    /// What is to become of a message if it is a COMMIT: how long it is to wait. Takes down what is subscribed to.
    ///
    /// One read is one message, if it is as small as these: clients write them at once.
    fn heed(&self, bytes: &[u8], state: &State) -> Duration {
        if has(bytes, b"SUBSCRIBE") {
            self.subscribed.get_or_init(|| bytes.into());
        }
        // The end of the text belongs to it: READ COMMITTED is none.
        if !has(bytes, b"COMMIT\0") {
            return Duration::ZERO;
        }
        state.change(|rules| {
            if std::mem::take(&mut rules.loses_commit) {
                // Before the server can have got it, let alone answered.
                self.is_answer_lost.store(true, Ordering::SeqCst);
            }
            rules.holds_commit.take().unwrap_or_default()
        })
    }

    /// How long what comes for the client is to wait.
    fn news(&self, state: &State) -> Duration {
        state.change(|rules| match &mut rules.late_news {
            Some(late) if self.has_subscribed_to(&late.channel) => {
                late.n_pieces += 1;
                late.by.max(rules.answers_after)
            }
            _ => rules.answers_after,
        })
    }
}

fn has(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
