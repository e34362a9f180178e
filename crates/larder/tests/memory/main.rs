//! How much memory the near cache takes, against what it was allowed.
//!
//! What counts is what of the program lies in memory. `LARDER_INSERTS=10000000` makes it a long test.
#![cfg(all(feature = "sqlite", target_os = "linux"))]
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::{env, fs, hint::black_box, process::Command, time::Duration};

use diesel::{
    SqliteConnection,
    prelude::*,
    r2d2::{ConnectionManager, Pool},
    sqlite::Sqlite,
};
use larder::{
    Codec, Larder, MemoryStore, NearOptions, Repository,
    store::{self, Bytes, Cell, CellKey, Store, StoreError},
};

const BOUND: u64 = 48 << 20;

/// The length of the texts, and whether rows come in lists of ten.
const CASES: [(usize, bool); 5] = [(10, false), (40, false), (300, false), (2_000, false), (40, true)];

diesel::table! { notes (id) { id -> BigInt, author -> Text, text -> Text, } }

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = notes, check_for_backend(Sqlite))]
#[larder(index(author))]
struct Note {
    id: i64,
    author: String,
    text: String,
}

/// A store that has a value for every key, and tells of changes, of which there are none.
struct Endless {
    inner: MemoryStore,
    n_text_bytes: usize,
}

/// A row as larder writes it into a cell.
fn row(id: i64, n_text_bytes: usize, out: &mut Vec<u8>) {
    id.encode(out);
    "somebody".to_owned().encode(out);
    "x".repeat(n_text_bytes).encode(out);
}

impl Store for Endless {
    store::forward!(self.inner, except read);

    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        let cell = |key: &CellKey| {
            let (name, id) = key.as_bytes().rsplit_at_colon();
            let id: i64 = std::str::from_utf8(id).unwrap().parse().unwrap();
            let mut out = Vec::new();
            if name.ends_with(b"author") {
                out.extend_from_slice(&[2, 10]);
                (0..10).for_each(|n| row(id * 10 + n, self.n_text_bytes, &mut out));
            } else {
                out.push(1);
                row(id, self.n_text_bytes, &mut out);
            }
            Cell::Value(Bytes::from(out))
        };
        Ok(keys.iter().map(cell).collect())
    }
}

trait RsplitAtColon {
    fn rsplit_at_colon(&self) -> (&[u8], &[u8]);
}

impl RsplitAtColon for [u8] {
    fn rsplit_at_colon(&self) -> (&[u8], &[u8]) {
        let at = self.iter().rposition(|byte| *byte == b':').expect("a cell's key has parts");
        (&self[..at], &self[at + 1..])
    }
}

/// How many bytes of the program lie in memory.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let n_pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    n_pages * 4_096
}

/// The share of the bound that is taken after so many copies were kept, a few of them of rows that are near by then.
fn taken((n_text_bytes, lists): (usize, bool)) -> f64 {
    let n_inserts: i64 = env::var("LARDER_INSERTS").ok().map_or(400_000, |n| n.parse().unwrap());
    let pool = Pool::builder()
        .max_size(1)
        .min_idle(Some(0))
        .connection_timeout(Duration::from_secs(1))
        .build(ConnectionManager::<SqliteConnection>::new(":memory:"))
        .unwrap();
    let fill = |n_bytes: u64, n_inserts: i64| {
        let store = Endless { inner: MemoryStore::with_capacity_bytes(0), n_text_bytes };
        let larder: Larder<Sqlite> =
            Larder::builder(pool.clone()).shared(store).near(NearOptions::bytes(n_bytes)).build();
        let notes = Note::repository(&larder);
        for id in 0..if lists { n_inserts / 10 } else { n_inserts } {
            if lists {
                assert_eq!(black_box(notes.list_by_author(id.to_string()).load().unwrap()).len(), 10);
            } else {
                black_box(notes.get(id).unwrap());
            }
        }
        larder.clone()
    };
    // What the program needs at all is there then. It stays: what would be given back is taken again, and not seen to grow.
    let _small = fill(1 << 20, 10_000);
    let before = resident();
    let _larder = fill(BOUND, n_inserts);
    (resident() - before) as f64 / BOUND as f64
}

#[test]
fn the_near_cache_stays_within_a_twentieth_of_what_it_is_allowed() {
    // Each in a process of its own: an allocator keeps what it was given back.
    if let Ok(at) = env::var("LARDER_MEMORY_CASE") {
        println!("taken: {}", taken(CASES[at.parse::<usize>().unwrap()]));
        return;
    }
    let mut wrong = false;
    for (at, (n_text_bytes, lists)) in CASES.into_iter().enumerate() {
        let run = Command::new(env::current_exe().unwrap())
            .args(["--exact", "the_near_cache_stays_within_a_twentieth_of_what_it_is_allowed", "--nocapture"])
            .env("LARDER_MEMORY_CASE", at.to_string())
            .output()
            .unwrap();
        let said = String::from_utf8(run.stdout).unwrap();
        let taken = said.lines().find_map(|line| line.split_once("taken: ")).expect("it tells what it took").1;
        println!("texts of {n_text_bytes} bytes, lists: {lists}: {taken} of the bound");
        wrong |= !(0.95..=1.05).contains(&taken.parse::<f64>().unwrap());
    }
    assert!(!wrong, "see above");
}
