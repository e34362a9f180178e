//! Whatever is killed, what was sent is worked on.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use larder_redis::{
    RedisStore,
    streams::{StreamOptions, Work},
};

use super::{LONG, Site, delivered, next, stands};
use crate::{eventually::eventually, server::Server};

fn soon() -> StreamOptions {
    StreamOptions::default().redeliver_after(Duration::from_millis(100)).max_deliveries(1_000)
}

const URL: &str = "LARDER_STREAM_URL";
const NAMESPACE: &str = "LARDER_STREAM_NAMESPACE";

#[test]
fn what_a_process_holds_that_is_killed_another_one_gets() {
    if let (Ok(url), Ok(namespace)) = (env::var(URL), env::var(NAMESPACE)) {
        let store = RedisStore::builder(&url).namespace(namespace).build().unwrap();
        let held = next(&mut store.stream("test", soon()).consumer("group", "dead"));
        // Its parent kills it once this has come.
        eprintln!("holds {}", held.message);
        eventually("it is killed", || false);
    }
    let site = Site::new();
    let stream = site.stream(soon());
    stream.send_all(&[7, 8]).unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    let name = "streams::crashes::what_a_process_holds_that_is_killed_another_one_gets";
    command.args(["--exact", name, "--nocapture"]).env(URL, site.server.url()).env(NAMESPACE, &site.namespace);
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "holds 7"));
    process.kill().unwrap();
    process.wait().unwrap();
    let mut consumer = stream.consumer("group", "alive");
    let mut got: Vec<_> = (0..2).map(|_| next(&mut consumer)).map(|got| (got.message, got.n_deliveries)).collect();
    got.sort_unstable();
    assert_eq!(got, [(7, 2), (8, 1)]);
}

/// Tells threads that it is over, also when the test has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn all_that_was_acknowledged_is_worked_on_though_the_server_is_killed_again_and_again() {
    const N_KILLS: usize = 4;
    let mut server = Server::private(&[("appendonly", "yes"), ("appendfsync", "always")]);
    let store = || server.builder().namespace("n:").io_timeout(Duration::from_secs(2)).build().unwrap();
    let (sender, workers) = (store().stream::<u64>("test", soon()), [store(), store()]);
    let (is_over, sent, done) = (AtomicBool::new(false), Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
    thread::scope(|scope| {
        let over = Over(&is_over);
        scope.spawn(|| {
            for message in 0.. {
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
                if sender.send(&message).is_ok() {
                    sent.lock().unwrap().insert(message);
                }
            }
        });
        for (n, store) in workers.iter().enumerate() {
            let mut consumer = store.stream::<u64>("test", soon()).consumer("group", &n.to_string());
            let (is_over, done, sent) = (&is_over, &done, &sent);
            scope.spawn(move || {
                let is_done =
                    || is_over.load(Ordering::SeqCst) && sent.lock().unwrap().is_subset(&done.lock().unwrap());
                let start = Instant::now();
                while !is_done() {
                    assert!(start.elapsed() < 2 * LONG, "not all is done");
                    match consumer.next(Duration::from_millis(200)) {
                        Ok(Some(Work::Delivery(delivery))) => {
                            done.lock().unwrap().insert(delivery.message);
                            // If that fails, it comes again.
                            let _ = delivery.ack();
                        }
                        Ok(Some(other)) => panic!("{other:?}"),
                        Ok(None) | Err(_) => {}
                    }
                }
            });
        }
        for _ in 0..N_KILLS {
            let n_before = done.lock().unwrap().len();
            eventually("some more are done", || done.lock().unwrap().len() >= n_before + 20);
            server.kill();
            server.restart();
        }
        drop(over);
    });
    assert!(sent.lock().unwrap().len() >= 20 * N_KILLS);
}

#[test]
fn a_consumer_whose_connections_are_ended_goes_on_waiting() {
    let server = Server::private(&[]);
    let stream = server.store().stream::<u64>("test", StreamOptions::default());
    let mut consumer = stream.consumer("group", "one");
    thread::scope(|scope| {
        let waiting = scope.spawn(move || delivered(consumer.next(LONG).unwrap()).message);
        for _ in 0..3 {
            eventually("it waits", || server.n_blocked() == 1);
            server.end_connections();
        }
        eventually("it waits", || server.n_blocked() == 1);
        eventually("the sender has a connection again", || stream.send(&7).is_ok());
        assert_eq!(waiting.join().unwrap(), 7);
    });
}

#[test]
fn a_server_that_stands_still_is_an_error_when_the_time_is_over_and_no_loss() {
    let server = Server::private(&[]);
    let stream = server.builder().io_timeout(Duration::from_millis(50)).build().unwrap();
    let stream = stream.stream::<u64>("test", soon());
    let mut consumer = stream.consumer("group", "one");
    stream.send(&1).unwrap();
    let frozen = server.freeze();
    let start = Instant::now();
    assert!(consumer.next(Duration::from_millis(300)).is_err());
    assert!(start.elapsed() >= Duration::from_millis(300), "it has not tried again");
    drop(frozen);
    // It may have been given out to nobody meanwhile.
    let got = next(&mut consumer);
    assert_eq!(got.message, 1);
    assert!(got.ack().unwrap());
    assert_eq!(stands(&stream, "group"), (0, 0, 0, 0));
}

#[test]
fn a_server_that_has_forgotten_everything_begins_anew() {
    let mut server = Server::private(&[]);
    let stream = server.store().stream::<u64>("test", StreamOptions::default());
    let mut consumer = stream.consumer("group", "one");
    stream.send_all(&[1, 2]).unwrap();
    next(&mut consumer).ack().unwrap();
    server.kill();
    server.restart();
    eventually("the server is back", || stream.send(&3).is_ok());
    let got = next(&mut consumer);
    assert_eq!((got.message, got.number), (3, 1));
}
