//! Any mixture of writes leaves behind what the view says that is refreshed after it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
    thread,
};

use diesel::{connection::SimpleConnection as _, pg::Pg, prelude::*};
use larder::{Error, Larder, MaterializedView as _, Result, TransactionOptions, Tx};
use tests::{Shop, money};

use super::{
    account, holds, line, purchase,
    tables::{
        Account, AccountStats, AccountTotals, BOOKS, Folder, Line, Moved, Purchase, Refund, Shelf, account_stats,
        account_totals, folders, lines, purchases,
    },
};

const N_ACCOUNTS: i64 = 5;
const N_PURCHASES: i64 = 12;

/// Throws the next id: no two rows have the same.
fn fresh(next: &AtomicI64) -> i64 {
    next.fetch_add(1, Ordering::SeqCst)
}

fn somebody(dice: &mut fastrand::Rng) -> Option<i64> {
    (dice.u8(0..5) > 0).then(|| dice.i64(1..=N_ACCOUNTS))
}

fn some_line(dice: &mut fastrand::Rng) -> Line {
    let quantity = (dice.u8(0..5) > 0).then(|| dice.i32(1..4));
    line(dice.i64(1..=N_PURCHASES), dice.i32(1..=4), quantity, dice.i64(1..1_000))
}

/// What may fail because of others, or because a row is not there or there already, is no mistake.
fn allowed<T>(result: Result<T>) -> Result<()> {
    match result {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn deed(tx: &Tx<Pg>, dice: &mut fastrand::Rng, next: &AtomicI64) -> Result<()> {
    let (purchases_of, lines_of) = (Purchase::repository(tx), Line::repository(tx));
    let (id, row) = (dice.i64(1..=N_PURCHASES), some_line(dice));
    match dice.u8(0..16) {
        0 => allowed(purchases_of.insert_missing(&[purchase(id, somebody(dice))])),
        1 | 2 => allowed(purchases_of.update(id, &Moved { account_id: Some(somebody(dice)) })),
        3 => allowed(purchases_of.delete(id)),
        4 => {
            // Several rows at once, to one account.
            let some = purchases::id.between(id, id + 3);
            allowed(purchases_of.update_where(some, &Moved { account_id: Some(somebody(dice)) }))
        }
        5..=7 => {
            purchases_of.insert_missing(&[purchase(row.purchase_id, somebody(dice))])?;
            allowed(lines_of.upsert((row.purchase_id, row.number), &row, &row))
        }
        8 | 9 => allowed(lines_of.delete((row.purchase_id, row.number))),
        10 => allowed(lines_of.delete_where(lines::number.eq(row.number).and(lines::purchase_id.lt(4)))),
        11 => {
            // By Diesel, where larder is told of it.
            let keys: Vec<_> = (1..=4).map(|number| (row.purchase_id, number)).collect();
            tx.touching::<Line, _>(&keys, |connection| {
                let some = lines::table.filter(lines::purchase_id.eq(row.purchase_id));
                diesel::update(some).set(lines::price.eq(row.price.clone())).execute(connection)
            })
            .map(drop)
        }
        12 => {
            let shelf_id = Some(dice.i64(1..=3));
            let refund = Refund { id: fresh(next), account_id: dice.i64(1..=N_ACCOUNTS), shelf_id };
            let folder = Folder { id: fresh(next), parent_id: None, n_children: 0 };
            Folder::repository(tx).insert(&folder)?;
            let child = Folder { id: fresh(next), parent_id: Some(folder.id), n_children: 0 };
            Folder::repository(tx).insert(&child)?;
            if dice.bool() {
                Folder::repository(tx).delete_where(folders::id.between(folder.id, child.id))?;
            }
            allowed(tx.savepoint(|tx| Refund::repository(tx).insert(&refund)))
        }
        13 => {
            // An account goes, its purchases stay without one, and it comes back.
            let id = dice.i64(1..=N_ACCOUNTS);
            Account::repository(tx).delete(id)?;
            let account = Account { id, name: "again".to_owned(), n_purchases: 0, n_refunds: 0 };
            allowed(Account::repository(tx).insert(&account))
        }
        _ => {
            let undone = dice.bool();
            let inner = tx.savepoint(|tx| {
                deed(tx, dice, next)?;
                deed(tx, dice, next)?;
                if undone { Err(Error::other("undone")) } else { Ok(()) }
            });
            match inner {
                Err(Error::Other(_)) => Ok(()),
                other => other,
            }
        }
    }
}

/// Does some things in a transaction, which is rolled back now and then. What others are in the way of does not happen.
fn transaction(larder: &Larder<Pg>, dice: &mut fastrand::Rng, next: &AtomicI64) {
    let options = TransactionOptions { retries: 3, ..TransactionOptions::default() };
    let done = larder.transaction_with(options, |tx| {
        for _ in 0..dice.u8(1..6) {
            deed(tx, dice, next)?;
        }
        if dice.u8(0..5) == 0 { Err(Error::other("undone")) } else { Ok(()) }
    });
    match done {
        Ok(()) | Err(Error::Other(_)) => {}
        Err(error) => assert!(error.is_retryable() || is_refused(&error), "{error:?}"),
    }
}

/// What the database does not let happen, since a row that is referred to has just gone, or one is there already.
fn is_refused(error: &Error) -> bool {
    use diesel::result::{DatabaseErrorKind as Kind, Error as Diesel};
    matches!(
        error,
        Error::Database(Diesel::DatabaseError(Kind::ForeignKeyViolation | Kind::UniqueViolation, _) | Diesel::NotFound)
    )
}

/// The maintained rows, the view's, and each row through the caches, are the same.
fn compare(shop: &Shop) {
    holds(shop);
    AccountStats::refresh(&shop.larder).unwrap();
    let connection = &mut shop.database.connect();
    let maintained: Vec<AccountTotals> =
        account_totals::table.order(account_totals::account_id).load(connection).unwrap();
    let refreshed: Vec<AccountStats> = account_stats::table.order(account_stats::account_id).load(connection).unwrap();
    let by_hand = by_hand(connection);
    let maintained: Vec<_> =
        maintained.into_iter().map(|row| (row.account_id, row.purchase_count, row.total_spent)).collect();
    let refreshed: Vec<_> =
        refreshed.into_iter().map(|row| (row.account_id, row.purchase_count, row.total_spent)).collect();
    assert_eq!(maintained, refreshed);
    assert_eq!(maintained, by_hand);
    let ids: Vec<i64> = (1..=N_ACCOUNTS).collect();
    let cached = AccountTotals::repository(&shop.larder).find_many(&ids).unwrap();
    let cached: Vec<_> =
        cached.into_iter().flatten().map(|row| (row.account_id, row.purchase_count, row.total_spent)).collect();
    assert_eq!(maintained, cached);
}

/// What it comes to, added up here.
fn by_hand(connection: &mut PgConnection) -> Vec<(i64, i64, bigdecimal::BigDecimal)> {
    let mut totals = BTreeMap::new();
    let all: Vec<Line> = lines::table.load(connection).unwrap();
    for purchase in purchases::table.load::<Purchase>(connection).unwrap() {
        let Some(account) = purchase.account_id else { continue };
        let total: bigdecimal::BigDecimal = all
            .iter()
            .filter(|line| line.purchase_id == purchase.id)
            .filter_map(|line| Some(line.price.clone() * bigdecimal::BigDecimal::from(line.quantity?)))
            .sum();
        let (n, sum) = totals.entry(account).or_insert((0, money(0)));
        *n += 1;
        *sum += total;
    }
    totals.into_iter().map(|(account, (n, sum))| (account, n, sum)).collect()
}

#[test]
fn after_any_sequence_of_writes_the_columns_are_what_a_refreshed_view_says() {
    let shop = Shop::of(&BOOKS);
    (1..=N_ACCOUNTS).for_each(|id| account(&shop.larder, id));
    let shelves = [1, 2, 3].map(|id| Shelf { id, n_refunds: 0 });
    Shelf::repository(&shop.larder).insert_many(&shelves).unwrap();
    let next = AtomicI64::new(1_000);
    for seed in 0..40 {
        let mut dice = fastrand::Rng::with_seed(seed);
        (0..4).for_each(|_| transaction(&shop.larder, &mut dice, &next));
        compare(&shop);
    }
}

#[test]
fn after_any_mixture_of_writers_they_are_too() {
    let shop = Shop::of(&BOOKS);
    // They do get in each other's way, by the rows that they write themselves in any order.
    let soon = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 20', current_database()); END $$";
    shop.database.connect().batch_execute(soon).unwrap();
    (1..=N_ACCOUNTS).for_each(|id| account(&shop.larder, id));
    let shelves = [1, 2, 3].map(|id| Shelf { id, n_refunds: 0 });
    Shelf::repository(&shop.larder).insert_many(&shelves).unwrap();
    let next = AtomicI64::new(1_000);
    for round in 0..6 {
        thread::scope(|scope| {
            for thread in 0..6 {
                let (larder, next) = (&shop.larder, &next);
                scope.spawn(move || {
                    let mut dice = fastrand::Rng::with_seed(round * 100 + thread);
                    (0..12).for_each(|_| transaction(larder, &mut dice, next));
                });
            }
        });
        compare(&shop);
    }
}
