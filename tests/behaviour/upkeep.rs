//! Columns that the writes of other rows keep right.

mod behind;
mod emptied;
mod random;
mod rebuild;
mod tables;

use std::thread;

use bigdecimal::BigDecimal;
use diesel::{connection::SimpleConnection as _, dsl::sql, pg::Pg, prelude::*, sql_types::BigInt};
use larder::{Error, Larder, Models, Result, Tx};
use tests::{Cost, Shop, money};

use self::tables::{
    Account, AccountTotals, BOOKS, Folder, Line, Moved, NewPurchase, Purchase, Refund, Shelf, Wheel, lines, purchases,
};

fn account(larder: &Larder<Pg>, id: i64) {
    let account = Account { id, name: format!("account {id}"), n_purchases: 0, n_refunds: 0 };
    Account::repository(larder).insert(account).unwrap();
}

fn purchase(id: i64, account_id: Option<i64>) -> NewPurchase {
    NewPurchase { id, account_id }
}

fn line(purchase_id: i64, number: i32, quantity: impl Into<Option<i32>>, cents: i64) -> Line {
    Line { purchase_id, number, quantity: quantity.into(), price: money(cents) }
}

/// What the maintained columns say, read through the caches: of the account, and of its totals.
fn known(larder: &Larder<Pg>, account: i64) -> (i32, Option<(i64, BigDecimal)>) {
    let n = Account::repository(larder).get(account).unwrap().n_purchases;
    let totals = AccountTotals::repository(larder).find(account).unwrap();
    (n, totals.map(|totals| (totals.purchase_count, totals.total_spent)))
}

fn lines_of(larder: &Larder<Pg>, purchase: i64) -> (i64, BigDecimal) {
    let purchase = Purchase::repository(larder).get(purchase).unwrap();
    (purchase.n_lines, purchase.lines_total)
}

fn models() -> Models<Pg> {
    Models::new().with::<Purchase>().with::<Line>().with::<Refund>().with::<Account>().with::<AccountTotals>()
}

/// Every maintained column is what a query of its own gives, and so says the check.
fn holds(shop: &Shop) {
    let wrong = "(SELECT count(*) FROM (
        SELECT FROM accounts WHERE n_purchases <> (SELECT count(*) FROM purchases WHERE account_id = accounts.id)
            OR n_refunds <> (SELECT count(*) FROM refunds WHERE account_id = accounts.id)
        UNION ALL
        SELECT FROM purchases WHERE n_lines <> (SELECT count(*) FROM lines WHERE purchase_id = purchases.id)
            OR lines_total <> (SELECT coalesce(sum(quantity * price), 0) FROM lines WHERE purchase_id = purchases.id)
        UNION ALL
        SELECT FROM account_totals AS t FULL JOIN (SELECT account_id, count(*) AS n, sum(lines_total) AS total
            FROM purchases WHERE account_id IS NOT NULL GROUP BY account_id) AS truth USING (account_id)
        WHERE t.purchase_count IS DISTINCT FROM truth.n OR t.total_spent IS DISTINCT FROM truth.total) AS wrong)";
    let n_wrong: i64 = diesel::select(sql::<BigInt>(wrong)).get_result(&mut shop.database.connect()).unwrap();
    assert_eq!((n_wrong, shop.larder.upkeep(&models()).check().unwrap()), (0, vec![]));
}

/// Accounts 1 and 2, and a purchase (10) of the first with two lines, which come to 20.00.
fn books() -> Shop {
    let shop = Shop::of(&BOOKS);
    let larder = &shop.larder;
    account(larder, 1);
    account(larder, 2);
    Purchase::repository(larder).insert(purchase(10, Some(1))).unwrap();
    Line::repository(larder).insert_many(&[line(10, 1, 2, 500), line(10, 2, 1, 1_000)]).unwrap();
    assert_eq!(lines_of(larder, 10), (2, money(2_000)));
    assert_eq!(known(larder, 1), (1, Some((1, money(2_000)))));
    assert_eq!(known(larder, 2), (0, None));
    shop.meter.reset();
    shop
}

#[test]
fn an_insertion_is_counted_and_summed_up_all_levels_and_seen_through_the_caches() {
    let shop = books();
    let other = shop.branch();
    assert_eq!((lines_of(&other.larder, 10), known(&other.larder, 1).0), ((2, money(2_000)), 1));
    Line::repository(&shop.larder).insert(line(10, 3, 3, 333)).unwrap();
    // The line, the purchase, the account's totals: it counts no more purchases than before.
    shop.meter.expect(Cost { sql: 3, store_reads: 0, store_writes: 2 });
    for larder in [&shop.larder, &other.larder] {
        assert_eq!(lines_of(larder, 10), (3, money(2_999)));
        assert_eq!(known(larder, 1), (1, Some((1, money(2_999)))));
    }
}

#[test]
fn a_change_that_changes_none_of_it_costs_nothing_more() {
    let shop = books();
    Line::repository(&shop.larder).update((10, 1), line(10, 1, 2, 500)).unwrap();
    shop.meter.expect(Cost { sql: 1, store_reads: 0, store_writes: 2 });
    // Two changes that come to nothing are looked at by the database, and change no row.
    let numbers = |tx: &Tx<Pg>| -> Result<()> {
        let lines = Line::repository(tx);
        lines.update((10, 1), line(10, 1, 3, 500))?;
        lines.update((10, 1), line(10, 1, 2, 500))?;
        Ok(())
    };
    shop.larder.transaction(numbers).unwrap();
    shop.meter.expect(Cost { sql: 3, store_reads: 0, store_writes: 2 });
    assert_eq!(known(&shop.larder, 1), (1, Some((1, money(2_000)))));
}

#[test]
fn a_row_that_moves_is_taken_from_one_and_added_to_the_other() {
    let shop = books();
    let moves = |to: Option<i64>| {
        Purchase::repository(&shop.larder).update(10, Moved { account_id: Some(to) }).unwrap();
    };
    moves(Some(2));
    assert_eq!((known(&shop.larder, 1), known(&shop.larder, 2)), ((0, None), (1, Some((1, money(2_000))))));
    moves(None);
    assert_eq!((known(&shop.larder, 1), known(&shop.larder, 2)), ((0, None), (0, None)));
    // Its lines go on being its own.
    Line::repository(&shop.larder).delete((10, 2)).unwrap();
    assert_eq!(lines_of(&shop.larder, 10), (1, money(1_000)));
    moves(Some(1));
    assert_eq!(known(&shop.larder, 1), (1, Some((1, money(1_000)))));
}

#[test]
fn null_is_not_added() {
    let shop = books();
    let lines = Line::repository(&shop.larder);
    lines.insert(line(10, 3, None, 700)).unwrap();
    assert_eq!(lines_of(&shop.larder, 10), (3, money(2_000)));
    lines.update((10, 1), line(10, 1, None, 500)).unwrap();
    assert_eq!(lines_of(&shop.larder, 10), (3, money(1_000)));
    lines.update((10, 3), line(10, 3, 1, 700)).unwrap();
    assert_eq!(lines_of(&shop.larder, 10), (3, money(1_700)));
    assert_eq!(known(&shop.larder, 1), (1, Some((1, money(1_700)))));
}

#[test]
fn what_was_rolled_back_is_not_counted() {
    let shop = books();
    let refused: Result<()> = shop.larder.transaction(|tx| {
        Line::repository(tx).insert(line(10, 3, 1, 1))?;
        Err(Error::other("no"))
    });
    assert!(refused.is_err());
    shop.larder
        .transaction(|tx| {
            Line::repository(tx).insert(line(10, 3, 1, 10))?;
            let inner: Result<()> = tx.savepoint(|tx| {
                Line::repository(tx).delete((10, 1))?;
                tx.savepoint(|tx| Line::repository(tx).insert(line(10, 4, 1, 100)).map(drop))?;
                Err(Error::other("no"))
            });
            assert!(inner.is_err());
            tx.savepoint(|tx| Line::repository(tx).insert(line(10, 5, 1, 1_000)).map(drop))
        })
        .unwrap();
    assert_eq!(lines_of(&shop.larder, 10), (4, money(3_010)));
    assert_eq!(known(&shop.larder, 1), (1, Some((1, money(3_010)))));
}

#[test]
fn rows_that_go_with_others_are_taken_away_with_them() {
    let shop = books();
    Shelf::repository(&shop.larder).insert(&Shelf { id: 1, n_refunds: 0 }).unwrap();
    let refund = |id, account_id| Refund { id, account_id, shelf_id: Some(1) };
    Refund::repository(&shop.larder).insert_many(&[refund(1, 1), refund(2, 1), refund(3, 2)]).unwrap();
    Purchase::repository(&shop.larder).insert(purchase(11, Some(1))).unwrap();
    Line::repository(&shop.larder).insert(line(11, 1, 1, 5)).unwrap();
    // The lines go with the purchase, whose sum nobody needs any more.
    Purchase::repository(&shop.larder).delete(10).unwrap();
    assert_eq!(known(&shop.larder, 1), (1, Some((1, money(5)))));
    // The purchase stays without its account, whose totals go.
    Account::repository(&shop.larder).delete(1).unwrap();
    assert_eq!(AccountTotals::repository(&shop.larder).find(1).unwrap(), None);
    assert_eq!(lines_of(&shop.larder, 11), (1, money(5)));
    // Its refunds go, and the shelf has one left.
    assert_eq!(Shelf::repository(&shop.larder).get(1).unwrap().n_refunds, 1);
    Purchase::repository(&shop.larder).update(11, Moved { account_id: Some(Some(2)) }).unwrap();
    assert_eq!(known(&shop.larder, 2), (1, Some((1, money(5)))));
}

#[test]
fn upserts_count_once() {
    let shop = books();
    let lines = Line::repository(&shop.larder);
    for (n, total) in [(4, 4_000), (4, 4_000), (1, 2_500)] {
        lines.upsert((10, 3), line(10, 3, n, 500), line(10, 3, n, 500)).unwrap();
        assert_eq!(lines_of(&shop.larder, 10), (3, money(total)));
    }
    let rows = [line(10, 3, 9, 999), line(10, 4, 1, 100)];
    assert_eq!(lines.insert_missing(&rows).unwrap(), rows[1..]);
    assert_eq!(lines_of(&shop.larder, 10), (4, money(2_600)));
}

#[test]
fn what_diesel_does_is_counted_where_it_is_told_of() {
    let shop = books();
    Purchase::repository(&shop.larder).insert(purchase(11, Some(2))).unwrap();
    shop.larder
        .transaction(|tx| {
            // Also beside what repositories do in the same transaction.
            Line::repository(tx).insert(line(11, 7, 1, 7))?;
            tx.touching::<Line, _>(&[(10, 1), (10, 2)], |connection| {
                diesel::update(lines::table.filter(lines::purchase_id.eq(10)))
                    .set((lines::purchase_id.eq(11), lines::price.eq(money(100))))
                    .execute(connection)
            })?;
            // The rows are elsewhere now, under other keys.
            tx.touched::<Line>(&[(11, 1), (11, 2)])
        })
        .unwrap();
    assert_eq!((lines_of(&shop.larder, 10), lines_of(&shop.larder, 11)), ((0, money(0)), (3, money(307))));
    assert_eq!(known(&shop.larder, 2), (1, Some((1, money(307)))));
    shop.larder
        .transaction(|tx| {
            tx.touching_all::<Purchase, _>(|connection| {
                diesel::update(purchases::table).set(purchases::account_id.eq(2)).execute(connection)
            })
        })
        .unwrap();
    assert_eq!((known(&shop.larder, 1), known(&shop.larder, 2)), ((0, None), (2, Some((2, money(307))))));
}

#[test]
fn a_table_may_maintain_itself_and_go_with_itself() {
    let shop = Shop::of(&BOOKS);
    let folders = Folder::repository(&shop.larder);
    let folder = |id, parent_id| Folder { id, parent_id, n_children: 0 };
    folders.insert(folder(1, None)).unwrap();
    folders.insert_many(&[folder(2, Some(1)), folder(3, Some(1)), folder(4, Some(2)), folder(5, Some(2))]).unwrap();
    let n_children = |id| folders.find(id).unwrap().map(|folder| folder.n_children);
    assert_eq!([1, 2, 3].map(n_children), [Some(2), Some(2), Some(0)]);
    folders.delete(2).unwrap();
    assert_eq!([1, 2, 3, 4].map(n_children), [Some(1), None, Some(0), None]);
    // Named together with what goes with it anyway.
    folders.insert(folder(6, Some(3))).unwrap();
    folders.delete_where(tables::folders::id.gt(1)).unwrap();
    assert_eq!([1, 3, 6].map(n_children), [Some(0), None, None]);
}

#[test]
fn a_row_that_goes_and_comes_again_begins_anew() {
    let shop = books();
    Refund::repository(&shop.larder).insert(Refund { id: 1, account_id: 1, shelf_id: None }).unwrap();
    shop.larder
        .transaction(|tx| {
            // Its refund goes with it, and its purchase stays.
            Account::repository(tx).delete(1)?;
            tx.savepoint(|tx| {
                let again = Account { id: 1, name: "again".to_owned(), n_purchases: 0, n_refunds: 0 };
                Account::repository(tx).insert(again)
            })?;
            Refund::repository(tx).insert(Refund { id: 2, account_id: 1, shelf_id: None })?;
            Purchase::repository(tx).delete(10)?;
            Purchase::repository(tx).insert(purchase(10, Some(1)))?;
            Line::repository(tx).insert(line(10, 1, 1, 7))
        })
        .unwrap();
    assert_eq!(Account::repository(&shop.larder).get(1).unwrap().n_refunds, 1);
    assert_eq!((lines_of(&shop.larder, 10), known(&shop.larder, 1)), ((1, money(7)), (1, Some((1, money(7))))));
    holds(&shop);
}

#[test]
fn writers_of_one_parents_children_wait_for_each_other_and_none_is_lost() {
    let shop = books();
    let n_threads = 8;
    thread::scope(|scope| {
        for number in 0..n_threads {
            let larder = &shop.larder;
            scope.spawn(move || {
                for n in 0..10 {
                    Line::repository(larder).insert(line(10, 100 + number * 10 + n, 1, 1)).unwrap();
                }
            });
        }
    });
    assert_eq!(lines_of(&shop.larder, 10), (82, money(2_080)));
    assert_eq!(known(&shop.larder, 1), (1, Some((1, money(2_080)))));
}

#[test]
fn transactions_that_reach_the_same_rows_in_any_order_never_wait_in_a_circle() {
    let shop = Shop::of(&BOOKS);
    let (n_accounts, n_threads) = (5, 6);
    for id in 1..=n_accounts {
        account(&shop.larder, id);
        Purchase::repository(&shop.larder).insert(purchase(id, Some(id))).unwrap();
    }
    // Each changes, in any order: purchases, and by them accounts, which others reach by purchases or refunds of their own.
    let work = |tx: &Tx<Pg>, dice: &mut fastrand::Rng, id: i64| -> Result<()> {
        for n in 0..4 {
            let (id, to) = (id + n, dice.i64(1..=n_accounts));
            match dice.u8(0..4) {
                0 => _ = Purchase::repository(tx).insert(purchase(id, Some(to)))?,
                1 => _ = Refund::repository(tx).insert(&Refund { id, account_id: to, shelf_id: None })?,
                2 => tx.touching::<Refund, _>(&[id], |connection| {
                    let refund = Refund { id, account_id: to, shelf_id: None };
                    refund.insert_into(tables::refunds::table).execute(connection).map(drop)
                })?,
                _ => _ = Line::repository(tx).insert(line(to, i32::try_from(id).unwrap(), 1, 1))?,
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        for thread in 1..=n_threads {
            let larder = &shop.larder;
            scope.spawn(move || {
                let mut dice = fastrand::Rng::with_seed(thread);
                for round in 0..20 {
                    let id = i64::try_from(thread * 1_000 + round * 10).unwrap();
                    larder.transaction(|tx| work(tx, &mut dice, id)).unwrap();
                    // Some totals go, and come again.
                    let some = purchases::id.between(id, id + dice.i64(0..4));
                    assert!(Purchase::repository(larder).delete_where(some).unwrap().len() <= 4);
                }
            });
        }
    });
    holds(&shop);
}

#[test]
fn what_goes_round_in_circles_is_refused() {
    let shop = Shop::of(&BOOKS);
    let wheels = Wheel::repository(&shop.larder);
    let wheel = |id, turns_id, turns| Wheel { id, turns_id, turns };
    wheels.insert_many(&[wheel(1, 2, 0), wheel(2, 3, 0), wheel(3, 9, 0)]).unwrap();
    let turned = wheels.insert(wheel(4, 1, 7)).and_then(|_| wheels.find_many(&[1, 2, 3, 9]));
    let turns: Vec<_> = turned.unwrap().into_iter().map(|wheel| wheel.map(|wheel| wheel.turns)).collect();
    assert_eq!(turns, [Some(7), Some(7), Some(7), None]);
    wheels.insert(wheel(5, 6, 0)).unwrap();
    for circle in [wheel(6, 5, 1), wheel(8, 8, 1)] {
        let refused = wheels.insert(&circle);
        assert!(matches!(refused, Err(Error::UpkeepInCircles { table: "wheels" })), "{refused:?}");
        assert_eq!(wheels.find(circle.id).unwrap(), None);
    }
}

#[test]
fn a_row_of_which_the_count_would_leave_its_range_fails_the_write() {
    let shop = books();
    shop.database.connect().batch_execute("UPDATE accounts SET n_purchases = 2147483647").unwrap();
    let refused = Purchase::repository(&shop.larder).insert(purchase(11, Some(1)));
    assert!(
        matches!(&refused, Err(Error::Database(error)) if error.to_string().contains("out of range")),
        "{refused:?}"
    );
    assert_eq!(Purchase::repository(&shop.larder).find(11).unwrap(), None);
}

#[test]
fn without_a_store_it_is_maintained_all_the_same() {
    let shop = books();
    let larder = Larder::<Pg>::builder(tests::pool(shop.database.url(), &tests::Meter::new(), 1)).build();
    Purchase::repository(&larder).insert(purchase(11, Some(2))).unwrap();
    assert_eq!(known(&larder, 2), (1, Some((1, money(0)))));
}
