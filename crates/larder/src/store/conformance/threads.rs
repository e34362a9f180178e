use std::{
    array,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use super::subject::{LONG, Subject, key, stored};
use crate::store::{Bytes, Cell, CellKey, Ending, Fill, Vacancy};

const N_ROWS: usize = 2;
const N_READERS: usize = 3;
const N_WRITERS: usize = 2;
const N_ROUNDS: usize = 200;

/// A row of the database: a counter that every committed write raises by one.
#[derive(Default)]
struct Row {
    lock: Mutex<()>,
    committed: AtomicU64,
}

/// Readers and writers at once, with real races: a read sees every write that was committed before it began, and none that
/// was not committed when it ended.
pub fn threads_never_read_older_than_what_was_committed(subject: &Subject) {
    let rows: [Row; N_ROWS] = array::from_fn(|_| Row::default());
    let keys: [CellKey; N_ROWS] = array::from_fn(|n| key(&format!("users:id:{n}")));
    let (rows, keys) = (&rows, &keys);
    thread::scope(|scope| {
        for _ in 0..N_WRITERS {
            scope.spawn(move || (0..N_ROUNDS).for_each(|round| write(subject, rows, keys, round)));
        }
        for _ in 0..N_READERS {
            scope.spawn(move || (0..N_ROUNDS).for_each(|_| read(subject, rows, keys)));
        }
    });
    for (row, key) in rows.iter().zip(keys) {
        let committed = row.committed.load(Ordering::SeqCst);
        match subject.read(key) {
            Cell::Value(value) => assert_eq!(number(&value), committed),
            Cell::Vacant(_) | Cell::Leased(_) => {}
            Cell::InDoubt => panic!("a marker was left behind by writers that have all ended"),
        }
    }
}

fn write(subject: &Subject, rows: &[Row; N_ROWS], keys: &[CellKey; N_ROWS], round: usize) {
    let (row, key) = (&rows[round % N_ROWS], &keys[round % N_ROWS]);
    let locked = row.lock.lock().unwrap_or_else(PoisonError::into_inner);
    let new = row.committed.load(Ordering::SeqCst) + 1;
    let nonce = subject.begin(key);
    if round % 5 == 4 {
        drop(locked);
        return subject.finish(key, nonce, Ending::RolledBack);
    }
    row.committed.store(new, Ordering::SeqCst);
    // The database lets the row go at COMMIT, so the next writer may begin before this one has finished.
    drop(locked);
    subject.finish(key, nonce, stored(&new.to_be_bytes()));
}

fn read(subject: &Subject, rows: &[Row; N_ROWS], keys: &[CellKey; N_ROWS]) {
    let committed = || rows.each_ref().map(|row| row.committed.load(Ordering::SeqCst));
    let before = committed();
    let cells = subject.store().read(keys).expect("reads are answered");
    let after = committed();
    for (n, cell) in cells.iter().enumerate() {
        if let Cell::Value(value) = cell {
            let found = number(value);
            assert!((before[n]..=after[n]).contains(&found), "{found} is not in {}..={}", before[n], after[n]);
        }
    }
    let vacant: Vec<(&CellKey, Vacancy)> = keys
        .iter()
        .zip(&cells)
        .filter_map(|(key, cell)| match cell {
            Cell::Vacant(vacancy) => Some((key, *vacancy)),
            _ => None,
        })
        .collect();
    let leases = subject.store().lease(&vacant, LONG).expect("leases are answered");
    let fills: Vec<Fill<'_>> = vacant
        .iter()
        .zip(leases)
        .filter_map(|((key, _), lease)| {
            let n = keys.iter().position(|other| other == *key)?;
            let value = Bytes::copy_from_slice(&rows[n].committed.load(Ordering::SeqCst).to_be_bytes());
            Some(Fill { key, lease: lease?, value, ttl: LONG })
        })
        .collect();
    subject.store().fill(&fills).expect("fills are answered");
}

fn number(value: &Bytes) -> u64 {
    u64::from_be_bytes(value[..].try_into().expect("a value of eight bytes, as all are that were stored"))
}
