//! Streams on a real server.

mod crashes;
mod lost;
mod redelivered;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use larder_redis::{
    RedisStore,
    streams::{Begin, Consumer, Delivery, SendError, Stream, StreamBacklog, StreamOptions, Work},
};
use serde::Serialize;

use crate::{
    eventually::eventually,
    server::{Server, namespace},
};

/// Only a failing test waits so long.
const LONG: Duration = Duration::from_secs(30);

/// A stream of its own.
struct Site {
    server: Arc<Server>,
    namespace: String,
}

impl Site {
    fn new() -> Self {
        Self { server: Server::shared(), namespace: namespace() }
    }

    fn store(&self) -> RedisStore {
        self.server.patient().namespace(&self.namespace).build().unwrap()
    }

    fn stream(&self, options: StreamOptions) -> Stream<u64> {
        self.store().stream("test", options)
    }
}

fn delivered(work: Option<Work<u64>>) -> Delivery<u64> {
    match work {
        Some(Work::Delivery(delivery)) => delivery,
        other => panic!("{other:?} is no message"),
    }
}

fn next(consumer: &mut Consumer<u64>) -> Delivery<u64> {
    delivered(consumer.next(LONG).unwrap())
}

/// All that is new to a consumer, acknowledged.
fn all_new(consumer: &mut Consumer<u64>) -> Vec<u64> {
    let mut messages = Vec::new();
    while let Some(work) = consumer.next(Duration::ZERO).unwrap() {
        let delivery = delivered(Some(work));
        assert!(delivery.ack().unwrap());
        messages.push(delivery.message);
    }
    messages
}

fn stands(stream: &Stream<u64>, group: &str) -> (u64, u64, u64, u64) {
    let StreamBacklog { n_new, n_pending, n_lost, n_dead, .. } = stream.backlog(group).unwrap();
    (n_new, n_pending, n_lost, n_dead)
}

#[test]
fn every_group_has_each_message_once_and_in_order() {
    let site = Site::new();
    let stream = site.stream(StreamOptions::default());
    assert_eq!(stream.send_all(&[]).unwrap(), 0);
    assert_eq!(stream.send(&10).unwrap(), 1);
    assert_eq!(stream.send_all(&[20, 30, 40]).unwrap(), 4);
    for options in [StreamOptions::default(), StreamOptions::default().batch(3)] {
        let group = format!("{:?}", options);
        let mut consumer = site.stream(options).consumer(&group, "one");
        assert_eq!(stands(&stream, &group), (4, 0, 0, 0));
        for (number, message) in [(1, 10), (2, 20), (3, 30), (4, 40)] {
            let delivery = next(&mut consumer);
            assert_eq!((delivery.number, delivery.message, delivery.n_deliveries), (number, message, 1));
            assert!(delivery.ack().unwrap());
            assert!(!delivery.ack().unwrap(), "it was said before");
        }
        assert!(consumer.next(Duration::ZERO).unwrap().is_none());
        assert_eq!(stands(&stream, &group), (0, 0, 0, 0));
    }
}

#[test]
fn consumers_of_a_group_share_what_comes_and_each_that_waits_is_woken() {
    const N_CONSUMERS: usize = 4;
    const N_MESSAGES: u64 = 400;
    let site = Site::new();
    let taken: Vec<Vec<u64>> = thread::scope(|scope| {
        let consumers: Vec<_> = (0..N_CONSUMERS)
            .map(|n| {
                // A store of its own, as of another process.
                let mut consumer = site.stream(StreamOptions::default()).consumer("group", &n.to_string());
                let stop = consumer.stop();
                let working = scope.spawn(move || {
                    let mut numbers = Vec::new();
                    while let Some(work) = consumer.next(LONG).unwrap() {
                        let delivery = delivered(Some(work));
                        assert!(delivery.ack().unwrap());
                        numbers.push(delivery.number);
                    }
                    numbers
                });
                (stop, working)
            })
            .collect();
        let stream = site.stream(StreamOptions::default());
        (0..N_MESSAGES).for_each(|n| assert_eq!(stream.send(&n).unwrap(), n + 1));
        eventually("all is done", || stands(&stream, "group") == (0, 0, 0, 0));
        consumers.iter().for_each(|(stop, _)| stop.stop());
        consumers.into_iter().map(|(_, working)| working.join().unwrap()).collect()
    });
    assert!(taken.iter().all(|numbers| numbers.is_sorted()), "each gets them in their order");
    let mut all: Vec<u64> = taken.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (1..=N_MESSAGES).collect::<Vec<_>>());
}

#[test]
fn a_group_begins_where_it_is_told_to() {
    let site = Site::new();
    let [oldest, newest] = [Begin::Oldest, Begin::Next].map(|begin| site.stream(StreamOptions::default().begin(begin)));
    oldest.send_all(&[1, 2]).unwrap();
    let (mut all, mut new) = (oldest.consumer("all", "one"), newest.consumer("new", "one"));
    assert!(new.next(Duration::ZERO).unwrap().is_none());
    oldest.send(&3).unwrap();
    assert_eq!((all_new(&mut all), all_new(&mut new)), (vec![1, 2, 3], vec![3]));
    assert_eq!((stands(&oldest, "all"), stands(&newest, "new")), ((0, 0, 0, 0), (0, 0, 0, 0)));
}

#[test]
fn a_wait_ends_with_its_time_or_when_it_is_stopped() {
    let server = Server::private(&[]);
    let mut consumer = server.store().stream("test", StreamOptions::default()).consumer("group", "one");
    assert!(consumer.next(Duration::from_millis(30)).unwrap().is_none());
    let stop = consumer.stop();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let nothing: Option<Work<u64>> = consumer.next(LONG).unwrap();
            (nothing.is_none(), consumer)
        });
        eventually("it waits", || server.n_blocked() == 1);
        let stopped = Instant::now();
        stop.stop();
        let (is_over, mut consumer) = waiting.join().unwrap();
        assert!(is_over && consumer.next(LONG).unwrap().is_none());
        // The server was asked to wait for longer.
        assert!(stopped.elapsed() < Duration::from_secs(3), "{:?}", stopped.elapsed());
    });
}

#[test]
fn streams_are_those_of_a_name_and_a_namespace_and_no_cells() {
    use larder::store::{Cursor, Store as _};
    let server = Server::private(&[]);
    let store = server.patient().namespace("n:").build().unwrap();
    let stream = |name| store.stream::<u64>(name, StreamOptions::default());
    stream("a").send(&1).unwrap();
    assert_eq!(all_new(&mut stream("a").consumer("group", "one")), [1]);
    for other in [stream("b"), server.store().stream("a", StreamOptions::default())] {
        assert_eq!(other.send_all(&[]).unwrap(), 0);
    }
    let keys = server.keys("n:");
    assert!(keys.iter().all(|key| key.starts_with("n:#streams:{:")), "{keys:?}");
    assert_eq!(store.scan(b"", Cursor::START).unwrap().keys, []);
}

#[test]
fn what_can_not_be_written_is_not_sent_and_none_of_what_goes_with_it() {
    /// Its `Serialize` refuses, if it is told to.
    struct Perhaps(bool);
    impl Serialize for Perhaps {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if self.0 { serializer.serialize_u64(1) } else { Err(serde::ser::Error::custom("not today")) }
        }
    }
    let site = Site::new();
    let stream = site.store().stream::<Perhaps>("test", StreamOptions::default());
    assert!(matches!(stream.send_all(&[Perhaps(true), Perhaps(false)]), Err(SendError::Unwritable { .. })));
    assert_eq!(stream.send(&Perhaps(true)).unwrap(), 1);
}

#[test]
fn a_server_that_may_evict_the_stream_takes_nothing() {
    for (policy, takes) in [("allkeys-lru", false), ("volatile-lru", true), ("noeviction", true)] {
        let server = Server::private(&[("maxmemory", "50mb"), ("maxmemory-policy", policy)]);
        let sent = server.store().stream::<u64>("test", StreamOptions::default()).send(&1);
        assert_eq!(sent.is_ok(), takes, "{policy}: {sent:?}");
    }
}

#[test]
fn the_permissions_that_are_documented_are_enough() {
    let server = Server::private(&[]);
    let rules = "~shop:* +hello +select +info +ping +client|setname +evalsha +script|load +incrby +get +hset +hmget +time \
                 +exists +xadd +xtrim +xlen +xrange +xread +xreadgroup +xgroup|create +xpending +xclaim +xack +xdel \
                 +xinfo|groups";
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("ada").arg("reset").arg("on").arg(">secret").arg("resetchannels");
    command.arg(rules.split(' ').filter(|rule| !rule.is_empty()).collect::<Vec<_>>()).exec(&mut server.raw()).unwrap();
    let url = format!("redis://ada:secret@127.0.0.1:{}", server.port());
    let store = RedisStore::builder(&url).namespace("shop:").build().unwrap();
    let soon = Duration::from_millis(1);
    let options = StreamOptions::default().redeliver_after(soon).max_deliveries(2).max_age(LONG);
    let stream = store.stream::<u64>("test", options);
    let mut consumer = stream.consumer("group", "one");
    assert!(consumer.next(Duration::from_millis(10)).unwrap().is_none());
    stream.send(&1).unwrap();
    assert_eq!((next(&mut consumer).n_deliveries, next(&mut consumer).n_deliveries), (1, 2));
    eventually("it is put aside", || {
        assert!(consumer.next(soon).unwrap().is_none());
        stream.backlog("group").unwrap().n_dead == 1
    });
    let letter = stream.dead_letters(1).unwrap().remove(0);
    assert!(stream.discard(&letter.id).unwrap());
    stream.send(&2).unwrap();
    assert!(next(&mut consumer).ack().unwrap());
    let denied: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query(&mut server.raw()).unwrap();
    assert_eq!(denied, []);
}
