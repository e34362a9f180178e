//! What a handle counts of itself.

use std::{convert::Infallible, time::Duration};

use larder::{
    Consistency, Larder, MemoryStore, NearOptions,
    stats::{ModelStats, Stats},
    store::Operation,
};

use crate::{
    database::Database,
    models::{NewUser, Order, User, UserChanges},
};

const LONG: Duration = Duration::from_secs(30);

fn near(bytes: u64) -> (Database, Larder<diesel::sqlite::Sqlite>) {
    let database = Database::filled();
    let builder = Larder::builder(database.pool.clone()).shared(MemoryStore::new());
    let larder = builder.near(NearOptions::bytes(bytes)).fill_in_background(false).build();
    (database, larder)
}

fn users(stats: &Stats) -> ModelStats {
    stats.model("users").cloned().unwrap_or_default()
}

#[test]
fn each_key_is_counted_once_by_where_it_came_from() {
    let (_database, larder) = near(1 << 20);
    let repository = || User::repository(&larder);
    assert!(larder.stats().models.is_empty());
    let reads: [(&dyn Fn(), [u64; 6]); 9] = [
        (&|| _ = repository().find(1).unwrap(), [0, 0, 1, 0, 0, 0]),
        (&|| _ = repository().find(1).unwrap(), [1, 0, 0, 0, 0, 0]),
        (&|| _ = repository().find_many(&[1, 2, 3, 99]).unwrap(), [1, 0, 3, 0, 0, 0]),
        (&|| _ = repository().find_many(&[1, 2, 3, 99]).unwrap(), [4, 0, 0, 0, 0, 0]),
        (&|| _ = repository().exists(1).unwrap(), [1, 0, 0, 0, 0, 0]),
        (&|| _ = repository().reading(Consistency::Shared).find(1).unwrap(), [0, 1, 0, 0, 0, 0]),
        (&|| _ = repository().reading(Consistency::Database).find_many(&[1, 2]).unwrap(), [0, 0, 0, 2, 0, 0]),
        (&|| _ = larder.transaction(|tx| User::repository(tx).find_many(&[1, 2])).unwrap(), [0, 0, 0, 0, 2, 0]),
        (&|| _ = repository().query(|query| query).unwrap(), [0, 0, 0, 0, 0, 0]),
    ];
    for (at, (read, expected)) in reads.iter().enumerate() {
        let before = users(&larder.stats()).keys;
        read();
        let after = users(&larder.stats()).keys;
        let found = [
            after.near - before.near,
            after.shared - before.shared,
            after.missed - before.missed,
            after.bypassed.asked - before.bypassed.asked,
            after.bypassed.transaction - before.bypassed.transaction,
            after.bypassed.total() - before.bypassed.total() - expected[3] - expected[4],
        ];
        assert_eq!(found, *expected, "read {at}");
        assert_eq!(after.asked() - before.asked(), expected.iter().sum::<u64>(), "read {at}");
    }
}

#[test]
fn lists_and_their_counts_are_counted_as_rows_are() {
    let (_database, larder) = near(1 << 20);
    let orders = Order::repository(&larder);
    let keys = || larder.stats().model("orders").cloned().unwrap_or_default().keys;
    assert_eq!(orders.count_by_user_id(1).unwrap(), 2);
    assert_eq!((keys().missed, keys().asked()), (1, 1));
    orders.list_by_user_id(1).load().unwrap();
    assert_eq!(orders.count_by_user_id(1).unwrap(), 2);
    assert_eq!((keys().missed, keys().near, keys().asked()), (2, 1, 3));
    assert_eq!(orders.clone().reading(Consistency::Shared).count_by_user_id(1).unwrap(), 2);
    assert_eq!((keys().shared, keys().asked()), (1, 4));
    larder.transaction(|tx| Order::repository(tx).count_by_user_id(1)).unwrap();
    assert_eq!((keys().bypassed.transaction, keys().asked()), (1, 5));
}

#[test]
fn a_handle_without_a_store_reads_past_it() {
    let database = Database::filled();
    let larder = Larder::<diesel::sqlite::Sqlite>::builder(database.pool.clone()).build();
    User::repository(&larder).find(1).unwrap();
    let stats = larder.stats();
    assert_eq!((users(&stats).keys.bypassed.no_store, users(&stats).keys.asked()), (1, 1));
    assert!(stats.store.is_empty() && stats.near.is_none());
}

#[test]
fn a_miss_is_leased_loaded_filled_and_kept() {
    let (_database, larder) = near(1 << 20);
    User::repository(&larder).find_many(&[1, 2]).unwrap();
    let stats = larder.stats();
    let model = users(&stats);
    assert_eq!([model.leases_granted, model.leases_refused, model.lease_waits.n], [2, 0, 0]);
    assert_eq!([model.fills_stored, model.fills_refused, model.fills_failed], [2, 0, 0]);
    assert_eq!([model.copies_kept, model.copies_refused, model.corrupt], [2, 0, 0]);
    assert_eq!([model.loads.n, model.statements.n, model.statements_failed], [1, 1, 0]);
    assert!(model.loads.total >= model.statements.total && model.loads.longest > Duration::ZERO);
    let calls = |operation| {
        let of = stats.store.iter().find(|of| of.operation == operation).unwrap();
        (of.calls.n, of.cells, of.failed)
    };
    assert_eq!([calls(Operation::Read), calls(Operation::Lease), calls(Operation::Fill)], [(1, 2, 0); 3]);
    assert_eq!(calls(Operation::Begin), (0, 0, 0));
    let near = stats.near.unwrap();
    assert!(near.copies == 2 && near.bytes > 0 && near.bytes < near.capacity_bytes && near.proof_age.is_some());
}

#[test]
fn writes_are_counted_with_what_they_announce() {
    let (_database, larder) = near(1 << 20);
    let new = NewUser { id: 9, email: "new@x".into(), name: "New".into() };
    User::repository(&larder).insert(&new).unwrap();
    let stats = larder.stats();
    let model = users(&stats);
    assert_eq!((model.rows_written, model.statements.n), (1, 1));
    // The row's own cell, that of its address, and the table's.
    assert_eq!((model.invalidations_sent, stats.transactions.n), (3, 1));
    assert!(model.invalidations_received >= 2, "the store tells whoever wrote, too");
    assert!(User::repository(&larder).insert(&new).is_err());
    let failed = larder.transaction(|tx| {
        User::repository(tx).update(9, &UserChanges { name: Some("Newer"), ..UserChanges::default() })?;
        Err::<(), _>(larder::Error::other("no"))
    });
    assert!(failed.is_err());
    let stats = larder.stats();
    assert_eq!((users(&stats).statements_failed, stats.transactions.n, stats.transactions_failed), (1, 1, 2));
    assert_eq!(users(&stats).invalidations_sent, 3, "what was rolled back was never announced");
}

#[test]
fn what_has_no_room_is_evicted_and_counted() {
    let (database, larder) = near(1 << 20);
    let new = |id: i64| NewUser { id, email: format!("{id}@x"), name: "x".repeat(400) };
    let ids: Vec<i64> = (1_000..5_000).collect();
    User::repository(&database.larder).insert_many(&ids.iter().copied().map(new).collect::<Vec<_>>()).unwrap();
    let evicted = || larder.stats().near.unwrap().evictions;
    // What takes the place of an older copy of the same key is no eviction.
    User::repository(&larder).find(1).unwrap();
    User::repository(&larder).update(1, &UserChanges { name: Some("Ada 2"), ..UserChanges::default() }).unwrap();
    User::repository(&larder).find(1).unwrap();
    assert_eq!((users(&larder.stats()).copies_kept, evicted()), (2, 0));
    // Few at a time: keys of one call that share a slot are not kept.
    ids.chunks(20).for_each(|ids| _ = User::repository(&larder).find_many(ids).unwrap());
    let (stats, near) = (larder.stats(), larder.stats().near.unwrap());
    assert!(near.evictions > 1_000 && near.copies > 500, "{near}");
    assert!(near.copies + near.evictions <= users(&stats).copies_kept, "{near}");
    assert!(near.bytes <= near.capacity_bytes + near.capacity_bytes / 20, "{near}");
}

#[test]
fn memos_are_counted() {
    let database = Database::empty();
    let memo = || database.larder.memo("answer");
    memo().load(|| Ok::<_, Infallible>(1)).unwrap();
    memo().load(|| Ok::<_, Infallible>(2)).unwrap();
    assert!(memo().ttl(Duration::ZERO).load(|| Err::<i32, _>(())).is_err());
    memo().ttl(Duration::ZERO).stale_for(LONG).load(|| Err::<i32, _>(())).unwrap();
    let memos = database.larder.stats().memos;
    assert_eq!([memos.hits, memos.computed, memos.failed, memos.stale], [1, 1, 2, 1]);
}

#[test]
fn sums_and_tables_are_of_all_models() {
    let (_database, larder) = near(1 << 20);
    User::repository(&larder).with(User::orders()).find_many(&[1, 2, 3]).unwrap();
    User::repository(&larder).find(1).unwrap();
    let stats = larder.stats();
    let total = stats.total();
    assert_eq!((total.keys.asked(), total.keys.missed, total.keys.near), (7, 6, 1));
    assert_eq!(total.loads.n, 2);
    let table = stats.to_string();
    let line = |name: &str| table.lines().find(|line| line.starts_with(name)).map(str::to_owned).unwrap_or_default();
    assert!(line("users ").contains("25.0%") && line("users ").contains("75.0%"), "{table}");
    assert!(line("orders ").contains("100.0%") && line("all ").contains(" 7 "), "{table}");
    assert!(line("near: 6 copies").contains("0 evicted") && line("read ").contains(" 2 "), "{table}");
}
