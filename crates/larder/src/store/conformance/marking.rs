use super::subject::{LONG, NOTHING, SHORT, Subject, elsewhere, held, key, stored};
use crate::store::{Cell, Ending, Nonce};

/// A write of a key that nobody has cached is in doubt all the same.
pub fn begin_marks_an_empty_cell(subject: &Subject) {
    let key = key("users:id:1");
    subject.begin(&key);
    assert_eq!(subject.read(&key), Cell::InDoubt);
}

/// While a write is in doubt, the old value is not served; when it is over, it does not come back.
pub fn begin_takes_a_value_away(subject: &Subject) {
    let key = key("users:id:1");
    subject.put(&key, b"old");
    let nonce = subject.begin(&key);
    assert_eq!(subject.read(&key), Cell::InDoubt);
    subject.finish(&key, nonce, Ending::RolledBack);
    assert_eq!(subject.read(&key), NOTHING);
}

/// The value of an older process goes as well, or it would be stale when that process reads next.
pub fn begin_takes_a_foreign_value_away(subject: &Subject) {
    let key = key("users:id:1");
    subject.put(&key, b"old");
    let nonce = subject.begin(&elsewhere(&key));
    assert_eq!(subject.read(&key), Cell::InDoubt);
    subject.finish(&elsewhere(&key), nonce, Ending::RolledBack);
    assert_eq!(subject.read(&key), NOTHING);
}

/// A reader that has loaded before the write can't fill after it.
pub fn begin_takes_a_lease_and_its_fill_away(subject: &Subject) {
    let key = key("users:id:1");
    let lease = subject.lease(&key);
    let nonce = subject.begin(&key);
    assert!(!subject.fill(&key, lease, b"old"));
    assert_eq!(subject.read(&key), Cell::InDoubt);
    subject.finish(&key, nonce, stored(b"new"));
    assert!(!subject.fill(&key, lease, b"old"));
    assert_eq!(subject.read(&key), held(b"new"));
}

/// A writer that never comes back blocks its keys for no longer than its hold, and leaves nothing.
pub fn a_marker_expires(subject: &Subject) {
    let [short, long] = ["short", "long"].map(key);
    subject.put(&short, b"old");
    subject.begin(&long);
    let lost = subject.begin_for(&short, SHORT);
    subject.wait_until("the marker expires", || subject.read(&short) == NOTHING);
    assert_eq!(subject.read(&long), Cell::InDoubt);
    subject.finish(&short, lost, stored(b"late"));
    assert_eq!(subject.read(&short), NOTHING, "a writer whose marker has expired stores nothing");
}

/// Two holds on a cell: it stays in doubt for the longer one, whichever came first.
pub fn the_longest_hold_counts(subject: &Subject) {
    let [long_first, short_first, witness] = ["a", "b", "witness"].map(key);
    subject.begin_for(&long_first, LONG);
    subject.begin_for(&long_first, SHORT);
    subject.begin_for(&short_first, SHORT);
    subject.begin_for(&short_first, LONG);
    subject.begin_for(&witness, SHORT);
    subject.wait_until("the witness expires", || subject.read(&witness) == NOTHING);
    assert_eq!(subject.read(&long_first), Cell::InDoubt);
    assert_eq!(subject.read(&short_first), Cell::InDoubt);
}

/// Whatever others do to a marker, it goes away by itself: its keys are never blocked for good.
pub fn a_marker_that_others_have_touched_still_expires(subject: &Subject) {
    let [shared, poisoned, settled] = ["a", "b", "c"].map(key);
    let leaves = subject.begin_for(&shared, SHORT);
    for cell in [&shared, &poisoned, &settled] {
        subject.begin_for(cell, SHORT);
    }
    subject.finish(&shared, leaves, stored(b"new"));
    subject.finish(&poisoned, Nonce::fresh(), stored(b"new"));
    subject.settle(&settled, None);
    for cell in [&shared, &poisoned, &settled] {
        subject.wait_until("the marker expires", || subject.read(cell) == NOTHING);
    }
}

/// A write that met another one stores nothing, even when the other's hold has run out since.
pub fn a_write_that_was_ever_in_company_stores_nothing(subject: &Subject) {
    let [cell, witness] = ["a", "witness"].map(key);
    let ours = subject.begin(&cell);
    subject.begin_for(&cell, SHORT);
    subject.begin_for(&witness, SHORT);
    subject.wait_until("the witness expires", || subject.read(&witness) == NOTHING);
    subject.finish(&cell, ours, stored(b"ours"));
    assert!(!matches!(subject.read(&cell), Cell::Value(_)), "two writes met here");
}

/// The next writer no longer waits for one whose hold has run out.
pub fn the_next_writer_forgets_a_hold_that_has_run_out(subject: &Subject) {
    let [cell, witness] = ["a", "witness"].map(key);
    let first = subject.begin(&cell);
    subject.begin_for(&cell, SHORT);
    subject.begin_for(&witness, SHORT);
    subject.wait_until("the witness expires", || subject.read(&witness) == NOTHING);
    let next = subject.begin(&cell);
    subject.finish(&cell, first, stored(b"first"));
    assert_eq!(subject.read(&cell), Cell::InDoubt);
    subject.finish(&cell, next, stored(b"next"));
    assert_eq!(subject.read(&cell), NOTHING);
}

/// More writers at once than a cell remembers are all waited for: by their holds, if not by name.
pub fn a_crowd_of_writers_waits_for_its_holds(subject: &Subject) {
    const N_WRITERS: usize = 70;
    let [lasting, passing] = ["a", "b"].map(key);
    let nonces: Vec<Nonce> = (0..N_WRITERS).map(|_| subject.begin(&lasting)).collect();
    // The oldest end last: they are the ones that a crowd is made of.
    for nonce in nonces.into_iter().rev() {
        assert_eq!(subject.read(&lasting), Cell::InDoubt);
        subject.finish(&lasting, nonce, stored(b"one of many"));
    }
    assert!(!matches!(subject.read(&lasting), Cell::Value(_)), "many writes met here");

    for _ in 0..N_WRITERS {
        subject.begin_for(&passing, SHORT);
    }
    subject.wait_until("the crowd expires", || subject.read(&passing) == NOTHING);
    subject.put(&passing, b"afterwards");
}
