use std::time::Duration;

use super::subject::{LONG, NOTHING, Subject, held, stored};
use crate::store::{Bytes, Cell, CellKey, Ending, Layout};

const MEBIBYTE: usize = 1 << 20;

/// Bytes that mean something to one protocol or another, and all 256 of them.
pub(super) fn awkward() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        &b""[..],
        b"\0",
        b"\0\0",
        b" ",
        b"\n",
        b"\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"$-1\r\n",
        b"V",
        b"L",
        b"M",
        b"Mc",
        b"D",
        b"R",
        b"\xff",
        b"\xff\xfe\xfd",
        b"{a}",
        b"%s%d%n",
        b"1",
        b"-0",
        "na\u{ef}ve \u{1f980}".as_bytes(),
    ]
    .map(<[u8]>::to_vec)
    .into();
    all.push((0..=u8::MAX).collect());
    all.push([b'V'; 33].to_vec());
    all.push([b'L'; 33].to_vec());
    all.push([b'M'; 39].to_vec());
    all
}

fn key(bytes: &[u8]) -> CellKey {
    CellKey::new(bytes, Layout::new(u64::MAX))
}

/// Keys hold text that users have typed, and more.
pub fn keys_may_be_any_bytes(subject: &Subject) {
    let keys: Vec<CellKey> = awkward().iter().map(|bytes| key(bytes)).collect();
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(subject.read(key), NOTHING, "{key}");
        subject.put(key, n.to_string().as_bytes());
    }
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(subject.read(key), held(n.to_string().as_bytes()), "{key}");
        let nonce = subject.begin(key);
        subject.finish(key, nonce, stored(b"written"));
    }
    for key in &keys {
        assert_eq!(subject.read(key), held(b"written"), "{key}");
        subject.settle(key, None);
        assert_eq!(subject.read(key), NOTHING, "{key}");
    }
}

/// No key is taken for another because it is cut short, or ends or begins alike.
pub fn keys_that_begin_alike_are_different_cells(subject: &Subject) {
    let keys: Vec<CellKey> =
        [&b"a"[..], b"a\0", b"a\0\0", b"a\n", b"a\r\n", b"A", b"aa", b" a", b"a ", b""].map(key).into();
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(subject.read(key), NOTHING, "{key}");
        subject.put(key, n.to_string().as_bytes());
    }
    for (n, cell) in subject.store().read(&keys).expect("reads are answered").into_iter().enumerate() {
        assert_eq!(cell, held(n.to_string().as_bytes()), "{}", keys[n]);
    }
}

/// A value comes back as it went in, whether it was filled or written through.
pub fn values_may_be_any_bytes(subject: &Subject) {
    for (n, value) in awkward().into_iter().enumerate() {
        let key = key(format!("users:id:{n}").as_bytes());
        subject.put(&key, &value);
        let nonce = subject.begin(&key);
        subject.finish(&key, nonce, stored(&value));
        assert_eq!(subject.read(&key), held(&value), "{}", value.escape_ascii());
    }
}

/// A value of one mebibyte, beside small ones in the same call.
pub fn a_large_value_is_served(subject: &Subject) {
    let large: Vec<u8> = (0_u8..=250).cycle().take(MEBIBYTE).collect();
    let [small, filled, written] = [b"a", b"b", b"c"].map(|name| key(name));
    subject.put(&small, b"small");
    subject.put(&filled, &large);
    let nonce = subject.begin(&written);
    subject.finish(&written, nonce, stored(&large));
    let cells = subject.store().read(&[written, small, filled.clone()]).expect("reads are answered");
    assert_eq!(cells[1], held(b"small"));
    for cell in [&cells[0], &cells[2]] {
        // Not by `assert_eq`, which would print a megabyte.
        assert!(matches!(cell, Cell::Value(value) if *value == large), "the large value has changed");
    }
    let nonce = subject.begin(&filled);
    assert_eq!(subject.read(&filled), Cell::InDoubt);
    subject.finish(&filled, nonce, Ending::Emptied);
    assert_eq!(subject.read(&filled), NOTHING);
}

/// The shortest times are over soon and the longest are long; neither is an error.
pub fn no_time_to_live_is_too_short_or_too_long(subject: &Subject) {
    let [brief, lasting] = [b"a", b"b"].map(|name| key(name));

    let lease = subject.try_lease(&lasting, Duration::MAX).expect("the cell can be leased");
    assert_eq!(subject.read(&lasting), Cell::Leased(lease.token));
    assert!(subject.fill_for(&lasting, lease, b"for good", Duration::MAX));
    assert_eq!(subject.read(&lasting), held(b"for good"));
    let nonce = subject.begin_for(&lasting, Duration::MAX);
    assert_eq!(subject.read(&lasting), Cell::InDoubt);
    let ending = Ending::Value { value: Bytes::from_static(b"for good"), ttl: Duration::MAX };
    subject.finish(&lasting, nonce, ending);
    assert_eq!(subject.read(&lasting), held(b"for good"));

    for ttl in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(999)] {
        subject.try_lease(&brief, ttl);
        subject.wait_until("the lease expires", || subject.read(&brief) == NOTHING);
        let lease = subject.try_lease(&brief, LONG).expect("the cell can be leased");
        subject.fill_for(&brief, lease, b"brief", ttl);
        subject.wait_until("the value expires", || subject.read(&brief) == NOTHING);
        subject.begin_for(&brief, ttl);
        subject.wait_until("the marker expires", || subject.read(&brief) == NOTHING);
    }
    assert_eq!(subject.read(&lasting), held(b"for good"));
}
