//! Histories made up by hand, one for each kind of mistake, and the one beside it that is right.

use super::*;
use crate::record::Attempt;

const ORDER: Key = Key::Order(0);
const OTHER: Key = Key::Order(1);
const USER: Key = Key::User(0);

/// A thread of another process.
const OTHERS: u64 = 1 << THREAD_BITS;

/// Three threads, 1 and 2 of one process and one of another, on one user and two orders of user 5; everything begins at version 0.
struct Story(Oracle);

impl Story {
    fn new() -> Self {
        Self::near(None)
    }

    /// Rows are kept near, and may be so old there.
    fn near(near: Option<Duration>) -> Self {
        let place = |key| if key == USER { Place::At(0) } else { Place::At(5) };
        let first = [ORDER, OTHER, USER].map(|key| Version { key, number: 0, stamp: 0, place: place(key) });
        let mut oracle = Oracle::new(&first, near);
        oracle.start(1, 0);
        oracle.start(2, 0);
        if near.is_some() {
            oracle.start(OTHERS, 0);
        }
        Self(oracle)
    }

    fn tell(&mut self, thread: u64, at: Moment, event: Event) {
        self.0.push(thread, Record { thread: 0, at, event });
    }

    fn announce(&mut self, thread: u64, at: Moment, stamp: u32, number: Option<u64>, place: Option<Place>) {
        self.tell(thread, at, Event::Announced(vec![Attempt { key: ORDER, stamp, number, place }]));
    }

    fn end(&mut self, thread: u64, began: Moment, at: Moment, outcome: Outcome) {
        self.tell(thread, at, Event::Wrote { began, outcome });
    }

    /// Thread 1 writes version `number` of the order, which stays with user 5.
    fn write(&mut self, began: Moment, at: Moment, number: u64) {
        self.announce(1, began, stamp(number), None, None);
        self.end(1, began, at, Outcome::Done(vec![version(number)]));
    }

    fn read(&mut self, began: Moment, at: Moment, number: u64) {
        self.read_as(began, at, version(number));
    }

    fn read_as(&mut self, began: Moment, at: Moment, version: Version) {
        self.ask(began, at, Asked::Rows(vec![ORDER]), vec![version]);
    }

    fn ask(&mut self, began: Moment, at: Moment, asked: Asked, found: Vec<Version>) {
        self.ask_from(2, Layer::Shared, (began, at), asked, found);
    }

    fn ask_from(&mut self, thread: u64, from: Layer, (began, at): (Moment, Moment), asked: Asked, found: Vec<Version>) {
        self.tell(thread, at, Event::Read { began, asked, found, from, to: from });
    }

    /// Thread `thread` reads the order near.
    fn read_near(&mut self, thread: u64, began: Moment, at: Moment, number: u64) {
        self.ask_from(thread, Layer::Near, (began, at), Asked::Rows(vec![ORDER]), vec![version(number)]);
    }

    /// Ends all threads, and judges.
    fn judged(mut self) -> Tally {
        for thread in [1, 2, OTHERS] {
            self.tell(thread, 1_000_000, Event::Ended);
        }
        self.0.judge();
        self.0.into_tally()
    }
}

fn stamp(number: u64) -> u32 {
    u32::try_from(number).unwrap() + 100
}

fn version(number: u64) -> Version {
    let stamp = if number == 0 { 0 } else { stamp(number) };
    Version { key: ORDER, number, stamp, place: Place::At(5) }
}

fn moved(number: u64, user: u16) -> Version {
    Version { place: Place::At(user), ..version(number) }
}

/// Stale, uncommitted and lost.
fn mistakes(tally: &Tally) -> [u64; 3] {
    [tally.n_stale, tally.n_uncommitted, tally.n_lost]
}

#[test]
fn a_read_older_than_a_write_that_had_returned_is_stale() {
    for (began, expected) in [(20, 0), (21, 1)] {
        let mut story = Story::new();
        story.write(10, 20, 1);
        story.read(began, 30, 0);
        let tally = story.judged();
        assert_eq!(mistakes(&tally), [expected, 0, 0], "{:?}", tally.mistakes);
        assert_eq!(tally.stalest, between(20, began));
    }
}

#[test]
fn a_read_older_than_a_read_that_had_returned_is_stale() {
    for (began, expected) in [(15, 0), (16, 1)] {
        let mut story = Story::new();
        // The write is still under way all the time.
        story.announce(1, 10, stamp(1), None, None);
        story.read(11, 15, 1);
        story.read(began, 30, 0);
        assert_eq!(mistakes(&story.judged()), [expected, 0, 0]);
    }
}

#[test]
fn a_read_may_return_a_write_that_is_under_way_and_none_that_has_not_begun() {
    for (at, expected) in [(11, 0), (9, 1)] {
        let mut story = Story::new();
        story.read(8, at, 1);
        story.write(10, 20, 1);
        assert_eq!(mistakes(&story.judged()), [0, expected, 0]);
    }
}

#[test]
fn what_was_rolled_back_is_uncommitted_before_and_after() {
    for at in [15, 25] {
        let mut story = Story::new();
        story.announce(1, 10, stamp(1), Some(1), None);
        story.read(12, at, 1);
        story.end(1, 10, 20, Outcome::Failed);
        assert_eq!(mistakes(&story.judged()), [0, 1, 0], "read until {at}");
    }
}

#[test]
fn a_version_that_was_rolled_back_is_told_from_the_one_that_got_its_number() {
    let mut story = Story::new();
    story.announce(1, 10, 7, Some(1), None);
    story.end(1, 10, 20, Outcome::Failed);
    story.write(21, 30, 1);
    story.read_as(22, 40, version(1));
    story.read_as(41, 50, Version { stamp: 7, ..version(1) });
    assert_eq!(mistakes(&story.judged()), [0, 1, 0]);
}

#[test]
fn a_write_of_unknown_fate_may_be_seen_or_not() {
    for number in [0, 1] {
        for ended in [Event::Ended, Event::Wrote { began: 10, outcome: Outcome::Unknown }] {
            let mut story = Story::new();
            story.announce(1, 10, stamp(1), None, None);
            story.tell(1, 20, ended);
            story.read(25, 30, number);
            let tally = story.judged();
            assert_eq!(mistakes(&tally), [0; 3], "{:?}", tally.mistakes);
        }
    }
}

#[test]
fn a_write_of_unknown_fate_that_was_seen_stays() {
    let mut story = Story::new();
    story.announce(1, 10, stamp(1), None, None);
    story.end(1, 10, 20, Outcome::Unknown);
    story.read(21, 30, 1);
    story.read(31, 40, 0);
    assert_eq!(mistakes(&story.judged()), [1, 0, 0]);
}

#[test]
fn a_write_whose_number_had_been_seen_tells_of_a_lost_one() {
    for number in [1, 2] {
        let mut story = Story::new();
        story.write(10, 20, 2);
        story.write(30, 40, number);
        assert_eq!(mistakes(&story.judged()), [0, 0, 1], "{number} after 2");
    }
    let mut story = Story::new();
    story.write(10, 20, 2);
    story.write(30, 40, 3);
    assert_eq!(mistakes(&story.judged()), [0; 3]);
}

#[test]
fn two_writes_at_once_do_not_get_one_number() {
    let mut story = Story::new();
    story.announce(1, 10, 7, None, None);
    story.announce(2, 10, 8, None, None);
    story.end(1, 10, 20, Outcome::Done(vec![Version { stamp: 7, ..version(1) }]));
    story.end(2, 10, 21, Outcome::Done(vec![Version { stamp: 8, ..version(1) }]));
    assert_eq!(mistakes(&story.judged()), [0, 0, 1]);
}

#[test]
fn an_order_that_a_list_lacks_is_stale_unless_it_may_be_elsewhere() {
    let other = Version { key: OTHER, ..version(0) };
    // Both orders are with user 5 from the start.
    let mut story = Story::new();
    story.ask(10, 20, Asked::List(5), vec![version(0), other]);
    story.ask(30, 40, Asked::List(5), vec![other]);
    assert_eq!(mistakes(&story.judged()), [1, 0, 0]);
    // A move is under way: both are right, until one has seen it.
    for (began, expected) in [(20, 0), (21, 1)] {
        let mut story = Story::new();
        story.announce(1, 5, stamp(1), Some(1), Some(Place::At(6)));
        story.ask(10, 20, Asked::List(5), vec![other]);
        story.ask(began, 40, Asked::List(5), vec![version(0), other]);
        assert_eq!(mistakes(&story.judged()), [expected, 0, 0], "began at {began}");
    }
    // It was moved: the new list has it, and the old one has not.
    for (user, expected) in [(5, 0), (6, 1)] {
        let mut story = Story::new();
        story.announce(1, 5, stamp(1), None, Some(Place::At(6)));
        story.end(1, 5, 9, Outcome::Done(vec![moved(1, 6)]));
        let found = if user == 5 { vec![other] } else { vec![] };
        story.ask(10, 20, Asked::List(user), found);
        assert_eq!(mistakes(&story.judged()), [expected, 0, 0], "the list of user {user}");
    }
}

#[test]
fn a_row_that_is_where_it_should_not_be_is_a_mistake() {
    let mut story = Story::new();
    story.ask(10, 20, Asked::List(6), vec![version(0)]);
    assert_eq!(mistakes(&story.judged()), [0, 1, 0]);
    let mut story = Story::new();
    story.ask(10, 20, Asked::Rows(vec![OTHER]), vec![version(0), Version { key: OTHER, ..version(0) }]);
    assert_eq!(mistakes(&story.judged()), [0, 1, 0]);
}

#[test]
fn an_address_is_read_as_its_user_is() {
    let user = Version { key: USER, number: 0, stamp: 0, place: Place::At(0) };
    for (address, found, expected) in
        [(0, vec![user], [0; 3]), (1, vec![], [0; 3]), (0, vec![], [1, 0, 0]), (1, vec![user], [0, 1, 0])]
    {
        let mut story = Story::new();
        story.ask(10, 20, Asked::Address(0, address), found);
        assert_eq!(mistakes(&story.judged()), expected, "address {address}");
    }
}

#[test]
fn a_deleted_row_is_gone_until_it_is_inserted_again() {
    let gone = Version { stamp: 0, place: Place::Gone, ..version(1) };
    let story = || {
        let mut story = Story::new();
        story.announce(1, 10, 0, None, Some(Place::Gone));
        story.end(1, 10, 20, Outcome::Done(vec![gone]));
        story
    };
    let nothing = || Asked::Rows(vec![ORDER]);
    let mut deleted = story();
    deleted.ask(30, 40, nothing(), vec![]);
    assert_eq!(mistakes(&deleted.judged()), [0; 3]);
    let mut stale = story();
    stale.read(30, 40, 0);
    assert_eq!(mistakes(&stale.judged()), [1, 0, 0]);
    let mut inserted = story();
    inserted.write(50, 60, 9);
    inserted.read(61, 70, 9);
    inserted.ask(71, 80, nothing(), vec![]);
    assert_eq!(mistakes(&inserted.judged()), [1, 0, 0]);
}

#[test]
fn the_database_must_have_what_was_acknowledged_or_seen() {
    let at = |number| Version { key: ORDER, ..version(number) };
    let rest = [Version { key: OTHER, ..version(0) }, Version { key: USER, place: Place::At(0), ..version(0) }];
    for (row, expected) in [(Some(at(1)), 0), (Some(at(0)), 1), (None, 1), (Some(Version { stamp: 3, ..at(1) }), 1)] {
        let mut story = Story::new();
        story.write(10, 20, 1);
        story.tell(1, 30, Event::Ended);
        story.tell(2, 30, Event::Ended);
        story.0.judge();
        story.0.database(40, &row.into_iter().chain(rest).collect::<Vec<_>>());
        assert_eq!(mistakes(story.0.tally()), [0, 0, expected], "{row:?}");
    }
}

#[test]
fn a_long_history_takes_little_memory() {
    let mut story = Story::new();
    for number in 3..200_000 {
        // Steps of 10 ms, so that half an hour passes.
        let at = number * 10_000_000;
        story.write(at, at + 1, number);
        if number % 10 == 0 {
            // Somebody who is killed in the middle of a write leaves it open.
            story.0.start(number, at + 1);
            story.announce(number, at + 1, 7, None, Some(Place::At(9)));
            story.tell(number, at + 2, Event::Ended);
        }
        story.read(at + 1, at + 3, number);
        story.0.judge();
    }
    let size: usize = story.0.registers.values().map(Register::size).sum();
    assert!(size < 10_000, "{size}");
    let size: usize = story.0.sessions.values().map(Session::size).sum();
    assert!(size < 10_000, "{size}");
    assert_eq!(mistakes(&story.judged()), [0; 3]);
}

fn failed_read(began: Moment, from: Layer) -> Event {
    Event::ReadFailed { began, from, why: "no connection".to_owned() }
}

#[test]
fn counts_and_the_longest_pause_are_kept() {
    let mut story = Story::new();
    story.write(10, 20, 1);
    story.read(10, 25, 1);
    story.tell(2, 125, failed_read(25, Layer::Shared));
    story.tell(2, 126, failed_read(125, Layer::Database));
    story.read(125, 225, 1);
    story.announce(1, 30, 7, None, None);
    story.end(1, 30, 40, Outcome::Unknown);
    let tally = story.judged();
    let counts =
        [tally.n_reads, tally.n_hits, tally.n_writes, tally.n_failed_reads, tally.n_unknown, tally.n_operations()];
    assert_eq!(counts, [2, 2, 1, 1, 1, 6]);
    assert_eq!(tally.why_reads_failed, ["2 from 25 to 125: no connection"]);
    assert_eq!(tally.longest_gap, between(25, 225), "an error is no progress");
}

/// Stale, missed and backward.
fn near_mistakes(tally: &Tally) -> [u64; 3] {
    assert_eq!([tally.n_uncommitted, tally.n_lost], [0; 2], "{:?}", tally.mistakes);
    [tally.n_stale, tally.n_missed, tally.n_backward]
}

const OLD: Option<Duration> = Some(Duration::from_nanos(100));

#[test]
fn a_near_read_may_be_as_old_as_the_horizon_and_a_shared_one_not() {
    // The write has returned at 20.
    for (began, from, expected) in
        [(120, Layer::Near, 0), (121, Layer::Near, 1), (20, Layer::Shared, 0), (21, Layer::Shared, 1)]
    {
        let mut story = Story::near(OLD);
        story.write(10, 20, 1);
        story.ask_from(OTHERS, from, (began, 200), Asked::Rows(vec![ORDER]), vec![version(0)]);
        let tally = story.judged();
        assert_eq!(near_mistakes(&tally), [expected, 0, 0], "{from:?} at {began}");
        if from == Layer::Near && expected == 0 {
            assert_eq!((tally.n_old, tally.oldest), (1, between(20, began)));
        }
    }
}

#[test]
fn a_process_sees_its_own_writes_near() {
    // Thread 1 has written, and returned at 20; thread 2 is of the same process.
    for (began, thread, expected) in [(20, 2, 0), (21, 2, 1), (21, OTHERS, 0)] {
        let mut story = Story::near(OLD);
        story.write(10, 20, 1);
        story.read_near(thread, began, 30, 0);
        assert_eq!(near_mistakes(&story.judged()), [0, expected, 0], "thread {thread} at {began}");
    }
}

#[test]
fn a_process_sees_its_own_writes_in_the_lists_that_they_change_and_in_no_others() {
    let other = Version { key: OTHER, ..version(0) };
    let list_at = |user: u16, found: Vec<Version>| {
        let mut story = Story::near(OLD);
        // The other process moves the order from user 5 to 6, and this one from 6 to 7.
        story.announce(OTHERS, 10, stamp(1), None, Some(Place::At(6)));
        story.end(OTHERS, 10, 20, Outcome::Done(vec![moved(1, 6)]));
        story.announce(1, 21, stamp(2), None, Some(Place::At(7)));
        story.end(1, 21, 30, Outcome::Done(vec![moved(2, 7)]));
        story.ask_from(2, Layer::Near, (40, 50), Asked::List(user), found);
        near_mistakes(&story.judged())
    };
    assert_eq!(list_at(5, vec![version(0), other]), [0, 0, 0], "that it left this list is not known yet");
    assert_eq!(list_at(6, vec![moved(1, 6)]), [0, 1, 0], "it has taken it away itself");
    assert_eq!(list_at(6, vec![]), [0, 0, 0]);
    assert_eq!(list_at(7, vec![]), [0, 1, 0], "it has put it there itself");
    assert_eq!(list_at(7, vec![moved(2, 7)]), [0, 0, 0]);
}

#[test]
fn what_is_read_near_never_goes_back_within_a_process_and_a_cell() {
    for (thread, from, expected) in [(2, Layer::Near, 1), (2, Layer::Shared, 1), (OTHERS, Layer::Near, 0)] {
        let mut story = Story::near(OLD);
        // The write is under way all the time.
        story.announce(OTHERS, 10, stamp(1), None, None);
        story.ask_from(thread, from, (11, 15), Asked::Rows(vec![ORDER]), vec![version(1)]);
        story.read_near(1, 16, 20, 0);
        assert_eq!(near_mistakes(&story.judged()), [0, 0, expected], "after {thread}, {from:?}");
    }
    // A transaction leaves the process's copies alone, and a list is not a row.
    for (from, asked) in [(Layer::Database, Asked::Rows(vec![ORDER])), (Layer::Near, Asked::List(5))] {
        let mut story = Story::near(OLD);
        story.announce(OTHERS, 10, stamp(1), None, None);
        let found =
            [version(1)].into_iter().chain((from == Layer::Near).then_some(Version { key: OTHER, ..version(0) }));
        story.ask_from(2, from, (11, 15), asked, found.collect());
        story.read_near(1, 16, 20, 0);
        assert_eq!(near_mistakes(&story.judged()), [0, 0, 0], "{from:?}");
    }
}

#[test]
fn a_row_that_a_near_list_lacks_is_judged_like_one_that_it_has() {
    let other = Version { key: OTHER, ..version(0) };
    // The order comes to user 6 by another process, at 20.
    for (began, thread, expected) in [(120, 2, [0, 0, 0]), (121, 2, [1, 0, 0]), (40, 1, [0, 0, 1])] {
        let mut story = Story::near(OLD);
        story.announce(OTHERS, 5, stamp(1), None, Some(Place::At(6)));
        story.end(OTHERS, 5, 20, Outcome::Done(vec![moved(1, 6)]));
        if thread == 1 {
            story.ask_from(1, Layer::Near, (25, 30), Asked::List(6), vec![moved(1, 6)]);
        }
        story.ask_from(thread, Layer::Near, (began, 200), Asked::List(6), vec![]);
        let tally = story.judged();
        assert_eq!(near_mistakes(&tally), expected, "at {began}");
        assert_eq!(tally.n_old, u64::from(expected[0] == 0));
    }
    let mut story = Story::near(OLD);
    story.ask_from(1, Layer::Near, (5, 10), Asked::List(5), vec![version(0), other]);
    assert_eq!(near_mistakes(&story.judged()), [0; 3]);
}

#[test]
fn reads_when_nobody_writes_any_more_are_counted() {
    let mut story = Story::new();
    story.read(1, 2, 0);
    story.tell(2, 3, Event::Quiet);
    story.read(4, 5, 0);
    let found = vec![version(0)];
    story.tell(
        2,
        7,
        Event::Read { began: 6, asked: Asked::Rows(vec![ORDER]), found, from: Layer::Shared, to: Layer::Database },
    );
    assert_eq!(story.judged().n_quiet, (2, 1));
}
