use std::time::Duration;

use super::subject::{FOREIGN, LONG, NOTHING, SHORT, Subject, elsewhere, held, key, stored};
use crate::store::{BATCH, Cell, CellKey, Ending, Inspected, Nonce, Recall};

fn inspect(subject: &Subject, key: &CellKey) -> Inspected {
    let mut inspected = subject.store().inspect(std::slice::from_ref(key)).expect("a cell is inspected");
    assert_eq!(inspected.len(), 1, "one key gives one cell");
    inspected.remove(0)
}

/// The cells are those of a read, in the order of their keys, gaps and repetitions included.
pub fn what_is_inspected_is_what_is_read(subject: &Subject) {
    let [value, nothing, leased, marked] = ["a", "b", "c", "d"].map(key);
    subject.put(&value, b"one");
    let lease = subject.lease(&leased);
    subject.begin(&marked);
    let foreign = [elsewhere(&value), elsewhere(&leased)];
    let mut keys = vec![marked.clone(), nothing.clone(), value.clone(), leased, value, marked, nothing];
    keys.extend(foreign);
    let inspected = subject.store().inspect(&keys).expect("cells are inspected");
    let cells: Vec<Cell> = inspected.iter().map(|inspected| inspected.cell.clone()).collect();
    assert_eq!(cells, subject.store().read(&keys).expect("cells are read"));
    let (one, leased) = (held(b"one"), Cell::Leased(lease.token));
    assert_eq!(cells, [Cell::InDoubt, NOTHING, one.clone(), leased, one, Cell::InDoubt, NOTHING, FOREIGN, FOREIGN]);
    for Inspected { cell, stamp, expires_in } in inspected {
        assert_eq!(stamp.is_some(), matches!(cell, Cell::Value(_)), "the stamp of {cell:?}");
        assert_eq!(expires_in.is_some(), cell != NOTHING, "the time of {cell:?}");
    }
}

/// More cells than go into a round trip stand where their keys do.
pub fn more_keys_than_a_batch_are_inspected_in_their_order(subject: &Subject) {
    let keys: Vec<CellKey> = (0..2 * BATCH + 3).map(|n| key(&format!("users:id:{n}"))).collect();
    let some: Vec<_> = keys.iter().step_by(3).map(|key| (key, stored(key.as_bytes()))).collect();
    let nonce = Nonce::fresh();
    subject
        .store()
        .begin(nonce, &some.iter().map(|(key, _)| *key).collect::<Vec<_>>(), LONG, Recall::Announced)
        .expect("marked");
    subject.store().finish(nonce, &some).expect("written");
    let inspected = subject.store().inspect(&keys).expect("cells are inspected");
    assert_eq!(inspected.len(), keys.len());
    for (n, (key, inspected)) in keys.iter().zip(inspected).enumerate() {
        let is_written = n.is_multiple_of(3);
        assert_eq!(inspected.cell, if is_written { held(key.as_bytes()) } else { NOTHING }, "cell {n}");
        assert_eq!(inspected.stamp, is_written.then_some(nonce), "cell {n}");
        assert_eq!(inspected.expires_in.is_some(), is_written, "cell {n}");
    }
}

/// What a reader filled in has its lease's token, what a writer stored has the write's nonce.
pub fn the_stamp_of_a_value_is_its_lease_or_its_write(subject: &Subject) {
    let key = key("users:id:1");
    let lease = subject.lease(&key);
    assert!(subject.fill(&key, lease, b"filled"));
    assert_eq!(inspect(subject, &key).stamp, Some(lease.token));
    let nonce = subject.begin(&key);
    assert_eq!(inspect(subject, &key).stamp, None);
    subject.finish(&key, nonce, stored(b"written"));
    assert_eq!(inspect(subject, &key).stamp, Some(nonce));
}

/// Whoever sees the same stamp twice knows that nothing has come between, and not only nothing else.
pub fn an_equal_value_stored_anew_has_another_stamp(subject: &Subject) {
    let key = key("users:id:1");
    subject.put(&key, b"one");
    let first = inspect(subject, &key);
    subject.settle(&key, None);
    subject.put(&key, b"one");
    let second = inspect(subject, &key);
    assert_eq!(first.cell, second.cell);
    assert_ne!(first.stamp, second.stamp);
}

/// The time that is left is at most what was given, and runs out.
pub fn the_time_that_is_left_runs_out(subject: &Subject) {
    let [value, lease, marker, short] = ["value", "lease", "marker", "short"].map(key);
    subject.put(&value, b"one");
    subject.lease(&lease);
    subject.begin(&marker);
    let left = [value, lease, marker].map(|key| inspect(subject, &key).expires_in.expect("it ends"));
    for left in left {
        assert!(left <= LONG && left > LONG - Duration::from_secs(60), "{left:?} of {LONG:?} are left");
    }
    let nonce = subject.begin(&short);
    subject.finish(&short, nonce, Ending::Value { value: b"one".as_slice().into(), ttl: SHORT });
    assert!(inspect(subject, &short).expires_in.is_some_and(|left| left <= SHORT));
    subject.wait_until("the value expires", || {
        inspect(subject, &short) == Inspected { cell: NOTHING, stamp: None, expires_in: None }
    });
}
