//! What is not acknowledged comes again.

use std::time::Duration;

use larder_redis::streams::{StreamOptions, Work};

use super::{Site, all_new, delivered, next, stands};
use crate::eventually::eventually;

const SOON: Duration = Duration::from_millis(50);

fn soon() -> StreamOptions {
    StreamOptions::default().redeliver_after(SOON)
}

#[test]
fn what_a_consumer_leaves_lying_another_one_gets_after_the_time_and_before_what_is_new() {
    let site = Site::new();
    let stream = site.stream(soon());
    stream.send(&1).unwrap();
    let before = site.server.now();
    let held = next(&mut stream.consumer("group", "dead"));
    let mut other = stream.consumer("group", "alive");
    // It waits for this one, although nothing is ever sent.
    let again = next(&mut other);
    assert!(site.server.now() - before >= 50_000, "it came too early");
    assert_eq!((again.message, again.number, again.n_deliveries), (held.message, held.number, 2));
    stream.send(&2).unwrap();
    assert_eq!(stands(&stream, "group"), (1, 1, 0, 0));
    // The first one is only slow after all, and its word counts.
    assert!(held.ack().unwrap());
    assert!(!again.ack().unwrap());
    assert_eq!(all_new(&mut other), [2]);
    assert_eq!(stands(&stream, "group"), (0, 0, 0, 0));
}

#[test]
fn what_is_worked_on_is_nobody_elses() {
    let site = Site::new();
    let stream = site.stream(StreamOptions::default());
    stream.send_all(&[1, 2]).unwrap();
    let held = next(&mut stream.consumer("group", "one"));
    let mut other = stream.consumer("group", "other");
    assert_eq!(all_new(&mut other), [2]);
    assert!(other.next(SOON).unwrap().is_none());
    assert!(held.ack().unwrap());
}

#[test]
fn a_consumer_gets_again_what_it_has_not_acknowledged_itself() {
    let site = Site::new();
    let stream = site.stream(soon());
    stream.send(&1).unwrap();
    let mut consumer = stream.consumer("group", "one");
    let numbers: Vec<_> = (0..3).map(|_| next(&mut consumer).n_deliveries).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn a_message_that_nobody_can_work_on_is_put_aside_and_stops_no_other() {
    let site = Site::new();
    let stream = site.stream(soon().max_deliveries(3));
    stream.send_all(&[1, 2]).unwrap();
    let (mut consumer, mut n_deliveries) = (stream.consumer("group", "one"), 0);
    eventually("the first one is put aside", || {
        while let Some(work) = consumer.next(Duration::from_millis(5)).unwrap() {
            let delivery = delivered(Some(work));
            if delivery.message == 1 {
                n_deliveries += 1;
                assert_eq!(delivery.n_deliveries, n_deliveries);
            } else {
                delivery.ack().unwrap();
            }
        }
        stands(&stream, "group").3 == 1
    });
    assert_eq!((n_deliveries, stands(&stream, "group")), (3, (0, 0, 0, 1)));
    let letters = stream.dead_letters(10).unwrap();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter.group.as_str(), letter.number, letter.n_deliveries), ("group", 1, 3));
    assert_eq!(letter.message.as_ref().unwrap(), &1);
    // Other groups are not concerned.
    assert_eq!(all_new(&mut stream.consumer("other", "one")), [1, 2]);
    assert!(stream.discard(&letter.id).unwrap());
    assert!(!stream.discard(&letter.id).unwrap());
    assert!(stream.dead_letters(10).unwrap().is_empty());
}

#[test]
fn what_can_not_be_read_is_told_delivered_again_and_put_aside() {
    let site = Site::new();
    site.store().stream::<String>("test", StreamOptions::default()).send(&"text".to_owned()).unwrap();
    let mut raw = site.server.raw();
    let entries = format!("{}#streams:{{:test}}:entries", site.namespace);
    redis::cmd("XADD").arg(&entries).arg("*").arg("foreign").arg("1").exec(&mut raw).unwrap();
    let stream = site.stream(soon().max_deliveries(2));
    stream.send(&3).unwrap();
    let mut consumer = stream.consumer("group", "one");
    let mut n_unreadable = [0, 0];
    eventually("both are put aside", || {
        match consumer.next(Duration::from_millis(5)).unwrap() {
            Some(Work::Unreadable { number, .. }) => n_unreadable[usize::from(number == 0)] += 1,
            Some(Work::Delivery(delivery)) => assert!(delivery.ack().unwrap()),
            Some(Work::Lost { n_messages }) => panic!("{n_messages} lost"),
            None => {}
        }
        stands(&stream, "group").3 == 2
    });
    assert_eq!(n_unreadable, [2, 2]);
    assert!(stream.dead_letters(10).unwrap().iter().all(|letter| letter.message.is_err()));
    // Whoever knows what it is can read it there.
    let texts = site.store().stream::<String>("test", StreamOptions::default());
    let readable = texts.dead_letters(10).unwrap().into_iter().filter_map(|letter| letter.message.ok());
    assert_eq!(readable.collect::<Vec<_>>(), ["text"]);
}
