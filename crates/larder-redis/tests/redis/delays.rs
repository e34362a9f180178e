//! How long it takes until holders of copies have dropped them: printed, and not judged.
//!
//! `LARDER_DELAYS=5000 cargo test --release -p larder-redis --test redis -- --nocapture delays::` is what the documents quote.

#![allow(clippy::print_stdout, reason = "figures are printed")]

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use larder::store::{Announcement, Listener, Nonce, Position, Recall, Store};
use larder_redis::RedisStore;

use crate::{
    cells::{LONG, key},
    eventually::eventually,
    recorder::every_10_ms,
    server::Server,
};

fn n_rounds() -> usize {
    std::env::var("LARDER_DELAYS").ok().and_then(|n| n.parse().ok()).unwrap_or(100)
}

/// Says when it was told of something.
struct Ear {
    start: Instant,
    dropped: mpsc::SyncSender<Instant>,
    proven: mpsc::SyncSender<bool>,
}

impl Listener for Ear {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn joined(&self, _: Option<Position>) {}

    fn dropped(&self, _: &Announcement<'_>) {
        // Who does not look, does not care.
        let _ = self.dropped.try_send(Instant::now());
    }

    fn proven(&self, _: Duration, strict_for: Option<Duration>) {
        let _ = self.proven.try_send(strict_for.is_some());
    }

    fn lost(&self) {}
}

/// Lets somebody listen: when it is told comes out at the other end.
fn listen(store: &RedisStore, is_strict: bool) -> (mpsc::Receiver<Instant>, larder::store::Subscription) {
    let (dropped, told) = mpsc::sync_channel(16);
    let (proven, proofs) = mpsc::sync_channel(1);
    let ear = Ear { start: Instant::now(), dropped, proven };
    let subscription = store.listen(Arc::new(ear), every_10_ms(is_strict)).unwrap();
    while proofs.recv().unwrap() != is_strict {}
    (told, subscription)
}

fn print(what: &str, mut times: Vec<Duration>) -> [Duration; 2] {
    times.sort_unstable();
    let [p50, p99] = [50, 99].map(|share| times[(times.len() * share / 100).min(times.len() - 1)]);
    println!("{what}: p50 {p50:?}, p99 {p99:?}");
    [p50, p99]
}

/// How many of a hundred are below each doubling of 8 µs, and not below the one before.
fn histogram(times: &[Duration]) -> Vec<f64> {
    let mut shares = vec![0.0; 12];
    for time in times {
        let doublings = (time.as_micros() / 8).checked_ilog2().map_or(0, |doublings| doublings as usize + 1);
        shares[doublings.min(11)] += 100.0 / times.len() as f64;
    }
    shares
}

#[test]
fn an_announcement_beside_a_bare_message() {
    let server = Server::private(&[]);
    let store = || server.builder().namespace("n:").build().unwrap();
    let (reader, writer) = (store(), store());
    let (told, _subscription) = listen(&reader, false);
    let (heard, bare) = mpsc::sync_channel(16);
    let mut subscriber = server.raw();
    let (ready, is_ready) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut channel = subscriber.as_pubsub();
        channel.subscribe("bare").unwrap();
        ready.send(()).unwrap();
        while channel.get_message().is_ok_and(|_| heard.send(Instant::now()).is_ok()) {}
    });
    is_ready.recv().unwrap();
    let mut publisher = server.raw();
    let mut times = [const { Vec::new() }; 4];
    let cell = key("users:id:7");
    for _ in 0..n_rounds() {
        let start = Instant::now();
        redis::cmd("PUBLISH").arg("bare").arg("users:id:7").exec(&mut publisher).unwrap();
        let end = Instant::now();
        let at = bare.recv().unwrap();
        times[0].push(at - start);
        times[1].push(at.saturating_duration_since(end));

        let start = Instant::now();
        let nonce = Nonce::fresh();
        writer.begin(nonce, &[&cell], LONG, Recall::Announced).unwrap();
        let end = Instant::now();
        let at = told.recv().unwrap();
        times[2].push(at - start);
        times[3].push(at.saturating_duration_since(end));
        writer.finish(nonce, &[(&cell, larder::store::Ending::Emptied)]).unwrap();
    }
    let [bare, bare_after, ours, ours_after] = times;
    println!("| below | bare message, % | from begin to the drop elsewhere, % | from the return of begin, % |");
    let shares = [&bare, &ours, &ours_after].map(|times| histogram(times));
    for (at, bare) in shares[0].iter().enumerate() {
        println!("| {} µs | {bare:.1} | {:.1} | {:.1} |", 8_u64 << at, shares[1][at], shares[2][at]);
    }
    let bare = print("a bare message, from sending it to having it", bare);
    print("  from the return of PUBLISH", bare_after);
    let ours = print("a write, from its begin to the drop elsewhere", ours);
    print("  from the return of begin", ours_after);
    for (share, (ours, bare)) in ["p50", "p99"].iter().zip(ours.iter().zip(bare)) {
        println!("{share}: {:.2} times as long", ours.as_secs_f64() / bare.as_secs_f64());
    }
}

#[test]
fn a_recall_beside_an_announcement() {
    let server = Server::private(&[]);
    let store = || server.builder().namespace("n:").build().unwrap();
    let (reader, writer) = (store(), store());
    let mut listening = Vec::new();
    for n_holders in [1, 10, 100] {
        listening.resize_with(n_holders, || listen(&reader, true));
        let write = |recall| {
            let start = Instant::now();
            writer.begin(Nonce::fresh(), &[&key("a")], Duration::from_millis(1), recall).unwrap();
            start.elapsed()
        };
        eventually("holders are asked", || write(Recall::Acknowledged) < Duration::from_millis(300));
        let (mut announced, mut recalled) = (Vec::new(), Vec::new());
        for _ in 0..n_rounds() {
            announced.push(write(Recall::Announced));
            recalled.push(write(Recall::Acknowledged));
        }
        print(&format!("{n_holders} holders, a write that is announced"), announced);
        print(&format!("{n_holders} holders, one that waits for them"), recalled);
    }
}
