use super::subject::{FOREIGN, LONG, NOTHING, SHORT, Subject, elsewhere, held, key};
use crate::store::{Bytes, Cell, Fence, Fill, Lease, Nonce, Vacancy};

/// One of two readers that miss gets the lease.
pub fn a_lease_is_granted_once(subject: &Subject) {
    let key = key("users:id:1");
    let lease = subject.lease(&key);
    for vacancy in [Vacancy::Nothing, Vacancy::Foreign] {
        let again = subject.store().lease(&[(&key, vacancy)], LONG).expect("a lease is answered");
        assert_eq!(again, [None]);
    }
    assert_eq!(subject.read(&key), Cell::Leased(lease.token));
}

/// A reader can tell whether it has seen the same lease before.
pub fn a_lease_tells_who_holds_it(subject: &Subject) {
    let key = key("users:id:1");
    let lease = subject.lease(&key);
    assert_eq!(subject.read(&key), Cell::Leased(lease.token));
    assert_eq!(subject.read(&key), Cell::Leased(lease.token));
}

/// A lease never takes the place of a value that may be served, whatever the reader thought it saw.
pub fn a_value_is_not_leased(subject: &Subject) {
    let key = key("users:id:1");
    subject.put(&key, b"one");
    for vacancy in [Vacancy::Nothing, Vacancy::Foreign] {
        let refused = subject.store().lease(&[(&key, vacancy)], LONG).expect("a lease is answered");
        assert_eq!(refused, [None]);
    }
    assert_eq!(subject.read(&key), held(b"one"));
}

/// A lease never takes the place of a marker, whatever the reader thought it saw and whatever its layout.
pub fn a_marked_cell_is_not_leased(subject: &Subject) {
    let key = key("users:id:1");
    subject.begin(&key);
    for key in [&key, &elsewhere(&key)] {
        for vacancy in [Vacancy::Nothing, Vacancy::Foreign] {
            let refused = subject.store().lease(&[(key, vacancy)], LONG).expect("a lease is answered");
            assert_eq!(refused, [None]);
        }
    }
    assert_eq!(subject.read(&key), Cell::InDoubt);
}

/// A value in another form is as good as none.
pub fn a_foreign_value_gives_way_to_a_lease(subject: &Subject) {
    let key = key("users:id:1");
    subject.put(&key, b"old form");
    let new = elsewhere(&key);
    subject.put(&new, b"new form");
    assert_eq!(subject.read(&key), FOREIGN);
}

/// A lease for another form is as good as none, and its fill comes too late.
pub fn a_foreign_lease_gives_way_to_a_lease(subject: &Subject) {
    let key = key("users:id:1");
    let old = subject.lease(&key);
    let new = elsewhere(&key);
    subject.put(&new, b"new form");
    assert!(!subject.fill(&key, old, b"old form"));
    assert_eq!(subject.read(&new), held(b"new form"));
}

/// A reader that never comes back blocks nobody for longer than its lease, and can't fill afterwards.
pub fn a_lease_expires(subject: &Subject) {
    let [short, long] = ["short", "long"].map(key);
    let kept = subject.lease(&long);
    let lost = subject.try_lease(&short, SHORT).expect("the cell can be leased");
    subject.wait_until("the lease expires", || subject.read(&short) == NOTHING);
    assert!(!subject.fill(&short, lost, b"late"));
    assert_eq!(subject.read(&short), NOTHING);
    assert_eq!(subject.read(&long), Cell::Leased(kept.token));
}

/// Tokens are never used twice, so that no fill can take another's lease for its own.
pub fn a_call_has_one_token_and_the_next_call_another(subject: &Subject) {
    let keys = ["a", "b", "c", "d"].map(key);
    let pairs: Vec<_> = keys.iter().map(|key| (key, Vacancy::Nothing)).collect();
    let first = subject.store().lease(&pairs[..2], LONG).expect("leases are answered");
    let second = subject.store().lease(&pairs[2..], LONG).expect("leases are answered");
    assert!(first[0].is_some() && second[0].is_some());
    assert_eq!(first[0], first[1]);
    assert_eq!(second[0], second[1]);
    assert_ne!(first[0], second[0]);
}

/// The read path: lease, load, fill, serve.
pub fn a_fill_under_its_lease_is_served(subject: &Subject) {
    let key = key("users:id:1");
    let lease = subject.lease(&key);
    assert!(subject.fill(&key, lease, b"one"));
    assert_eq!(subject.read(&key), held(b"one"));
}

/// A fill that is sent twice is kept once.
pub fn a_lease_is_good_for_one_fill(subject: &Subject) {
    let key = key("users:id:1");
    let lease = subject.lease(&key);
    assert!(subject.fill(&key, lease, b"one"));
    assert!(!subject.fill(&key, lease, b"two"));
    assert_eq!(subject.read(&key), held(b"one"));
}

/// Somebody else's lease fills nothing, and the right one still does.
pub fn a_fill_with_another_token_changes_nothing(subject: &Subject) {
    let key = key("users:id:1");
    let lease = subject.lease(&key);
    assert!(!subject.fill(&key, Lease { token: Nonce::fresh(), ..lease }, b"wrong"));
    assert_eq!(subject.read(&key), Cell::Leased(lease.token));
    assert!(subject.fill(&key, lease, b"right"));
}

/// A lease of an earlier life of the server fills nothing.
pub fn a_fill_of_another_fence_changes_nothing(subject: &Subject) {
    let key = key("users:id:1");
    let lease = subject.lease(&key);
    assert!(!subject.fill(&key, Lease { fence: Fence(*b"\0\x01\x02\x03\xfc\xfd\xfe\xff"), ..lease }, b"wrong"));
    assert_eq!(subject.read(&key), Cell::Leased(lease.token));
    assert!(subject.fill(&key, lease, b"right"));
}

/// A lease for one form fills nothing in another.
pub fn a_fill_of_another_layout_changes_nothing(subject: &Subject) {
    let key = key("users:id:1");
    let lease = subject.lease(&key);
    assert!(!subject.fill(&elsewhere(&key), lease, b"wrong"));
    assert_eq!(subject.read(&key), Cell::Leased(lease.token));
    assert!(subject.fill(&key, lease, b"right"));
}

/// A fill needs a lease on that very cell: not on another, not once, and not on none.
pub fn a_fill_without_its_lease_changes_nothing(subject: &Subject) {
    let [leased, other] = ["a", "b"].map(key);
    let lease = subject.lease(&leased);
    let fill = Fill { key: &other, lease, value: Bytes::from_static(b"wrong"), ttl: LONG };
    assert_eq!(subject.store().fill(&[fill]).expect("a fill is answered"), [false]);
    assert_eq!(subject.read(&other), NOTHING);
    assert_eq!(subject.read(&leased), Cell::Leased(lease.token));
}
