//! What a listener is told of what it was not told.

use std::{sync::mpsc, thread, time::Duration};

use larder_redis::{
    RedisStore,
    topics::{Event, Subscriber, Topic},
};

use super::{LONG, Paid, joined, message, next, paid};
use crate::{
    line::DisturbedLine,
    server::{Server, demote, promote},
};

/// It is told of a gap, and from then on of all that is published.
#[track_caller]
fn is_told_of_a_gap(subscriber: &mut Subscriber<Paid>, topic: &Topic<Paid>) {
    assert!(matches!(next(subscriber), Event::Gap));
    let published = (0..).find_map(|_| topic.publish(&paid(9)).ok()).unwrap();
    assert_eq!((published, message(subscriber)), (1, paid(9)));
}

#[test]
fn a_connection_that_the_server_ends_is_made_again_and_the_gap_is_told() {
    let server = Server::private(&[]);
    let topic = server.store().topic::<Paid>("paid");
    let mut subscriber = joined(&topic);
    for _ in 0..3 {
        topic.publish(&paid(1)).unwrap();
        assert_eq!(message(&mut subscriber), paid(1));
        redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").exec(&mut server.raw()).unwrap();
        assert_eq!(topic.publish(&paid(2)).unwrap(), 0, "it is missed");
        is_told_of_a_gap(&mut subscriber, &topic);
    }
}

#[test]
fn a_server_that_is_killed_is_waited_for_and_the_gap_is_told() {
    let mut server = Server::private(&[]);
    let topic = server.store().topic::<Paid>("paid");
    let mut subscriber = joined(&topic);
    server.kill();
    assert!(topic.publish(&paid(1)).is_err());
    assert!(subscriber.next(Duration::from_millis(100)).is_none(), "that it is away is no event");
    server.restart();
    is_told_of_a_gap(&mut subscriber, &topic);
}

#[test]
fn a_server_that_stands_still_is_given_up_and_the_gap_is_told() {
    let server = Server::private(&[]);
    let topic = server.store().topic::<Paid>("paid");
    let mut subscriber = joined(&topic);
    let frozen = server.freeze();
    let (is_lost, lost) = mpsc::channel();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            // Longer than a server is believed that says nothing.
            assert!(subscriber.next(Duration::from_secs(4)).is_none());
            assert!(format!("{subscriber:?}").contains("is_connected: false"), "{subscriber:?}");
            is_lost.send(()).unwrap();
            subscriber
        });
        lost.recv_timeout(LONG).unwrap();
        drop(frozen);
        is_told_of_a_gap(&mut waiting.join().unwrap(), &topic);
    });
}

#[test]
fn a_line_that_is_cut_or_says_nothing_any_more_is_a_gap() {
    let server = Server::private(&[]);
    let line = DisturbedLine::to(server.port());
    let store = |url: &str| RedisStore::builder(url).namespace("n:").build().unwrap();
    let topic = store(server.url()).topic::<Paid>("paid");
    let mut subscriber = joined(&store(&line.url()).topic("paid"));
    line.cut();
    is_told_of_a_gap(&mut subscriber, &topic);
    // The server has closed it, and nobody has told us.
    line.lose_the_server();
    assert!(subscriber.next(Duration::from_secs(3)).is_none());
    line.hold(false);
    is_told_of_a_gap(&mut subscriber, &topic);
}

#[test]
fn who_asks_seldom_or_for_no_time_at_all_misses_nothing_and_has_no_gap() {
    let server = Server::private(&[]);
    let topic = server.store().topic::<Paid>("paid");
    let mut subscriber = joined(&topic);
    // The question whether the server is there is open when nobody waits any more.
    assert!(subscriber.next(Duration::from_millis(1_010)).is_none());
    topic.publish(&paid(1)).unwrap();
    assert_eq!(message(&mut subscriber), paid(1));
    for id in 2..50 {
        topic.publish(&paid(id)).unwrap();
        let told = (0..).find_map(|_| subscriber.next(Duration::ZERO)).unwrap();
        assert!(matches!(told, Event::Message(message) if message == paid(id)), "{id}");
    }
    // It is asked several times, and answers.
    assert!(subscriber.next(Duration::from_millis(3_500)).is_none());
    topic.publish(&paid(50)).unwrap();
    assert_eq!(message(&mut subscriber), paid(50));
}

#[test]
fn a_listener_that_is_too_slow_for_the_servers_patience_has_a_gap() {
    let server = Server::private(&[("client-output-buffer-limit", "pubsub 1mb 1mb 1")]);
    let store = server.store();
    let topic = store.topic::<Vec<u8>>("bytes");
    let mut subscriber = topic.subscribe();
    assert!(matches!(subscriber.next(LONG), Some(Event::Gap)));
    let large = vec![7; 1 << 20];
    // It does not read.
    let n_sent = (0..).find(|_| topic.publish(&large).unwrap() == 0).unwrap();
    let mut n_told = 0;
    loop {
        match subscriber.next(LONG).expect("something comes") {
            Event::Message(message) => n_told += u64::from(message == large),
            Event::Gap => break,
            Event::Unreadable { reason } => panic!("{reason}"),
        }
    }
    assert!(n_told < n_sent, "{n_told} of {n_sent}");
}

#[test]
fn a_server_that_is_demoted_is_left() {
    let (master, server) = (Server::private(&[]), Server::private(&[]));
    let topic = server.store().topic::<Paid>("paid");
    let mut subscriber = joined(&topic);
    demote(&server, &master);
    assert!(subscriber.next(Duration::from_secs(2)).is_none());
    promote(&server);
    is_told_of_a_gap(&mut subscriber, &topic);
}
