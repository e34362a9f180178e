use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
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
}

/// Connects a client to the server, and passes on what they say until both are done.
pub(super) fn pass_on(client: TcpStream, state: &Arc<State>) -> io::Result<()> {
    let server = TcpStream::connect(state.change(|rules| rules.server.clone()))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let connection =
        Connection { client, server, is_closed: Default::default(), is_answer_lost: AtomicBool::new(false) };
    let connection = Arc::new(connection);
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

    /// Passes on what comes for one side.
    fn pass(&self, to: Side, state: &State) {
        let from = if to == Side::Client { Side::Server } else { Side::Client };
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.end(from).read(&mut buffer) {
                Ok(0) => return self.close_towards(to),
                Ok(n) => {
                    let bytes = &buffer[..n];
                    let wait = match to {
                        Side::Server => self.commit(bytes, state),
                        Side::Client => state.change(|rules| rules.answers_after),
                    };
                    state.detain(wait, || self.is_closed(to));
                    if self.is_closed(to) {
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

    /// What is to become of a message if it is a COMMIT: how long it is to wait.
    ///
    /// One read is one message, if it is as small as COMMIT: libpq writes it at once.
    fn commit(&self, bytes: &[u8], state: &State) -> Duration {
        // The end of the text belongs to it: READ COMMITTED is none.
        if !bytes.windows(7).any(|window| window == b"COMMIT\0") {
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
}
