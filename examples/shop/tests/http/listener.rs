//! Who listens at `/events`, as a browser does.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Shutdown, TcpStream},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tests::eventually;

use crate::{LONG, program::Shop};

/// One event of the stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) event: String,
    pub(crate) id: String,
    pub(crate) data: String,
    pub(crate) retry: String,
    /// Whether it was a comment, which says nothing.
    pub(crate) is_comment: bool,
}

impl Told {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

/// A connection on which events come.
pub(crate) struct Listener {
    pub(crate) status: u16,
    pub(crate) head: Vec<String>,
    connection: TcpStream,
    told: Receiver<Told>,
}

impl Listener {
    pub(crate) fn at(shop: &Shop, path: &str) -> Self {
        let mut connection = TcpStream::connect(shop.address()).unwrap();
        write!(connection, "GET {path} HTTP/1.1\r\nhost: shop\r\naccept: text/event-stream\r\n\r\n").unwrap();
        let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
        let head: Vec<String> = lines
            .by_ref()
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .map(|line| line.to_lowercase())
            .collect();
        let status = head[0].split(' ').nth(1).unwrap().parse().unwrap();
        let (tell, told) = channel();
        thread::spawn(move || {
            let mut next = Told::default();
            for line in lines.map_while(Result::ok) {
                // The lines of the chunks that it comes in have no colon.
                match line.split_once(':') {
                    Some(("event", name)) => next.event = name.trim().to_owned(),
                    Some(("id", id)) => next.id = id.trim().to_owned(),
                    Some(("data", data)) => next.data = data.trim().to_owned(),
                    Some(("retry", retry)) => next.retry = retry.trim().to_owned(),
                    Some(("", _)) => next.is_comment = true,
                    // Whoever listened has gone.
                    _ if line.is_empty()
                        && next != Told::default()
                        && tell.send(std::mem::take(&mut next)).is_err() =>
                    {
                        return;
                    }
                    _ => {}
                }
            }
        });
        Self { status, head, connection, told }
    }

    /// The next event, comments among them.
    pub(crate) fn next(&self) -> Told {
        self.told.recv_timeout(LONG).unwrap()
    }

    /// The next change of an order: what is told besides is passed over.
    pub(crate) fn change(&self) -> Told {
        self.first("change", |told| !told.id.is_empty())
    }

    /// The next change of this order, whatever comes before it.
    pub(crate) fn until(&self, order: &str) -> Told {
        self.first(order, |told| told.id.starts_with(order))
    }

    /// Waits until it is told of a gap, whatever comes before it.
    pub(crate) fn gap(&self) {
        let _ = self.first("gap", |told| told.event == "gap");
    }

    /// The next that is wanted, whatever comes before it.
    fn first(&self, wanted: &str, is_it: impl Fn(&Told) -> bool) -> Told {
        let until = Instant::now() + LONG;
        loop {
            let told = self.next();
            if is_it(&told) {
                return told;
            }
            assert!(Instant::now() < until, "no {wanted} was told");
        }
    }

    /// The next event, if it comes within that time.
    pub(crate) fn within(&self, time: Duration) -> Option<Told> {
        self.told.recv_timeout(time).ok()
    }

    /// Waits until the service has ended it.
    pub(crate) fn ended(&self) {
        eventually(LONG, || self.told.recv_timeout(LONG) == Err(RecvTimeoutError::Disconnected));
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Its thread hears of it by this. One that the service has ended can't be.
        let _ = self.connection.shutdown(Shutdown::Both);
    }
}
