use std::time::Duration;

use super::subject::{LONG, NOTHING, SHORT, Subject, elsewhere, held, key, stored};
use crate::store::{BATCH, CellKey, Nonce, Recall};

fn extend(subject: &Subject, key: &CellKey, stamp: Nonce, ttl: Duration) -> bool {
    let extended = subject.store().extend(&[(key, stamp, ttl)]).expect("a value is extended or not");
    assert_eq!(extended.len(), 1);
    extended[0]
}

/// A value is served for longer, or for shorter, and is the same value: its stamp and its bytes stay.
pub fn a_value_that_is_still_there_gets_more_time(subject: &Subject) {
    let [filled, written, shortened] = ["a", "b", "c"].map(key);
    let lease = subject.lease(&filled);
    assert!(subject.fill_for(&filled, lease, b"one", SHORT));
    assert!(extend(subject, &filled, lease.token, LONG));
    let nonce = subject.begin(&written);
    subject.finish(&written, nonce, stored(b"two"));
    assert!(extend(subject, &written, nonce, LONG));
    let short = subject.lease(&shortened);
    assert!(subject.fill_for(&shortened, short, b"three", LONG));
    assert!(extend(subject, &shortened, short.token, SHORT));
    subject.wait_until("what was shortened expires", || subject.read(&shortened) == NOTHING);
    let inspected = subject.store().inspect(&[filled, written]).expect("they are there");
    for (of, value, stamp) in [(&inspected[0], &b"one"[..], lease.token), (&inspected[1], b"two", nonce)] {
        assert_eq!((&of.cell, of.stamp), (&held(value), Some(stamp)));
        assert!(of.expires_in.is_some_and(|left| left > SHORT && left <= LONG), "{of:?}");
    }
}

/// Another value, a lease, a marker and nothing are left alone, and so is that value in another layout's eyes.
pub fn what_is_not_that_value_gets_no_more_time(subject: &Subject) {
    let [value, leased, marked, nothing] = ["a", "b", "c", "d"].map(key);
    let first = subject.lease(&value);
    assert!(subject.fill_for(&value, first, b"one", SHORT));
    assert!(!extend(subject, &elsewhere(&value), first.token, LONG));
    assert!(!extend(subject, &value, Nonce::fresh(), LONG));
    let lease = subject.try_lease(&leased, SHORT).expect("it is vacant");
    assert!(!extend(subject, &leased, lease.token, LONG), "a lease is no value");
    let nonce = subject.begin_for(&marked, SHORT);
    assert!(!extend(subject, &marked, nonce, LONG), "a marker is none either");
    assert!(!extend(subject, &nothing, nonce, LONG));
    assert_eq!(subject.read(&nothing), NOTHING);
    for key in [&value, &leased, &marked] {
        subject.wait_until("its own time is over", || subject.read(key) == NOTHING);
    }
    assert!(!extend(subject, &value, first.token, LONG), "what has expired does not come back");
    assert_eq!(subject.read(&value), NOTHING);
    let nonce = subject.begin(&value);
    subject.finish(&value, nonce, stored(b"two"));
    assert!(!extend(subject, &value, first.token, LONG), "that was another value");
    assert!(subject.store().extend(&[]).expect("nothing is wanted").is_empty());
}

/// Each answer stands where its key stood.
pub fn more_values_than_a_batch_are_extended_in_their_order(subject: &Subject) {
    let keys: Vec<CellKey> = (0..2 * BATCH + 3).map(|n| key(&format!("users:id:{n}"))).collect();
    let some: Vec<_> = keys.iter().step_by(3).map(|key| (key, stored(key.as_bytes()))).collect();
    let nonce = Nonce::fresh();
    let marked: Vec<&CellKey> = some.iter().map(|(key, _)| *key).collect();
    subject.store().begin(nonce, &marked, LONG, Recall::Announced).expect("marked");
    subject.store().finish(nonce, &some).expect("written");
    let values: Vec<_> = keys.iter().map(|key| (key, nonce, LONG)).collect();
    let extended = subject.store().extend(&values).expect("some are extended");
    let expected: Vec<bool> = (0..keys.len()).map(|n| n.is_multiple_of(3)).collect();
    assert_eq!(extended, expected);
}
