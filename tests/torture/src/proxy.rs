//! A proxy before PostgreSQL that can hold a COMMIT up, for good or for a while.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

/// How PostgreSQL ends its answer when no transaction is open any more: "ready for query", idle.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// Only a schedule that is broken waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is to become of the next COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It is kept back, and the client's connection is cut.
    Hold,
    /// It is passed on; once it is answered, the client's connection is cut.
    LoseAnswer,
}

/// Stands on loopback between the handles of a process and PostgreSQL. A thread a connection and direction.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    order: Mutex<Option<Order>>,
    held: Mutex<Option<Held>>,
    is_closed: AtomicBool,
    leaves_open: AtomicBool,
}

/// A COMMIT on its way, whose sender is gone.
#[derive(Debug)]
pub struct Held {
    message: Vec<u8>,
    server: TcpStream,
    answered: Receiver<()>,
}

impl Held {
    /// Lets it arrive, and waits until it is answered: `false` if the server has ended the session before.
    #[must_use]
    pub fn deliver(mut self) -> bool {
        let is_answered = self.server.write_all(&self.message).is_ok() && self.answered.recv_timeout(PATIENCE).is_ok();
        self.lose();
        is_answered
    }

    /// Lets it never arrive: the session ends, and with it the transaction.
    pub fn lose(self) {
        // The server may have ended it by itself.
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Proxy {
    /// A proxy before a server, by host and port.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn before(server: String) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.is_closed.load(Ordering::SeqCst) {
                    return;
                }
                // A client whose connection can't be passed on finds it closed.
                let _ = connect(client, &server, &shared);
            }
        });
        Ok(Self { port, state })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Says what is to become of the next COMMIT.
    pub fn order(&self, order: Option<Order>) {
        *lock(&self.state.order) = order;
    }

    /// From now on no row is locked FOR SHARE.
    pub fn leave_open(&self) {
        self.state.leaves_open.store(true, Ordering::SeqCst);
    }

    /// The COMMIT that was held up.
    #[must_use]
    pub fn take(&self) -> Option<Held> {
        lock(&self.state.held).take()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_closed.store(true, Ordering::SeqCst);
        // Wakes the listener. Should that fail, its thread ends with the process.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(client: TcpStream, server: &str, state: &Arc<State>) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let cut = Arc::new(AtomicBool::new(false));
    let (answered, answers) = mpsc::channel();
    let back = Back { from: server.try_clone()?, to: client.try_clone()?, cut: Arc::clone(&cut), answered };
    let there = There { from: client, to: server, cut, answers, state: Arc::clone(state) };
    thread::spawn(move || there.pass());
    thread::spawn(move || back.pass());
    Ok(())
}

/// From the client to the server.
struct There {
    from: TcpStream,
    to: TcpStream,
    cut: Arc<AtomicBool>,
    answers: Receiver<()>,
    state: Arc<State>,
}

impl There {
    fn pass(mut self) {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(n @ 1..) = self.from.read(&mut buffer) {
            if self.state.leaves_open.load(Ordering::SeqCst) {
                blank(&mut buffer[..n], b" FOR SHARE");
            }
            let bytes = &buffer[..n];
            // libpq writes so small a message at once. The end of the text belongs to it: READ COMMITTED is none.
            let commits = bytes.windows(7).any(|window| window == b"COMMIT\0");
            match commits.then(|| lock(&self.state.order).take()).flatten() {
                None => {
                    if self.to.write_all(bytes).is_err() {
                        break;
                    }
                }
                Some(Order::Hold) => {
                    self.cut.store(true, Ordering::SeqCst);
                    let held = Held { message: bytes.to_vec(), server: self.to, answered: self.answers };
                    *lock(&self.state.held) = Some(held);
                    let _ = self.from.shutdown(Shutdown::Both);
                    return;
                }
                Some(Order::LoseAnswer) => {
                    // Before the server can have got it, let alone answered.
                    self.cut.store(true, Ordering::SeqCst);
                    if self.to.write_all(bytes).is_ok() {
                        let _ = self.answers.recv_timeout(PATIENCE);
                    }
                    break;
                }
            }
        }
        // Whoever has closed his end already is not there to hear it.
        let _ = self.from.shutdown(Shutdown::Both);
        let _ = self.to.shutdown(Shutdown::Both);
    }
}

/// Takes words out of a message, which stays as long as it is.
fn blank(message: &mut [u8], words: &[u8]) {
    while let Some(at) = message.windows(words.len()).position(|window| window == words) {
        message[at..at + words.len()].fill(b' ');
    }
}

/// From the server to the client.
struct Back {
    from: TcpStream,
    to: TcpStream,
    cut: Arc<AtomicBool>,
    answered: Sender<()>,
}

impl Back {
    fn pass(mut self) {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(n @ 1..) = self.from.read(&mut buffer) {
            if self.cut.load(Ordering::SeqCst) {
                if buffer[..n].ends_with(READY) {
                    // Nobody may be waiting for it.
                    let _ = self.answered.send(());
                }
            } else if self.to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = self.to.shutdown(Shutdown::Both);
        let _ = self.from.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use ::tests::{Database, EMPTY, eventually};
    use diesel::{Connection as _, PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};

    use super::*;

    /// A connection through a proxy, in a transaction that has inserted a row, and one past it.
    fn open(database: &Database) -> (Proxy, PgConnection, PgConnection) {
        let proxy = Proxy::before(crate::lane::address_of(database.url())).unwrap();
        let mut connection = PgConnection::establish(&crate::lane::through(database.url(), proxy.port())).unwrap();
        let mut eyes = database.connect();
        eyes.batch_execute("CREATE TABLE t (x int)").unwrap();
        connection.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED; INSERT INTO t VALUES (7)").unwrap();
        (proxy, connection, eyes)
    }

    fn n_rows(eyes: &mut PgConnection) -> usize {
        sql_query("SELECT x FROM t").execute(eyes).unwrap()
    }

    #[test]
    fn a_commit_that_is_held_arrives_when_it_is_let_go() {
        let database = EMPTY.database();
        let (proxy, mut connection, mut eyes) = open(&database);
        proxy.order(Some(Order::Hold));
        assert!(connection.batch_execute("COMMIT").is_err());
        assert_eq!(n_rows(&mut eyes), 0);
        assert!(proxy.take().unwrap().deliver());
        assert_eq!(n_rows(&mut eyes), 1);
        assert!(proxy.take().is_none());
    }

    #[test]
    fn a_commit_that_is_lost_is_rolled_back() {
        let database = EMPTY.database();
        let (proxy, mut connection, mut eyes) = open(&database);
        proxy.order(Some(Order::Hold));
        assert!(connection.batch_execute("COMMIT").is_err());
        proxy.take().unwrap().lose();
        // Its lock is gone when the server has heard of it.
        eventually(Duration::from_secs(20), || {
            let is_free = eyes.batch_execute("BEGIN; LOCK TABLE t NOWAIT").is_ok();
            eyes.batch_execute("ROLLBACK").unwrap();
            is_free
        });
        assert_eq!(n_rows(&mut eyes), 0);
    }

    #[test]
    fn a_commit_whose_answer_is_lost_has_happened() {
        let database = EMPTY.database();
        let (proxy, mut connection, mut eyes) = open(&database);
        proxy.order(Some(Order::LoseAnswer));
        assert!(connection.batch_execute("COMMIT").is_err());
        assert_eq!(n_rows(&mut eyes), 1);
    }
}
