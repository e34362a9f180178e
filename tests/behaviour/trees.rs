//! Views that are stored whole, through Redis: what they cost, and that no order of two writers leaves an old one behind.

mod tables;

use std::{thread, time::Duration};

use diesel::{connection::SimpleConnection as _, pg::Pg, prelude::*};
use larder::{Isolation, Larder, TransactionOptions, relay::Relay};
use tests::{Cost, Failure, Operation, Shop, eventually};

use self::tables::{Bin, DEPOTS, Depot, DepotTree, Good, Kind, bins, depots, goods, kinds, models};

const LONG: Duration = Duration::from_secs(60);

fn tree(larder: &Larder<Pg>, depot: i64) -> DepotTree {
    Depot::repository(larder).select::<DepotTree>().get(depot).unwrap()
}

/// What the tables hold.
fn truth(larder: &Larder<Pg>, depot: i64) -> DepotTree {
    larder.transaction(|tx| Depot::repository(tx).select::<DepotTree>().get(depot)).unwrap()
}

fn amount(tree: &DepotTree, of_bin: i64) -> Option<i32> {
    Some(tree.bins.iter().find(|found| found.id == of_bin)?.goods[0].amount)
}

/// Whether anybody waits for a lock in the shop's database.
fn somebody_waits(shop: &Shop) -> bool {
    let waits = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    diesel::sql_query(waits).execute(&mut shop.database.connect()).unwrap() > 0
}

#[test]
fn fifty_trees_are_one_round_trip() {
    let shop = Shop::of(&DEPOTS);
    let other = shop.branch();
    let keys: Vec<i64> = (1..=50).collect();
    let load = |larder: &Larder<Pg>| Depot::repository(larder).select::<DepotTree>().find_many(&keys).unwrap();
    let cold = load(&shop.larder);
    // A level each; the version's stamp, the leases, the trees.
    shop.meter.expect(Cost { sql: 4, store_reads: 1, store_writes: 3 });
    assert!(cold.iter().flatten().all(|tree| tree.bins.len() == 3 && tree.bins[0].goods.len() == 2));
    assert_eq!(load(&other.larder), cold);
    other.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
    assert_eq!(Some(tree(&other.larder, 7)), cold[6]);
    other.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
    // A row just below the root knows it; of one further down, the row between is locked and read.
    Bin::repository(&shop.larder).update(70, bins::label.eq("z")).unwrap();
    shop.meter.expect(Cost { sql: 1, store_reads: 0, store_writes: 2 });
    Good::repository(&shop.larder).update((70, 1), goods::amount.eq(6)).unwrap();
    shop.meter.expect(Cost { sql: 2, store_reads: 0, store_writes: 2 });
    assert_eq!(amount(&tree(&other.larder, 7), 70), Some(6));
    other.meter.expect(Cost { sql: 4, store_reads: 1, store_writes: 2 });
}

#[test]
fn who_moves_the_row_between_waits_for_who_has_followed_it() {
    let shop = Shop::of(&DEPOTS);
    let other = shop.branch();
    let elsewhere = [tree(&other.larder, 1), tree(&other.larder, 2)];
    assert_eq!((elsewhere[0].bins.len(), elsewhere[1].bins.len()), (3, 3));
    // 1. W1 changes what lies in a bin, finds its depot, marks it, and has not committed.
    let gate = shop.faults.after(Operation::Begin).nth(1).hold();
    thread::scope(|scope| {
        let first = scope.spawn(|| Good::repository(&shop.larder).update((10, 1), goods::amount.eq(99)).unwrap());
        gate.wait_for(1);
        // 2. W2 gives the crate to another depot, of which W1 knows nothing.
        let second = scope.spawn(|| Bin::repository(&other.larder).update(10, bins::depot_id.eq(2)).unwrap());
        eventually(LONG, || second.is_finished() || somebody_waits(&shop));
        // 3. R stores the tree of that one.
        let reader = shop.branch();
        tree(&reader.larder, 2);
        // 4. W1 commits.
        gate.open();
        first.join().unwrap();
        second.join().unwrap();
    });
    for depot in [1, 2] {
        assert_eq!(tree(&other.larder, depot), truth(&other.larder, depot));
    }
    assert_eq!(amount(&tree(&shop.larder, 2), 10), Some(99));
}

#[test]
fn who_follows_a_row_that_is_being_moved_waits_until_it_is_known_where_to() {
    let shop = Shop::of(&DEPOTS);
    let other = shop.branch();
    tree(&other.larder, 2);
    // 1. W1 gives a bin to another depot, and has not committed.
    let gate = shop.faults.after(Operation::Begin).nth(1).hold();
    thread::scope(|scope| {
        let first = scope.spawn(|| Bin::repository(&shop.larder).update(10, bins::depot_id.eq(2)).unwrap());
        gate.wait_for(1);
        // 2. W2 changes what lies in it.
        let second = scope.spawn(|| Good::repository(&other.larder).update((10, 1), goods::amount.eq(99)).unwrap());
        eventually(LONG, || second.is_finished() || somebody_waits(&shop));
        gate.open();
        first.join().unwrap();
        // 3. R may store the tree as it is between the two.
        tree(&shop.branch().larder, 2);
        second.join().unwrap();
    });
    assert_eq!(tree(&shop.branch().larder, 2), truth(&shop.larder, 2));
    assert_eq!(amount(&tree(&shop.larder, 2), 10), Some(99));
}

#[test]
fn a_transaction_that_can_not_see_where_a_row_was_moved_to_fails_and_may_be_tried_again() {
    let shop = Shop::of(&DEPOTS);
    let other = shop.branch();
    let options = TransactionOptions { isolation: Isolation::RepeatableRead, retries: 0, writes: None };
    let failed = shop.larder.transaction_with(options, |tx| {
        assert_eq!(truth_in(tx), 5);
        Bin::repository(&other.larder).update(10, bins::depot_id.eq(2))?;
        Good::repository(tx).update((10, 1), goods::amount.eq(99))
    });
    assert!(failed.as_ref().is_err_and(larder::Error::is_retryable), "{failed:?}");
    for depot in [1, 2] {
        assert_eq!(tree(&shop.larder, depot), truth(&other.larder, depot));
    }
}

fn truth_in(tx: &larder::Tx<Pg>) -> i32 {
    Good::repository(tx).get((10, 1)).unwrap().amount
}

#[test]
fn what_a_reader_has_loaded_before_a_write_of_any_level_is_not_stored_after_it() {
    type Write = fn(&Larder<Pg>) -> larder::Result<()>;
    let writes: [Write; 6] = [
        |larder| Depot::repository(larder).update(1, depots::name.eq("new")).map(drop),
        |larder| Good::repository(larder).update((10, 1), goods::amount.eq(99)).map(drop),
        |larder| Bin::repository(larder).delete(10).map(drop),
        // One by one too many.
        |larder| Bin::repository(larder).update_where(bins::id.gt(0), bins::label.eq("all")).map(drop),
        |larder| Kind::repository(larder).update(1, kinds::name.eq("new")).map(drop),
        |larder| {
            let both = [Bin::repository(larder).get(10)?.id, Bin::repository(larder).get(20)?.id];
            larder.transaction(|tx| {
                Good::repository(tx).update((both[1], 1), goods::amount.eq(7))?;
                Bin::repository(tx).update(both[1], bins::depot_id.eq(1)).map(drop)
            })
        },
    ];
    for (n, write) in writes.into_iter().enumerate() {
        let shop = Shop::of(&DEPOTS);
        let other = shop.branch();
        let gate = shop.faults.before(Operation::Fill).nth(1).hold();
        thread::scope(|scope| {
            let reader = scope.spawn(|| tree(&shop.larder, 1));
            gate.wait_for(1);
            write(&other.larder).unwrap();
            gate.open();
            reader.join().unwrap();
        });
        for larder in [&shop.larder, &other.larder, &shop.larder] {
            assert_eq!(tree(larder, 1), truth(larder, 1), "write {n}");
        }
    }
}

#[test]
fn what_another_thread_has_loaded_is_good_under_its_version_only() {
    let shop = Shop::of(&DEPOTS);
    let other = shop.branch();
    let lazy = shop.branch_built(|builder| builder.fill_in_background(true));
    // 1. R1 has loaded a tree, which is not stored yet.
    let gate = lazy.faults.before(Operation::Fill).nth(1).hold();
    tree(&lazy.larder, 1);
    gate.wait_for(1);
    // 2. R2 may take it.
    lazy.meter.reset();
    assert_eq!(tree(&lazy.larder, 1), truth(&other.larder, 1));
    lazy.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
    // 3. W makes all trees old, whose cells it does not touch.
    Kind::repository(&other.larder).update(1, kinds::name.eq("new")).unwrap();
    // Another tree gives the version a stamp again.
    tree(&other.larder, 2);
    assert_eq!(tree(&lazy.larder, 1), truth(&other.larder, 1));
    gate.open();
    assert_eq!(tree(&other.larder, 1), truth(&other.larder, 1));
}

#[test]
fn what_was_written_past_larder_is_seen_once_a_relay_has_told_of_it() {
    let shop = Shop::of(&DEPOTS);
    let relay = Relay::builder(&shop.larder).models(models()).build().unwrap();
    relay.run_once().unwrap();
    for sql in [
        "UPDATE goods SET amount = 77 WHERE bin_id = 10",
        "UPDATE bins SET depot_id = 2 WHERE id = 11",
        "UPDATE kinds SET name = 'tacks'",
        "DELETE FROM bins WHERE id = 12",
        "UPDATE depots SET name = upper(name)",
        "TRUNCATE goods",
    ] {
        let before = [tree(&shop.larder, 1), tree(&shop.larder, 2)];
        shop.database.connect().batch_execute(sql).unwrap();
        relay.run_once().unwrap();
        let after = [tree(&shop.larder, 1), tree(&shop.larder, 2)];
        assert_eq!(after, [truth(&shop.larder, 1), truth(&shop.larder, 2)], "{sql}");
        assert_ne!(after, before, "{sql}");
    }
}

#[test]
fn while_redis_is_away_trees_come_from_the_tables_and_writes_are_not_forgotten() {
    let shop = Shop::of(&DEPOTS);
    let other = shop.branch();
    tree(&shop.larder, 1);
    shop.faults.before(Operation::Read).fail(Failure::Unavailable);
    let amounts = goods::amount.eq(12);
    Good::repository(&other.larder).update((10, 1), amounts).unwrap();
    assert_eq!(amount(&tree(&shop.larder, 1), 10), Some(12));
    shop.faults.clear();
    assert_eq!(amount(&tree(&shop.larder, 1), 10), Some(12));
}
