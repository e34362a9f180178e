//! What is dropped unread is told.

use std::time::Duration;

use larder_redis::streams::{Consumer, Stream, StreamOptions, Work};

use super::{Site, delivered, next, stands};
use crate::eventually::eventually;

/// What a consumer is given until there is nothing more: numbers, and how many are gone.
fn told(consumer: &mut Consumer<u64>) -> (Vec<u64>, u64) {
    let (mut numbers, mut n_lost) = (Vec::new(), 0);
    while let Some(work) = consumer.next(Duration::ZERO).unwrap() {
        match work {
            Work::Lost { n_messages } => n_lost += n_messages,
            work => {
                let delivery = delivered(Some(work));
                delivery.ack().unwrap();
                numbers.push(delivery.number);
            }
        }
    }
    (numbers, n_lost)
}

fn send(stream: &Stream<u64>, n: u64) {
    stream.send_all(&(0..n).collect::<Vec<_>>()).unwrap();
}

#[test]
fn of_messages_that_were_too_many_each_is_read_or_told_as_lost() {
    let site = Site::new();
    let stream = site.stream(StreamOptions::default().max_entries(100));
    let [mut one, mut other] = ["one", "other"].map(|name| stream.consumer("group", name));
    send(&stream, 10);
    assert_eq!(told(&mut one), ((1..=10).collect(), 0));
    assert_eq!(told(&mut other), (vec![], 0));
    send(&stream, 1_000);
    let n_kept: u64 = stands(&stream, "new").0;
    assert!((100..300).contains(&n_kept), "{n_kept}");
    let (numbers, n_lost) = told(&mut one);
    assert_eq!(numbers, (1_011 - n_kept..=1_010).collect::<Vec<_>>());
    assert_eq!(n_lost, 1_000 - n_kept);
    // Who was there before is told the same, and who begins only now has lost nothing.
    assert_eq!(told(&mut stream.consumer("group", "late")), (vec![], 0));
    assert_eq!(told(&mut other), (vec![], n_lost));
    assert_eq!(stands(&stream, "group"), (0, 0, n_lost, 0));
    assert_eq!(told(&mut stream.consumer("new", "one")).1, 0);
}

#[test]
fn what_is_lost_while_nobody_is_there_is_told_to_who_comes_next() {
    let site = Site::new();
    let stream = site.stream(StreamOptions::default().max_entries(100));
    assert_eq!(told(&mut stream.consumer("group", "one")), (vec![], 0));
    send(&stream, 1_000);
    let n_kept = stands(&stream, "new").0;
    // It has learned of the loss and dies before it says so to anybody.
    let mut dead = stream.consumer("group", "dead");
    assert!(matches!(dead.next(Duration::ZERO).unwrap(), Some(Work::Lost { .. })));
    drop(dead);
    let (numbers, n_lost) = told(&mut stream.consumer("group", "two"));
    assert_eq!((numbers.len() as u64, n_lost), (n_kept - 1, 1_000 - n_kept));
    assert_eq!(told(&mut stream.consumer("group", "three")), (vec![], 0));
}

#[test]
fn messages_that_were_too_old_are_told_as_lost() {
    const AGE: Duration = Duration::from_millis(50);
    let site = Site::new();
    let stream = site.stream(StreamOptions::default().max_age(AGE));
    let mut consumer = stream.consumer("group", "one");
    assert_eq!(told(&mut consumer), (vec![], 0));
    send(&stream, 5);
    let sent = site.server.now();
    eventually("they are too old", || site.server.now() > sent + 60_000);
    // Until another one is sent they are still there; that is what is said of the limit.
    assert_eq!(stands(&stream, "group").0, 5);
    send(&stream, 1);
    let (numbers, n_lost) = told(&mut consumer);
    assert!(numbers == [6] && n_lost == 5 || numbers.is_empty() && n_lost == 6, "{numbers:?}, {n_lost} lost");
}

#[test]
fn messages_of_which_all_have_gone_are_told_as_lost() {
    let site = Site::new();
    let stream = site.stream(StreamOptions::default());
    let mut consumer = stream.consumer("group", "one");
    assert_eq!(told(&mut consumer), (vec![], 0));
    send(&stream, 3);
    let entries = format!("{}#streams:{{:test}}:entries", site.namespace);
    redis::cmd("XTRIM").arg(&entries).arg("MAXLEN").arg(0).exec(&mut site.server.raw()).unwrap();
    assert_eq!(told(&mut consumer), (vec![], 3));
    send(&stream, 2);
    // The stream with its groups, but not what is known of them.
    redis::cmd("DEL").arg(&entries).exec(&mut site.server.raw()).unwrap();
    assert_eq!(told(&mut consumer), (vec![], 2));
    send(&stream, 1);
    assert_eq!(told(&mut consumer), (vec![6], 0));
}

#[test]
fn a_message_that_goes_while_it_is_worked_on_is_lost_only_if_nobody_is_done_with_it() {
    let site = Site::new();
    let stream = site.stream(StreamOptions::default().redeliver_after(Duration::from_millis(50)));
    let mut consumer = stream.consumer("group", "one");
    send(&stream, 2);
    let (done, _left) = (next(&mut consumer), next(&mut consumer));
    let entries = format!("{}#streams:{{:test}}:entries", site.namespace);
    redis::cmd("XTRIM").arg(&entries).arg("MAXLEN").arg(0).exec(&mut site.server.raw()).unwrap();
    assert!(done.ack().unwrap());
    let mut n_lost = 0;
    eventually("the other one is told", || {
        let (numbers, n) = told(&mut consumer);
        assert!(numbers.is_empty());
        n_lost += n;
        n_lost > 0
    });
    assert_eq!((n_lost, stands(&stream, "group")), (1, (0, 0, 1, 0)));
}
