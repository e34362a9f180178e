use std::collections::BTreeSet;

use super::{
    bytes::awkward,
    subject::{FOREIGN, LONG, NOTHING, Subject, held, key, stored},
};
use crate::store::{BATCH, Cell, CellKey, Cursor, Layout, Nonce, Recall};

/// More than the keys of any test, and of any server that tests share, come in.
const MANY_PAGES: usize = 100_000;

type Found = BTreeSet<Vec<u8>>;

/// The keys of a whole scan, where `between` is run between its pages.
fn scan_with(subject: &Subject, prefix: &[u8], mut between: impl FnMut(usize)) -> Found {
    let (mut found, mut cursor) = (Found::new(), Cursor::START);
    for n_pages in 1..MANY_PAGES {
        let page = subject.store().scan(prefix, cursor).expect("a page is answered");
        for key in page.keys {
            assert_eq!(key.layout(), Layout::UNKNOWN, "{key}");
            found.insert(key.as_bytes().into());
        }
        let Some(next) = page.next else {
            return found;
        };
        cursor = next;
        between(n_pages);
    }
    panic!("the scan has no end");
}

fn scan(subject: &Subject, prefix: &[u8]) -> Found {
    scan_with(subject, prefix, |_| ())
}

fn set<'k>(keys: impl IntoIterator<Item = &'k CellKey>) -> Found {
    keys.into_iter().map(|key| key.as_bytes().into()).collect()
}

/// Two batches and a bit of keys that begin alike.
fn many(name: &str) -> Vec<CellKey> {
    (0..2 * BATCH + 3).map(|n| key(&format!("{name}:{n}"))).collect()
}

fn write(subject: &Subject, keys: &[CellKey]) {
    let nonce = Nonce::fresh();
    subject.store().begin(nonce, &keys.iter().collect::<Vec<_>>(), LONG, Recall::Announced).expect("markers are taken");
    let endings: Vec<_> = keys.iter().map(|key| (key, stored(b"written"))).collect();
    subject.store().finish(nonce, &endings).expect("writes are finished");
}

/// Whatever lies under a key is found, and a key without anything is not.
pub fn a_scan_finds_values_leases_and_markers(subject: &Subject) {
    let [value, leased, marked, gone] = ["users:id:1", "users:id:2", "users:id:3", "users:id:4"].map(key);
    assert_eq!(scan(subject, b"users:"), set([]));
    subject.put(&value, b"one");
    subject.lease(&leased);
    subject.begin(&marked);
    subject.put(&gone, b"gone");
    subject.settle(&gone, None);
    assert_eq!(scan(subject, b"users:"), set([&value, &leased, &marked]));
}

/// Keys that begin with the very prefix are found and no others, whatever its characters mean elsewhere.
pub fn a_scan_takes_its_prefix_literally(subject: &Subject) {
    let keys = [
        "users:id:1",
        "users:id:2",
        "users",
        "user:id:1",
        "*:id:1",
        "u*",
        "u?ers:id:1",
        "[u]sers:id:1",
        "u\\*",
        "u\\users",
        "u^",
    ]
    .map(key);
    for key in &keys {
        subject.put(key, b"one");
    }
    assert_eq!(scan(subject, b""), set(&keys), "every key begins with nothing");
    for prefix in
        ["users:", "users:id:1", "users:id:1?", "user", "u", "U", "*", "*:", "u*", "u?", "u\\", "[", "[u]", "?"]
    {
        let expected = keys.iter().filter(|key| key.as_bytes().starts_with(prefix.as_bytes()));
        assert_eq!(scan(subject, prefix.as_bytes()), set(expected), "{prefix}");
    }
}

/// Bytes that mean something to one protocol or another are only bytes in a prefix.
pub fn a_prefix_may_be_any_bytes(subject: &Subject) {
    let keys: Vec<CellKey> = awkward()
        .into_iter()
        .map(|mut bytes| {
            bytes.extend_from_slice(b"-and-more");
            CellKey::new(bytes, key("").layout())
        })
        .collect();
    for key in &keys {
        subject.put(key, b"one");
    }
    for key in &keys {
        assert_eq!(scan(subject, key.as_bytes()), set([key]), "{key}");
    }
}

/// More keys than any page has are all found, beside as many others.
pub fn a_scan_of_many_keys_finds_each(subject: &Subject) {
    let (users, orders) = (many("users:id"), many("orders:id"));
    write(subject, &users);
    write(subject, &orders);
    assert_eq!(scan(subject, b"users:"), set(&users));
    assert_eq!(scan(subject, b"orders:"), set(&orders));
}

/// A key with something under it from the first page to the last is found, however much comes and goes meanwhile.
pub fn what_stays_is_found_whatever_comes_and_goes(subject: &Subject) {
    let (staying, going) = (many("users:staying"), many("users:going"));
    write(subject, &staying);
    write(subject, &going);
    let found = scan_with(subject, b"users:", |n_pages| {
        let coming = many(&format!("users:coming:{n_pages}"));
        // So many that a server's table of keys grows, and then a few at a time.
        write(subject, if n_pages < 4 { &coming } else { &coming[..2] });
        if let Some(key) = going.get(n_pages) {
            subject.settle(key, None);
        }
        // A value becomes a marker and a value again, and is there all the time.
        write(subject, &staying[n_pages % staying.len()..][..1]);
    });
    let missing: Vec<_> = staying.iter().filter(|key| !found.contains(key.as_bytes())).collect();
    assert!(missing.is_empty(), "{missing:?} were there all the time");
}

/// Of what a scan finds only the key is known, and that is enough to settle it.
pub fn what_a_scan_finds_may_be_settled(subject: &Subject) {
    let [value, leased, marked] = ["users:id:1", "users:id:2", "users:id:3"].map(key);
    subject.put(&value, b"one");
    let lease = subject.lease(&leased);
    let nonce = subject.begin(&marked);
    let found: Vec<CellKey> =
        scan(subject, b"users:").into_iter().map(|key| CellKey::new(key, Layout::UNKNOWN)).collect();
    let cells = subject.store().read(&found).expect("reads are answered");
    assert_eq!(cells, [FOREIGN, FOREIGN, Cell::InDoubt]);
    assert_eq!(subject.read(&value), held(b"one"), "nothing was changed by looking");
    subject.store().settle(None, &found.iter().collect::<Vec<_>>()).expect("cells are settled");
    assert_eq!(subject.read(&value), NOTHING);
    assert!(!subject.fill(&leased, lease, b"old"));
    subject.finish(&marked, nonce, stored(b"old"));
    assert_eq!(subject.read(&marked), NOTHING);
}
