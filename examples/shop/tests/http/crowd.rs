//! Many clients at once, each on a connection of its own that it keeps.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    runtime::Builder,
};

/// How often each status was the answer.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<BTreeMap<u16, usize>>);

impl Tally {
    pub(crate) fn of(&self, status: u16) -> usize {
        self.0.lock().unwrap().get(&status).copied().unwrap_or(0)
    }

    /// How often it was none of these.
    pub(crate) fn others(&self, expected: &[u16]) -> usize {
        self.0.lock().unwrap().iter().filter(|(status, _)| !expected.contains(status)).map(|(_, n)| n).sum()
    }

    fn add(&self, status: u16) {
        *self.0.lock().unwrap().entry(status).or_default() += 1;
    }
}

/// Ends the others, however this ends.
pub(crate) struct Over<'o>(pub(crate) &'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Lets this process, and those that it starts from now on, have as many connections as they may: often they are given fewer.
pub(crate) fn allow_many_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// `n` clients, which all ask again as soon as they are answered, until it is over. Each asks for paths of its own.
pub(crate) fn crowd(address: &str, n: usize, path: impl Fn(usize) -> String, is_over: &AtomicBool, tally: &Tally) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clients = (0..n).map(|client| {
            let path = &path;
            async move {
                let mut connection = BufReader::new(TcpStream::connect(address).await.unwrap());
                for request in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    tally.add(ask(&mut connection, &path(client + request * n)).await);
                }
            }
        });
        futures_util::future::join_all(clients).await;
    });
}

/// Asks, and reads the answer to its end. This is a read: a 503 has to say when to come again.
async fn ask(connection: &mut BufReader<TcpStream>, path: &str) -> u16 {
    let request = format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes()).await.unwrap();
    let (mut status, mut length, mut says_when) = (0, 0, false);
    loop {
        let mut line = String::new();
        assert_ne!(connection.read_line(&mut line).await.unwrap(), 0, "it was hung up on");
        let line = line.trim_end().to_lowercase();
        match line.split_once(": ") {
            None if line.is_empty() => break,
            None => status = line.split(' ').nth(1).unwrap().parse().unwrap(),
            Some(("content-length", n)) => length = n.parse().unwrap(),
            Some(("retry-after", _)) => says_when = true,
            Some(_) => {}
        }
    }
    connection.read_exact(&mut vec![0; length]).await.unwrap();
    assert!(says_when || status != 503, "{path}");
    status
}
