use super::subject::{FOREIGN, NOTHING, SHORT, Subject, elsewhere, held, key};
use crate::store::Cell;

/// Nothing is known of a key that nobody has touched.
pub fn an_untouched_key_is_vacant(subject: &Subject) {
    assert_eq!(subject.read(&key("users:id:1")), NOTHING);
}

/// `n` keys give `n` cells in their order, gaps and repetitions included.
pub fn cells_come_in_the_order_of_their_keys(subject: &Subject) {
    let [value, nothing, leased, marked] = ["a", "b", "c", "d"].map(key);
    subject.put(&value, b"one");
    let lease = subject.lease(&leased);
    subject.begin(&marked);
    let keys = [marked.clone(), nothing.clone(), value.clone(), leased, value, marked, nothing];
    let cells = subject.store().read(&keys).expect("a read is answered");
    let (one, leased) = (held(b"one"), Cell::Leased(lease.token));
    assert_eq!(cells, [Cell::InDoubt, NOTHING, one.clone(), leased, one, Cell::InDoubt, NOTHING]);
}

/// A value is served only to those who cache in the same form, and stays where it is.
pub fn a_value_of_another_layout_is_foreign(subject: &Subject) {
    let key = key("users:id:1");
    subject.put(&key, b"one");
    assert_eq!(subject.read(&elsewhere(&key)), FOREIGN);
    assert_eq!(subject.read(&key), held(b"one"));
}

/// A lease holds only those off who would fill in the same form.
pub fn a_lease_of_another_layout_is_foreign(subject: &Subject) {
    let key = key("users:id:1");
    let lease = subject.lease(&key);
    assert_eq!(subject.read(&elsewhere(&key)), FOREIGN);
    assert_eq!(subject.read(&key), Cell::Leased(lease.token));
}

/// A write is in doubt for everybody: old and new processes invalidate each other.
pub fn a_marker_counts_whatever_its_layout(subject: &Subject) {
    let key = key("users:id:1");
    subject.begin(&key);
    assert_eq!(subject.read(&elsewhere(&key)), Cell::InDoubt);
    assert_eq!(subject.read(&key), Cell::InDoubt);
}

/// A value goes away at the end of its time, and not before a longer one.
pub fn a_value_expires(subject: &Subject) {
    let [short, long] = ["short", "long"].map(key);
    subject.put(&long, b"long");
    let lease = subject.lease(&short);
    assert!(subject.fill_for(&short, lease, b"short", SHORT));
    subject.wait_until("the value expires", || subject.read(&short) == NOTHING);
    assert_eq!(subject.read(&long), held(b"long"));
}
