use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// How PostgreSQL ends its answer when no transaction is open any more: "ready for query", idle.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// Stands on loopback between handles and a PostgreSQL, and passes on every byte until it is told to lose some.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    loses_commit: AtomicBool,
    is_closed: AtomicBool,
}

/// The two ends of a connection, as one direction of it needs them.
struct Way {
    from: TcpStream,
    to: TcpStream,
    state: Arc<State>,
    /// Whether the answer to what was sent last is to be lost.
    is_cut: Arc<AtomicBool>,
}

impl Proxy {
    /// A proxy before the server that a URL names by host and port.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn to(url: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let state = Arc::new(State::default());
        let (server, shared) = (address_of(url), Arc::clone(&state));
        thread::spawn(move || listen(&listener, &server, &shared));
        // What stands behind overrides what stands before. What is encrypted could not be read.
        let separator = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{separator}host=127.0.0.1&port={port}&sslmode=disable&gssencmode=disable");
        Self { url, port, state }
    }

    /// The URL by which to reach the server's database through the proxy.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets the next message that ends with COMMIT pass, waits until the server has answered it, and then cuts the connection: the
    /// client never gets the answer. Connections are as ever from then on.
    pub fn lose_the_answer_to_commit(&self) {
        self.state.loses_commit.store(true, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_closed.store(true, Ordering::SeqCst);
        // Wakes the listener, so that it sees that it is to end. Should that fail, its thread ends with the process.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn listen(listener: &TcpListener, server: &str, state: &Arc<State>) {
    while let Ok((client, _)) = listener.accept() {
        if state.is_closed.load(Ordering::SeqCst) {
            return;
        }
        // A client whose connection can't be passed on finds it closed.
        let _ = connect(client, server, state);
    }
}

fn connect(client: TcpStream, server: &str, state: &Arc<State>) -> std::io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let is_cut = Arc::new(AtomicBool::new(false));
    let way = |from: &TcpStream, to: &TcpStream| -> std::io::Result<Way> {
        Ok(Way { from: from.try_clone()?, to: to.try_clone()?, state: Arc::clone(state), is_cut: Arc::clone(&is_cut) })
    };
    let (there, back) = (way(&client, &server)?, way(&server, &client)?);
    thread::spawn(move || there.pass(Way::send));
    thread::spawn(move || back.pass(Way::answer));
    Ok(())
}

impl Way {
    /// Passes on what comes, until one side closes or `step` says that it is enough.
    fn pass(mut self, step: fn(&mut Self, &[u8]) -> bool) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = self.from.read(&mut buffer) {
            if !step(&mut self, &buffer[..n]) {
                break;
            }
        }
        // Whoever has closed his end already is not there to hear it.
        let _ = self.from.shutdown(Shutdown::Both);
        let _ = self.to.shutdown(Shutdown::Both);
    }

    /// One read is one message, if it is as small as COMMIT: libpq writes it at once.
    fn send(&mut self, bytes: &[u8]) -> bool {
        // The end of the text belongs to it: READ COMMITTED is none.
        let commits = bytes.windows(7).any(|window| window == b"COMMIT\0");
        if commits && self.state.loses_commit.swap(false, Ordering::SeqCst) {
            // Before the server can have got it, let alone answered.
            self.is_cut.store(true, Ordering::SeqCst);
        }
        self.to.write_all(bytes).is_ok()
    }

    fn answer(&mut self, bytes: &[u8]) -> bool {
        if self.is_cut.load(Ordering::SeqCst) {
            return !bytes.ends_with(READY);
        }
        self.to.write_all(bytes).is_ok()
    }
}

/// Host and port of a URL.
fn address_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { address.to_owned() } else { format!("{address}:5432") }
}

#[cfg(test)]
mod tests {
    use diesel::{Connection as _, PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};

    use super::*;
    use crate::EMPTY;

    #[test]
    fn a_url_names_a_host_and_a_port() {
        for (url, expected) in [
            ("postgres://u:p@host:5433/app?x=y", "host:5433"),
            ("postgres://host", "host:5432"),
            ("postgres://u@[::1]:5433/app", "[::1]:5433"),
            ("postgres://u@[::1]/app", "[::1]:5432"),
        ] {
            assert_eq!(address_of(url), expected);
        }
    }

    #[test]
    fn a_commit_whose_answer_is_lost_has_happened() {
        let database = EMPTY.database();
        let proxy = Proxy::to(database.url());
        let mut connection = PgConnection::establish(proxy.url()).unwrap();
        connection.batch_execute("CREATE TABLE t (x int); BEGIN; INSERT INTO t VALUES (7)").unwrap();
        proxy.lose_the_answer_to_commit();
        assert!(connection.batch_execute("COMMIT").is_err());
        assert!(connection.batch_execute("SELECT 1").is_err());
        let mut connection = PgConnection::establish(proxy.url()).unwrap();
        assert_eq!(sql_query("SELECT x FROM t").execute(&mut connection).unwrap(), 1);
        connection.batch_execute("BEGIN; COMMIT").unwrap();
    }
}
