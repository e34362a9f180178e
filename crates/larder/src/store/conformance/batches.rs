use super::subject::{LONG, NOTHING, Subject, held, key, stored};
use crate::store::{BATCH, Bytes, Cell, CellKey, Ending, Fill, Nonce, Recall, Vacancy};

/// No keys, no answers, no error.
pub fn nothing_asked_is_nothing_done(subject: &Subject) {
    let store = subject.store();
    assert_eq!(store.read(&[]).expect("nothing is read"), []);
    assert_eq!(store.lease(&[], LONG).expect("nothing is leased"), []);
    assert_eq!(store.fill(&[]).expect("nothing is filled"), [] as [bool; 0]);
    store.begin(Nonce::fresh(), &[], LONG, Recall::Announced).expect("nothing is marked");
    store.finish(Nonce::fresh(), &[]).expect("nothing is finished");
    store.settle(None, &[]).expect("nothing is settled");
    assert_eq!(store.inspect(&[]).expect("nothing is inspected"), []);
}

/// Two batches and a bit, with every third cell taken: all answers stand where their keys do.
pub fn more_keys_than_a_batch_keep_their_order(subject: &Subject) {
    let store = subject.store();
    let keys: Vec<CellKey> = (0..2 * BATCH + 3).map(|n| key(&format!("users:id:{n}"))).collect();
    let is_taken = |n: usize| n.is_multiple_of(3);
    let value = |n: usize| Bytes::from(format!("value {n}"));
    let vacant: Vec<_> = keys.iter().map(|key| (key, Vacancy::Nothing)).collect();

    let taken: Vec<_> = vacant.iter().step_by(3).copied().collect();
    let others = store.lease(&taken, LONG).expect("leases are answered");
    assert_eq!(others.len(), taken.len());

    let leases = store.lease(&vacant, LONG).expect("leases are answered");
    assert_eq!(leases.len(), keys.len());
    for (n, lease) in leases.iter().enumerate() {
        assert_eq!(lease.is_none(), is_taken(n), "lease {n}");
    }

    let wrong = leases[1].expect("the second cell was free");
    let fills: Vec<_> = keys
        .iter()
        .enumerate()
        .map(|(n, key)| Fill { key, lease: leases[n].unwrap_or(wrong), value: value(n), ttl: LONG })
        .collect();
    let filled = store.fill(&fills).expect("fills are answered");
    assert_eq!(filled.len(), keys.len());
    for (n, filled) in filled.iter().enumerate() {
        assert_eq!(*filled, !is_taken(n), "fill {n}");
    }

    let cells = store.read(&keys).expect("reads are answered");
    assert_eq!(cells.len(), keys.len());
    for (n, cell) in cells.iter().enumerate() {
        match cell {
            Cell::Value(found) => assert!(!is_taken(n) && *found == value(n), "cell {n}"),
            other => assert!(is_taken(n), "cell {n} is {other:?}"),
        }
    }

    let nonce = Nonce::fresh();
    let all: Vec<&CellKey> = keys.iter().collect();
    store.begin(nonce, &all, LONG, Recall::Announced).expect("markers are taken");
    assert!(store.read(&keys).expect("reads are answered").iter().all(|cell| *cell == Cell::InDoubt));
    let endings: Vec<_> = keys
        .iter()
        .enumerate()
        .map(|(n, key)| (key, if is_taken(n) { Ending::Emptied } else { stored(&value(n)) }))
        .collect();
    store.finish(nonce, &endings).expect("writes are finished");
    for (n, cell) in store.read(&keys).expect("reads are answered").into_iter().enumerate() {
        assert_eq!(cell, if is_taken(n) { NOTHING } else { Cell::Value(value(n)) }, "cell {n}");
    }

    store.settle(None, &all).expect("cells are settled");
    assert!(store.read(&keys).expect("reads are answered").iter().all(|cell| *cell == NOTHING));
}

/// Of two leases on one cell in a call one is granted, and of two fills under it one is kept.
pub fn a_key_given_twice_is_leased_and_filled_once(subject: &Subject) {
    let key = key("users:id:1");
    let pair = [(&key, Vacancy::Nothing); 2];
    let leases = subject.store().lease(&pair, LONG).expect("leases are answered");
    assert_eq!(leases.iter().flatten().count(), 1, "{leases:?}");
    let lease = leases.into_iter().flatten().next().expect("one was granted");
    let fill = |value: &'static [u8]| Fill { key: &key, lease, value: Bytes::from_static(value), ttl: LONG };
    let filled = subject.store().fill(&[fill(b"one"), fill(b"two")]).expect("fills are answered");
    assert_eq!(filled, [true, false]);
    assert_eq!(subject.read(&key), held(b"one"));
}

/// A writer that names a key twice loses speed and no truth: the last value is served, or none.
pub fn a_key_written_twice_in_a_call_is_never_stale(subject: &Subject) {
    let key = key("users:id:1");
    subject.put(&key, b"old");
    let nonce = Nonce::fresh();
    subject.store().begin(nonce, &[&key, &key], LONG, Recall::Announced).expect("markers are taken");
    assert_eq!(subject.read(&key), Cell::InDoubt);
    let endings = [(&key, stored(b"first")), (&key, stored(b"last"))];
    subject.store().finish(nonce, &endings).expect("writes are finished");
    let cell = subject.read(&key);
    assert!(cell == NOTHING || cell == held(b"last"), "{cell:?}");
    subject.store().settle(None, &[&key, &key]).expect("cells are settled");
    assert_eq!(subject.read(&key), NOTHING);
}

/// What one cell of a call is in changes nothing for the others.
pub fn one_call_treats_each_cell_by_itself(subject: &Subject) {
    let [clean, shared, lost, held_by_value, rolled_back] = ["a", "b", "c", "d", "e"].map(key);
    let nonce = Nonce::fresh();
    subject.store().begin(nonce, &[&clean, &shared, &rolled_back], LONG, Recall::Announced).expect("markers are taken");
    subject.begin(&shared);
    subject.put(&held_by_value, b"old");
    let endings = [
        (&clean, stored(b"new")),
        (&shared, stored(b"new")),
        (&lost, stored(b"new")),
        (&held_by_value, stored(b"new")),
        (&rolled_back, Ending::RolledBack),
    ];
    subject.store().finish(nonce, &endings).expect("writes are finished");
    let cells = subject.store().read(&[clean, shared, lost, held_by_value, rolled_back]).expect("reads are answered");
    assert_eq!(cells, [held(b"new"), Cell::InDoubt, NOTHING, NOTHING, NOTHING]);
}
