use super::subject::{NOTHING, Subject, elsewhere, held, key, stored};
use crate::store::{Cell, Ending, Nonce};

fn words() -> [Option<Nonce>; 2] {
    [None, Some(Nonce::fresh())]
}

/// There is nothing to take away, and nothing to remember.
pub fn settling_an_empty_cell_changes_nothing(subject: &Subject) {
    let key = key("users:id:1");
    for word in words() {
        subject.settle(&key, word);
        assert_eq!(subject.read(&key), NOTHING);
    }
    subject.put(&key, b"one");
}

/// Somebody wrote past the cache: what it holds may be older.
pub fn settling_takes_a_value_away(subject: &Subject) {
    let key = key("users:id:1");
    for word in words() {
        subject.put(&key, b"old");
        subject.settle(&key, word);
        assert_eq!(subject.read(&key), NOTHING);
    }
}

/// What an older process would serve is taken away as well.
pub fn settling_takes_a_foreign_value_away(subject: &Subject) {
    let key = key("users:id:1");
    for word in words() {
        subject.put(&key, b"old");
        subject.settle(&elsewhere(&key), word);
        assert_eq!(subject.read(&key), NOTHING);
    }
}

/// Whoever loaded before the word came can't fill after it.
pub fn settling_takes_a_lease_and_its_fill_away(subject: &Subject) {
    let key = key("users:id:1");
    for word in words() {
        let lease = subject.lease(&key);
        subject.settle(&key, word);
        assert!(!subject.fill(&key, lease, b"old"));
        assert_eq!(subject.read(&key), NOTHING);
    }
}

/// The word of a write that has long stored its own value takes nothing away.
pub fn settling_a_write_keeps_what_it_stored(subject: &Subject) {
    let key = key("users:id:1");
    let nonce = subject.begin(&key);
    subject.finish(&key, nonce, stored(b"new"));
    subject.settle(&key, Some(nonce));
    assert_eq!(subject.read(&key), held(b"new"));
}

/// The word of one write is no word about another.
pub fn settling_one_write_takes_the_value_of_another(subject: &Subject) {
    let key = key("users:id:1");
    let nonce = subject.begin(&key);
    subject.finish(&key, nonce, stored(b"new"));
    subject.settle(&key, Some(Nonce::fresh()));
    assert_eq!(subject.read(&key), NOTHING);
}

/// A write that is still in doubt will end by itself.
pub fn settling_a_write_in_doubt_leaves_it_alone(subject: &Subject) {
    let key = key("users:id:1");
    let nonce = subject.begin(&key);
    subject.settle(&key, Some(nonce));
    assert_eq!(subject.read(&key), Cell::InDoubt);
    subject.finish(&key, nonce, stored(b"new"));
    assert_eq!(subject.read(&key), held(b"new"));
}

/// A write in doubt no longer knows that it was alone when somebody else has written.
pub fn settling_beside_a_write_makes_it_store_nothing(subject: &Subject) {
    for ending in [stored(b"ours"), Ending::Emptied, Ending::RolledBack] {
        let key = key("users:id:1");
        for word in words() {
            let nonce = subject.begin(&key);
            subject.settle(&key, word);
            assert_eq!(subject.read(&key), Cell::InDoubt);
            subject.finish(&key, nonce, ending.clone());
            assert_eq!(subject.read(&key), NOTHING);
        }
    }
}
