use super::subject::{LONG, NOTHING, SHORT, Subject, held, key, stored};
use crate::store::{Bytes, Cell, Ending, Nonce};

fn endings() -> [Ending; 3] {
    [stored(b"new"), Ending::Emptied, Ending::RolledBack]
}

/// Write-through: nobody else came near, so the row that was written is the row that the database holds.
pub fn a_sole_write_stores_its_value(subject: &Subject) {
    let key = key("users:id:1");
    subject.put(&key, b"old");
    let nonce = subject.begin(&key);
    subject.finish(&key, nonce, stored(b"new"));
    assert_eq!(subject.read(&key), held(b"new"));
}

/// A committed write may leave the cell to the next reader.
pub fn a_sole_write_empties_the_cell(subject: &Subject) {
    let key = key("users:id:1");
    subject.put(&key, b"old");
    let nonce = subject.begin(&key);
    subject.finish(&key, nonce, Ending::Emptied);
    assert_eq!(subject.read(&key), NOTHING);
    subject.put(&key, b"new");
}

/// What a rolled back write has emptied can be filled again at once.
pub fn a_rolled_back_write_leaves_nothing(subject: &Subject) {
    let key = key("users:id:1");
    subject.put(&key, b"old");
    let nonce = subject.begin(&key);
    subject.finish(&key, nonce, Ending::RolledBack);
    assert_eq!(subject.read(&key), NOTHING);
    subject.put(&key, b"old");
}

/// However the first one ends, the other is still in doubt.
pub fn the_first_of_two_writes_leaves_the_cell_in_doubt(subject: &Subject) {
    for (n, ending) in endings().into_iter().enumerate() {
        let key = key(&format!("users:id:{n}"));
        let first = subject.begin(&key);
        subject.begin(&key);
        subject.finish(&key, first, ending.clone());
        assert_eq!(subject.read(&key), Cell::InDoubt, "after {ending:?}");
        assert_eq!(subject.try_lease(&key, LONG), None, "after {ending:?}");
    }
}

/// Of two writes that overlap nobody knows which the database did last, so neither's value is kept.
pub fn the_last_of_two_writes_stores_nothing(subject: &Subject) {
    for (n, ending) in endings().into_iter().enumerate() {
        for early_goes_first in [true, false] {
            let key = key(&format!("users:id:{n}:{early_goes_first}"));
            let nonces = [subject.begin(&key), subject.begin(&key)];
            let [first, last] = if early_goes_first { nonces } else { [nonces[1], nonces[0]] };
            subject.finish(&key, first, ending.clone());
            subject.finish(&key, last, stored(b"last"));
            assert_eq!(subject.read(&key), NOTHING, "after {ending:?}");
        }
    }
}

/// Three writes that overlap in pairs: the last one began after the first had ended, and is still not alone.
pub fn a_roll_back_beside_another_write_is_remembered(subject: &Subject) {
    let key = key("users:id:1");
    let first = subject.begin(&key);
    let second = subject.begin(&key);
    subject.finish(&key, first, Ending::RolledBack);
    let third = subject.begin(&key);
    subject.finish(&key, second, stored(b"second"));
    subject.finish(&key, third, stored(b"third"));
    assert_eq!(subject.read(&key), NOTHING);
}

/// A writer whose marker has gone stores nothing, however it ended.
pub fn finishing_without_any_marker_stores_nothing(subject: &Subject) {
    for (n, ending) in endings().into_iter().enumerate() {
        let key = key(&format!("users:id:{n}"));
        subject.finish(&key, Nonce::fresh(), ending);
        assert_eq!(subject.read(&key), NOTHING);
    }
}

/// A writer whose marker has gone takes away what was filled since: it may be older than what it committed.
pub fn finishing_over_a_value_takes_it_away(subject: &Subject) {
    for ending in [stored(b"new"), Ending::Emptied] {
        let key = key("users:id:1");
        subject.put(&key, b"old");
        subject.finish(&key, Nonce::fresh(), ending);
        assert_eq!(subject.read(&key), NOTHING);
    }
}

/// A writer whose marker has gone takes away the lease of whoever may have loaded too early.
pub fn finishing_over_a_lease_takes_its_fill_away(subject: &Subject) {
    for ending in [stored(b"new"), Ending::Emptied] {
        let key = key("users:id:1");
        let lease = subject.lease(&key);
        subject.finish(&key, Nonce::fresh(), ending);
        assert!(!subject.fill(&key, lease, b"old"));
        assert_eq!(subject.read(&key), NOTHING);
    }
}

/// A writer whose marker has gone leaves another's in place, and that one no longer knows that it was alone.
pub fn finishing_beside_a_foreign_marker_makes_it_store_nothing(subject: &Subject) {
    for ending in [stored(b"ours"), Ending::Emptied] {
        let key = key("users:id:1");
        let theirs = subject.begin(&key);
        subject.finish(&key, Nonce::fresh(), ending);
        assert_eq!(subject.read(&key), Cell::InDoubt);
        subject.finish(&key, theirs, stored(b"theirs"));
        assert_eq!(subject.read(&key), NOTHING);
    }
}

/// A roll-back changes no row, so it takes away nothing but its own marker.
pub fn rolling_back_without_a_marker_changes_nothing(subject: &Subject) {
    let [value, leased, marked] = ["a", "b", "c"].map(key);
    subject.put(&value, b"one");
    let lease = subject.lease(&leased);
    let theirs = subject.begin(&marked);
    for key in [&value, &leased, &marked] {
        subject.finish(key, Nonce::fresh(), Ending::RolledBack);
    }
    assert_eq!(subject.read(&value), held(b"one"));
    assert!(subject.fill(&leased, lease, b"two"));
    subject.finish(&marked, theirs, stored(b"three"));
    assert_eq!(subject.read(&marked), held(b"three"));
}

/// A finish that is sent again because its answer was lost never brings anything back.
pub fn finishing_twice_leaves_nothing_stale(subject: &Subject) {
    let key = key("users:id:1");
    let first = subject.begin(&key);
    subject.finish(&key, first, stored(b"first"));
    subject.finish(&key, first, stored(b"first"));
    let second = subject.begin(&key);
    subject.finish(&key, first, stored(b"first"));
    assert_eq!(subject.read(&key), Cell::InDoubt);
    subject.finish(&key, second, stored(b"second"));
    subject.finish(&key, first, stored(b"first"));
    assert_ne!(subject.read(&key), held(b"first"));
}

/// A value that was written through lives for the time that came with it, not for the time of its marker.
pub fn a_written_value_expires(subject: &Subject) {
    let [short, long] = ["short", "long"].map(key);
    let nonce = subject.begin_for(&long, LONG);
    subject.finish(&long, nonce, stored(b"long"));
    let nonce = subject.begin_for(&short, LONG);
    subject.finish(&short, nonce, Ending::Value { value: Bytes::from_static(b"short"), ttl: SHORT });
    subject.wait_until("the value expires", || subject.read(&short) == NOTHING);
    assert_eq!(subject.read(&long), held(b"long"));
}
