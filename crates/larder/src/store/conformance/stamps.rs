use super::subject::{FOREIGN, LONG, NOTHING, SHORT, Subject, elsewhere, key, stored};
use crate::store::{BATCH, Cell, CellKey, Layout, Nonce, Recall, Vacancy};

/// The same cell, for whoever wants to know that it is not written.
fn stub(key: &CellKey) -> CellKey {
    CellKey::new(key.as_bytes(), Layout::STAMP)
}

fn stamp(subject: &Subject, key: &CellKey) -> Option<Nonce> {
    let (cells, stamps) = subject.store().read_stamped(&[], std::slice::from_ref(key)).expect("stamps are read");
    assert_eq!((cells.len(), stamps.len()), (0, 1));
    stamps[0]
}

/// Cells as they are read, and stamps beside them, each in the order of its keys, gaps, repetitions and more than a batch included.
pub fn stamps_come_with_cells_in_their_order(subject: &Subject) {
    let keys: Vec<CellKey> = (0..2 * BATCH + 3).map(|n| key(&format!("users:id:{n}"))).collect();
    let some: Vec<_> = keys.iter().step_by(3).map(|key| (key, stored(key.as_bytes()))).collect();
    let nonce = Nonce::fresh();
    let marked: Vec<&CellKey> = some.iter().map(|(key, _)| *key).collect();
    subject.store().begin(nonce, &marked, LONG, Recall::Announced).expect("marked");
    subject.store().finish(nonce, &some).expect("written");
    let backwards: Vec<CellKey> = keys.iter().rev().cloned().collect();
    let (cells, stamps) = subject.store().read_stamped(&keys, &backwards).expect("they are read");
    assert_eq!(cells, subject.store().read(&keys).expect("cells are read"));
    let expected: Vec<_> = (0..keys.len()).rev().map(|n| n.is_multiple_of(3).then_some(nonce)).collect();
    assert_eq!(stamps, expected);
    let (cells, stamps) = subject.store().read_stamped(&keys[..2], &[]).expect("they are read");
    assert_eq!((cells.len(), stamps.len()), (2, 0));
}

/// A value has a stamp whatever its layout; leases, markers and nothing have none.
pub fn only_values_have_stamps_and_those_of_every_layout(subject: &Subject) {
    let [value, leased, marked, nothing] = ["a", "b", "c", "d"].map(key);
    let lease = subject.lease(&value);
    assert_eq!(stamp(subject, &value), None);
    assert!(subject.fill(&value, lease, b"one"));
    for key in [value.clone(), elsewhere(&value), stub(&value)] {
        assert_eq!(stamp(subject, &key), Some(lease.token));
    }
    subject.lease(&leased);
    subject.begin(&marked);
    for key in [leased, marked, nothing] {
        assert_eq!(stamp(subject, &key), None);
    }
    let nonce = subject.begin(&value);
    assert_eq!(stamp(subject, &value), None);
    subject.finish(&value, nonce, stored(b"two"));
    assert_eq!(stamp(subject, &value), Some(nonce));
    subject.settle(&value, None);
    assert_eq!(stamp(subject, &value), None);
}

/// A stub is put where there is nothing, and takes the place of no value and no lease of another layout.
pub fn a_stub_takes_the_place_of_nothing_else(subject: &Subject) {
    let [value, leased, vacant] = ["a", "b", "c"].map(key);
    subject.put(&value, b"one");
    let lease = subject.lease(&leased);
    for key in [&value, &leased] {
        assert_eq!(subject.try_lease(&stub(key), LONG), None);
    }
    assert!(subject.fill(&leased, lease, b"two"));
    subject.put(&stub(&vacant), b"");
    assert!(stamp(subject, &vacant).is_some());
    assert_eq!(subject.try_lease(&stub(&vacant), LONG), None, "it is there already");
    let short = key("d");
    let lease = subject.lease(&stub(&short));
    assert!(subject.fill_for(&stub(&short), lease, b"", SHORT));
    subject.wait_until("the stub expires", || stamp(subject, &short).is_none());
}

/// A stub, and a lease for one, are foreign to whoever wants a value, and give way to him.
pub fn a_stub_gives_way_to_a_value(subject: &Subject) {
    let [filled, leased] = ["a", "b"].map(key);
    subject.put(&stub(&filled), b"");
    let stamped = stamp(subject, &filled);
    assert_eq!(subject.read(&filled), FOREIGN);
    subject.put(&filled, b"one");
    assert_ne!(stamp(subject, &filled), stamped);
    let lease = subject.lease(&stub(&leased));
    subject.put(&leased, b"two");
    assert!(!subject.fill(&stub(&leased), lease, b""));
}

/// A value gives way to whoever knows its stamp and that it is of no use any more, and to nobody who knows an earlier one.
pub fn an_outdated_value_gives_way_to_a_lease(subject: &Subject) {
    let key = key("users:id:1");
    let lease = |stamp| {
        let leases = subject.store().lease(&[(&key, Vacancy::Outdated(stamp))], LONG).expect("a lease is answered");
        leases[0]
    };
    subject.put(&key, b"one");
    let first = stamp(subject, &key).expect("it is a value");
    assert_eq!(lease(Nonce::fresh()), None);
    let granted = lease(first).expect("nobody has been there");
    assert_eq!(subject.read(&key), Cell::Leased(granted.token));
    assert_eq!(lease(first), None, "one lease is enough");
    assert!(subject.fill(&key, granted, b"two"));
    assert_eq!(lease(first), None, "that is another value");
    let nonce = subject.begin(&key);
    assert_eq!(lease(granted.token), None, "a write is in doubt");
    subject.finish(&key, nonce, crate::store::Ending::Emptied);
    assert_eq!(subject.read(&key), NOTHING);
    assert!(lease(granted.token).is_some(), "there is nothing any more");
}
