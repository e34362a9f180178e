//! Topics on a real server.

mod gaps;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use larder_redis::{
    RedisStore,
    topics::{Event, SendError, Subscriber, Topic},
};
use serde::{Deserialize, Serialize};

use crate::{
    eventually::eventually,
    server::{Server, namespace},
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Paid {
    id: u64,
    note: String,
}

fn paid(id: u64) -> Paid {
    Paid { id, note: format!("\r\n{id}") }
}

/// Only a failing test waits so long.
const LONG: Duration = Duration::from_secs(30);

fn next(subscriber: &mut Subscriber<Paid>) -> Event<Paid> {
    subscriber.next(LONG).expect("something comes")
}

/// Somebody who is told from now on.
fn joined(topic: &Topic<Paid>) -> Subscriber<Paid> {
    let mut subscriber = topic.subscribe();
    assert!(matches!(next(&mut subscriber), Event::Gap));
    subscriber
}

fn message(subscriber: &mut Subscriber<Paid>) -> Paid {
    match next(subscriber) {
        Event::Message(message) => message,
        other => panic!("{other:?} is no message"),
    }
}

#[test]
fn everybody_who_listens_is_told_each_message_once_and_in_order() {
    let (server, namespace) = (Server::shared(), namespace());
    let topic = || server.patient().namespace(&namespace).build().unwrap().topic::<Paid>("paid");
    let (one, other) = (topic(), topic());
    assert_eq!(one.publish(&paid(0)).unwrap(), 0, "nobody listens yet");
    let mut subscribers = [joined(&one), joined(&other), joined(&other)];
    for id in 1..=100 {
        assert_eq!(one.publish(&paid(id)).unwrap(), 3);
    }
    for subscriber in &mut subscribers {
        let told: Vec<_> = (1..=100).map(|_| message(subscriber)).collect();
        assert_eq!(told, (1..=100).map(paid).collect::<Vec<_>>());
        assert!(subscriber.next(Duration::ZERO).is_none());
    }
}

#[test]
fn topics_are_those_of_a_name_a_namespace_and_a_database() {
    let server = Server::private(&[]);
    let store = |namespace: &str, database: u32| {
        let url = format!("{}{database}", server.url());
        RedisStore::builder(&url).namespace(namespace).build().unwrap()
    };
    let topic = store("a:", 0).topic::<Paid>("paid");
    let mut subscriber = joined(&topic);
    for other in [store("a:", 0).topic("sent"), store("b:", 0).topic("paid"), store("a:", 1).topic("paid")] {
        assert_eq!(other.publish(&paid(1)).unwrap(), 0);
    }
    assert_eq!(store("a:", 0).topic("paid").publish(&paid(2)).unwrap(), 1);
    assert_eq!(message(&mut subscriber), paid(2));
}

#[test]
fn what_is_no_message_is_told_as_such_and_what_comes_after_it_too() {
    let (server, namespace) = (Server::shared(), namespace());
    let store = server.patient().namespace(&namespace).build().unwrap();
    let topic = store.topic::<Paid>("paid");
    let mut subscriber = joined(&topic);
    store.topic::<u32>("paid").publish(&7).unwrap();
    topic.publish(&paid(1)).unwrap();
    assert!(matches!(next(&mut subscriber), Event::Unreadable { .. }));
    assert_eq!(message(&mut subscriber), paid(1));
    let refused = store.topic::<Refusing>("paid").publish(&Refusing);
    assert!(matches!(refused, Err(SendError::Unwritable { .. })));
}

/// Its `Serialize` refuses.
struct Refusing;

impl Serialize for Refusing {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

#[test]
fn a_wait_ends_when_it_is_stopped_and_every_later_one_at_once() {
    let server = Server::shared();
    let topic = server.store().topic::<Paid>("paid");
    let mut subscriber = joined(&topic);
    let stop = subscriber.stop();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let nothing = subscriber.next(LONG);
            (nothing.is_none(), subscriber)
        });
        stop.stop();
        let (is_over, mut subscriber) = waiting.join().unwrap();
        assert!(is_over && subscriber.next(LONG).is_none());
    });
    // One that never had a connection, and gets none.
    let mut server = Server::private(&[]);
    let topic = server.store().topic::<Paid>("paid");
    server.kill();
    let mut subscriber = topic.subscribe();
    let stop = subscriber.stop();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || subscriber.next(LONG).is_none());
        stop.stop();
        assert!(waiting.join().unwrap());
    });
}

#[test]
fn a_thread_tells_what_comes_and_ends_with_what_it_was_started_for() {
    let server = Server::private(&[]);
    let topic = server.store().topic::<Paid>("paid");
    let (sender, told) = mpsc::channel();
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let listening = topic
        .listen(move |event| {
            let _ = &held;
            sender.send(event).unwrap();
        })
        .unwrap();
    assert!(matches!(told.recv_timeout(LONG).unwrap(), Event::Gap));
    topic.publish(&paid(1)).unwrap();
    assert!(matches!(told.recv_timeout(LONG).unwrap(), Event::Message(message) if message == paid(1)));
    drop(listening);
    assert_eq!(Arc::strong_count(&alive), 1, "the thread has ended");
    assert!(told.recv().is_err(), "and says nothing more");
    eventually("its connection has ended", || topic.publish(&paid(2)).unwrap() == 0);
}

#[test]
fn a_thread_may_be_ended_by_what_it_tells() {
    let server = Server::shared();
    let topic = server.store().topic::<Paid>("paid");
    let (give, take) = mpsc::channel();
    let (sender, told) = mpsc::channel();
    let listening = topic
        .listen(move |_| {
            drop(take.recv());
            sender.send(()).unwrap();
        })
        .unwrap();
    give.send(listening).unwrap();
    told.recv_timeout(LONG).unwrap();
    assert!(told.recv_timeout(LONG).is_err(), "the thread has ended");
}

#[test]
fn the_permissions_that_are_documented_are_enough() {
    let server = Server::private(&[]);
    let rules = "~shop:* &shop:#* +hello +select +info +ping +client|setname +publish +subscribe";
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("ada").arg("reset").arg("on").arg(">secret").arg("resetchannels");
    command.arg(rules.split(' ').collect::<Vec<_>>()).exec(&mut server.raw()).unwrap();
    let url = format!("redis://ada:secret@127.0.0.1:{}", server.port());
    let topic = RedisStore::builder(&url).namespace("shop:").build().unwrap().topic::<Paid>("paid");
    let mut subscriber = joined(&topic);
    topic.publish(&paid(1)).unwrap();
    assert_eq!(message(&mut subscriber), paid(1));
    let denied: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query(&mut server.raw()).unwrap();
    assert_eq!(denied, []);
}
