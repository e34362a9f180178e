mod connection;
mod place;
mod state;
mod subscribers;

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

pub use self::{connection::Side, subscribers::Subscribers};
use self::{
    connection::{Connection, pass_on},
    place::Place,
    state::State,
};

/// Stands on loopback between handles and a PostgreSQL or Redis, and passes on every byte until it is told to do otherwise.
///
/// Dropped, it takes no connections any more; those that are there stay until one end closes.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    port: u16,
    state: Arc<State>,
}

impl Proxy {
    /// A proxy before the server that a URL names by host and port: `postgres://..` or `redis://..`.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn to(url: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let place = Place::of(url);
        let state = Arc::new(State::new(place.address()));
        let shared = Arc::clone(&state);
        thread::spawn(move || listen(&listener, &shared));
        Self { url: place.url_through(port), port, state }
    }

    /// The URL by which to reach the server through the proxy.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port of this machine that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Leads connections that are made from now on to the server of another URL. Those that are there stay: see [`Proxy::cut`].
    pub fn lead_to(&self, url: &str) {
        self.state.change(|rules| rules.server = Place::of(url).address());
    }

    /// Lets each piece of what is sent, either way, wait for a random time of `at_most` that long. Zero for none.
    pub fn delay(&self, at_most: Duration) {
        self.state.change(|rules| rules.delay = at_most);
    }

    /// Lets each piece of what the server sends wait for that time: as slow as a server that takes so long for each call. Zero for none.
    pub fn answer_after(&self, time: Duration) {
        self.state.change(|rules| rules.answers_after = time);
    }

    /// Passes on nothing from now on, either way, and forgets nothing of it.
    pub fn hold(&self) {
        self.state.change(|rules| rules.is_held = true);
    }

    /// Passes on again, and first of all what was held.
    pub fn release(&self) {
        self.state.change(|rules| rules.is_held = false);
    }

    /// Ends each connection that `pick` picks, with what is on its way: how many.
    pub fn cut(&self, pick: impl FnMut() -> bool) -> usize {
        self.each(pick, |_| true, Connection::cut)
    }

    /// Ends one direction of each connection that `pick` picks: how many.
    ///
    /// The given side is told that there is nothing to come, and what the other side sends is lost. What the given side sends still
    /// arrives, until one of them hangs up.
    pub fn half_close(&self, side: Side, pick: impl FnMut() -> bool) -> usize {
        self.each(pick, |_| true, |connection| connection.close_towards(side))
    }

    /// The connections whose clients have subscribed to a channel of Redis whose name has that in it, now and from now on.
    #[must_use]
    pub fn subscribers(&self, channel: &str) -> Subscribers<'_> {
        Subscribers::new(self, channel)
    }

    fn each(
        &self,
        mut pick: impl FnMut() -> bool,
        is_meant: impl Fn(&Connection) -> bool,
        mut end: impl FnMut(&Connection),
    ) -> usize {
        let mut picked = self.state.connections();
        picked.retain(|connection| is_meant(connection) && pick());
        picked.iter().for_each(|connection| end(connection));
        // Those that wait to pass something on have to see that they need not.
        self.state.change(|_| ());
        picked.len()
    }

    /// Lets the next message that ends with COMMIT pass, waits until the server has answered it, and then cuts the connection: the
    /// client never gets the answer. Connections are as ever from then on.
    pub fn lose_the_answer_to_commit(&self) {
        self.state.change(|rules| rules.loses_commit = true);
    }

    /// Passes on the next message that ends with COMMIT only after that time.
    pub fn hold_the_next_commit(&self, time: Duration) {
        self.state.change(|rules| rules.holds_commit = Some(time));
    }

    /// Whether there was no COMMIT to hold since [`Proxy::hold_the_next_commit`].
    #[must_use]
    pub fn awaits_a_commit(&self) -> bool {
        self.state.change(|rules| rules.holds_commit.is_some())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.change(|rules| rules.is_closed = true);
        // Wakes the listener, so that it sees that it is to end. Should that fail, its thread ends with the process.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn listen(listener: &TcpListener, state: &Arc<State>) {
    while let Ok((client, _)) = listener.accept() {
        if state.change(|rules| rules.is_closed) {
            return;
        }
        // A client whose connection can't be passed on finds it closed.
        let _ = pass_on(client, state);
    }
}

#[cfg(test)]
mod tests;
