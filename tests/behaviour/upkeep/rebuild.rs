//! Columns that are not right, and come to be.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _, dsl::sql, pg::Pg, sql_types::BigInt};
use larder::{Models, migration, upkeep::Difference};
use tests::{Operation, Shop, eventually, money};

use super::{
    account, books, holds, known, line, lines_of, models, purchase,
    tables::{AccountTotals, BOOKS, Line, Purchase},
};

fn past(shop: &Shop, sql: &str) {
    shop.database.connect().batch_execute(sql).unwrap();
}

fn told(difference: &Difference) -> String {
    let Difference { table, of, key, is, should_be, .. } = difference;
    let (is, should_be) = (is.as_deref().unwrap_or("nothing"), should_be.as_deref().unwrap_or("nothing"));
    format!("{table} of {of} {key}: {is}, not {should_be}")
}

#[test]
fn what_was_written_past_larder_is_told_and_made_right() {
    let shop = books();
    past(&shop, "INSERT INTO purchases VALUES (11, 2), (12, NULL)");
    past(&shop, "UPDATE lines SET price = 1 WHERE number = 1; INSERT INTO account_totals VALUES (7, 1, 1)");
    let differences = shop.larder.upkeep(&models()).check().unwrap();
    let mut differences: Vec<_> = differences.iter().map(told).collect();
    differences.sort_unstable();
    assert_eq!(
        differences,
        [
            r#"account_totals of purchases [2]: nothing, not {"total_spent": 0, "purchase_count": 1}"#,
            r#"account_totals of purchases [7]: {"total_spent": 1, "purchase_count": 1}, not nothing"#,
            r#"accounts of purchases [2]: {"n_purchases": 0}, not {"n_purchases": 1}"#,
            r#"purchases of lines [10]: {"n_lines": 2, "lines_total": 20.00}, not {"n_lines": 2, "lines_total": 12.00}"#,
        ]
    );
    assert_eq!(shop.larder.upkeep(&models()).at_most(1).check().unwrap().len(), 3);
    let done = shop.larder.upkeep(&models()).rebuild(|_| ControlFlow::Continue(())).unwrap();
    assert!(done.is_complete, "{done:?}");
    // The totals of account 1 were right before, and came to be so by the purchase.
    assert_eq!(done.n_wrong, 4);
    holds(&shop);
    // Through the caches, too.
    assert_eq!(known(&shop.larder, 1), (1, Some((1, money(1_200)))));
    assert_eq!((known(&shop.larder, 2), lines_of(&shop.larder, 10)), ((1, Some((1, money(0)))), (2, money(1_200))));
}

#[test]
fn a_rebuild_goes_batch_by_batch_and_can_be_ended() {
    let shop = Shop::of(&BOOKS);
    past(
        &shop,
        "INSERT INTO accounts SELECT n, 'some' FROM generate_series(1, 10) AS n;
         INSERT INTO purchases SELECT n, 1 + n % 10 FROM generate_series(1, 25) AS n;
         INSERT INTO lines SELECT 1 + n % 25, n, 1, n FROM generate_series(1, 100) AS n",
    );
    let mut seen = Vec::new();
    let ended = shop.larder.upkeep(&models()).batch(10).rebuild(|progress| {
        seen.push((progress.table, progress.n_rows));
        if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let ended = ended.unwrap();
    assert_eq!((seen, ended.is_complete), (vec![("purchases", 10), ("purchases", 20)], false));
    let mut seen = Vec::new();
    let done = shop.larder.upkeep(&models()).batch(10).rebuild(|progress| {
        seen.push((progress.table, progress.n_rows));
        ControlFlow::Continue(())
    });
    // Purchases by their lines, and then accounts by purchases, their totals, and accounts by refunds.
    let tables: Vec<_> = seen.iter().map(|(table, _)| *table).collect();
    assert_eq!(tables[..3], ["purchases"; 3]);
    assert_eq!(done.unwrap().n_rows, 25 + 10 + 10 + 10);
    holds(&shop);
    let again = shop.larder.upkeep(&models()).rebuild(|_| ControlFlow::Continue(())).unwrap();
    assert_eq!(again.n_wrong, 0);
}

#[test]
fn what_is_written_during_a_rebuild_is_right_too() {
    let shop = Shop::of(&BOOKS);
    (1..=8).for_each(|id| account(&shop.larder, id));
    past(&shop, "INSERT INTO purchases SELECT n, 1 + n % 8 FROM generate_series(1, 200) AS n");
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for thread in 1..=3_i64 {
            let (larder, is_done) = (&shop.larder, &is_done);
            scope.spawn(move || {
                let mut dice = fastrand::Rng::with_seed(thread.unsigned_abs());
                let mut id = thread * 100_000;
                while !is_done.load(Ordering::SeqCst) {
                    id += 1;
                    Purchase::repository(larder).insert(purchase(id, Some(dice.i64(1..=8)))).unwrap();
                    let number = i32::try_from(id).unwrap();
                    Line::repository(larder).insert(line(dice.i64(1..=200), number, 1, 1)).unwrap();
                }
            });
        }
        for _ in 0..3 {
            shop.larder.upkeep(&models()).batch(20).rebuild(|_| ControlFlow::Continue(())).unwrap();
        }
        is_done.store(true, Ordering::SeqCst);
    });
    holds(&shop);
}

#[test]
fn a_rebuild_waits_for_who_has_changed_a_row_and_counts_what_came() {
    let shop = books();
    let writer = shop.branch();
    past(&shop, "UPDATE purchases SET n_lines = 99");
    let gate = writer.faults.before(Operation::Begin).hold();
    thread::scope(|scope| {
        let insertion = scope.spawn(|| Line::repository(&writer.larder).insert(line(10, 3, 1, 1)));
        // It has added its line to the purchase, and has not committed.
        gate.wait_for(1);
        let rebuild = scope.spawn(|| shop.larder.upkeep(&models()).rebuild(|_| ControlFlow::Continue(())));
        let waits =
            "(SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())";
        let mut connection = shop.database.connect();
        eventually(Duration::from_secs(30), || {
            diesel::select(sql::<BigInt>(waits)).get_result::<i64>(&mut connection).unwrap() > 0
        });
        gate.open();
        insertion.join().unwrap().unwrap();
        assert!(rebuild.join().unwrap().unwrap().is_complete);
    });
    assert_eq!(lines_of(&shop.larder, 10), (3, money(2_001)));
    holds(&shop);
}

#[test]
fn the_migration_makes_what_the_models_maintain() {
    let shop = books();
    for (name, table) in [("account_totals", "account_totals"), ("purchases", "purchases")] {
        let migration = migration::upkeep(&models(), name).unwrap();
        assert!(migration.up.contains(table), "{}", migration.up);
        past(&shop, "DROP MATERIALIZED VIEW IF EXISTS account_stats");
        past(&shop, &migration.down);
        past(&shop, &migration.down);
        past(&shop, &migration.up);
    }
    shop.larder.upkeep(&models()).rebuild(|_| ControlFlow::Continue(())).unwrap();
    holds(&shop);
    Purchase::repository(&shop.larder).insert(purchase(11, Some(1))).unwrap();
    let totals = AccountTotals::repository(&shop.larder).get(1).unwrap();
    assert_eq!((totals.purchase_count, totals.total_spent), (2, money(2_000)));
    let none = migration::upkeep(&Models::<Pg>::new().with::<Line>(), "lines").unwrap_err().to_string();
    assert_eq!(none, r#"no columns of "lines" are maintained by the models: purchases"#);
}
