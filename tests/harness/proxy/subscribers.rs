use std::time::Duration;

use super::{Proxy, Side, connection::Connection, state::LateNews};

/// Those connections of a proxy whose clients have subscribed to a channel; the others are left alone.
///
/// On one connection nothing overtakes anything: news is late together with the answers that come after it, and is lost together with
/// them.
#[derive(Debug)]
pub struct Subscribers<'p> {
    proxy: &'p Proxy,
    channel: Box<[u8]>,
}

impl<'p> Subscribers<'p> {
    pub(super) fn new(proxy: &'p Proxy, channel: &str) -> Self {
        Self { proxy, channel: channel.as_bytes().into() }
    }

    /// As [`Proxy::cut`].
    pub fn cut(&self, pick: impl FnMut() -> bool) -> usize {
        self.each(pick, Connection::cut)
    }

    /// As [`Proxy::half_close`].
    pub fn half_close(&self, side: Side, pick: impl FnMut() -> bool) -> usize {
        self.each(pick, |connection| connection.close_towards(side))
    }

    /// Loses all that the server says from now on to each that `pick` picks, which finds its connection silent: how many.
    pub fn deafen(&self, pick: impl FnMut() -> bool) -> usize {
        self.each(pick, Connection::deafen)
    }

    /// Lets each piece of what the server says wait for that time, one after the other: what came meanwhile is one piece.
    pub fn delay(&self, by: Duration) {
        let channel = self.channel.clone();
        self.proxy.state.change(|rules| rules.late_news = Some(LateNews { channel, by, n_pieces: 0 }));
    }

    /// Lets nothing wait from now on: how many pieces have waited since [`Subscribers::delay`].
    #[must_use]
    pub fn hurry(&self) -> usize {
        self.proxy.state.change(|rules| rules.late_news.take().map_or(0, |late| late.n_pieces))
    }

    fn each(&self, pick: impl FnMut() -> bool, end: impl FnMut(&Connection)) -> usize {
        self.proxy.each(pick, |connection| connection.has_subscribed_to(&self.channel), end)
    }
}
