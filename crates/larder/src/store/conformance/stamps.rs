use super::subject::{FOREIGN, LONG, NOTHING, SHORT, Subject, elsewhere, held, key, stored};
use crate::store::{BATCH, Cell, CellKey, Layout, Nonce, Recall, Vacancy};

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
    for key in [value.clone(), elsewhere(&value), CellKey::new(value.as_bytes(), Layout::STAMP)] {
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

/// A stamp is put where there is nothing, and what is there stays.
pub fn a_stamp_is_put_where_there_is_nothing(subject: &Subject) {
    let [value, vacant, leased, marked] = ["a", "b", "c", "d"].map(key);
    subject.put(&value, b"one");
    let (before, lease, nonce) = (stamp(subject, &value), subject.lease(&leased), subject.begin(&marked));
    let keys = [&marked, &value, &leased, &vacant, &value];
    let stamps = subject.store().stamp(&keys, LONG).expect("stamps are put");
    let put = stamps[3];
    assert!(put.is_some() && put != before);
    assert_eq!(stamps, [None, before, None, put, before]);
    assert_eq!((subject.read(&value), subject.read(&marked)), (held(b"one"), Cell::InDoubt));
    assert_eq!(stamp(subject, &vacant), put);
    assert_eq!(subject.store().stamp(&[&vacant], LONG).expect("it is there"), [put]);
    assert!(subject.fill(&leased, lease, b"two"), "the lease is still in place");
    subject.finish(&marked, nonce, stored(b"three"));
    assert_eq!(subject.store().stamp(&[&marked], LONG).expect("it is there"), [Some(nonce)]);
    assert_eq!(subject.store().stamp(&[], LONG).expect("nothing is wanted"), []);
}

/// A stamp is foreign to whoever wants a value, and gives way to him; it expires, and writes take it away.
pub fn a_stamp_gives_way_to_a_value_and_to_a_write(subject: &Subject) {
    let put = |key: &CellKey, ttl| subject.store().stamp(&[key], ttl).expect("it is put")[0].expect("there is nothing");
    let [filled, written, short] = ["a", "b", "c"].map(key);
    let first = put(&filled, LONG);
    assert_eq!(subject.read(&filled), FOREIGN);
    subject.put(&filled, b"one");
    assert_ne!(stamp(subject, &filled), Some(first));
    put(&written, LONG);
    let nonce = subject.begin(&written);
    assert_eq!(stamp(subject, &written), None);
    subject.finish(&written, nonce, crate::store::Ending::RolledBack);
    assert_eq!(stamp(subject, &written), None, "nobody knows whether another has written");
    put(&short, SHORT);
    subject.wait_until("the stamp expires", || stamp(subject, &short).is_none());
}

/// More keys than a batch have their stamps in their order.
pub fn many_stamps_are_put_in_the_order_of_their_keys(subject: &Subject) {
    let keys: Vec<CellKey> = (0..2 * BATCH + 3).map(|n| key(&format!("users:id:{n}"))).collect();
    let some: Vec<_> = keys.iter().step_by(3).map(|key| (key, stored(key.as_bytes()))).collect();
    let nonce = Nonce::fresh();
    let marked: Vec<&CellKey> = some.iter().map(|(key, _)| *key).collect();
    subject.store().begin(nonce, &marked, LONG, Recall::Announced).expect("marked");
    subject.store().finish(nonce, &some).expect("written");
    let stamps = subject.store().stamp(&keys.iter().collect::<Vec<_>>(), LONG).expect("they are put");
    assert_eq!(subject.store().read_stamped(&[], &keys).expect("they are there").1, stamps);
    for (n, stamp) in stamps.into_iter().enumerate() {
        assert_eq!(stamp == Some(nonce), n.is_multiple_of(3), "key {n}");
        assert!(stamp.is_some(), "key {n}");
    }
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
