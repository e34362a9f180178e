//! A row that another transaction empties, and so deletes, between being looked for and being changed.

use std::{thread, time::Duration};

use diesel::connection::SimpleConnection as _;
use larder::TransactionOptions;
use tests::eventually;

use super::*;

const LONG: Duration = Duration::from_secs(30);

/// How a purchase of the second account comes to be.
type Bought = fn(&Tx<Pg>) -> Result<()>;

/// The totals of the second account are there when `bought` looks for them, and gone when it comes to change them: it has to wait for those
/// of the first, which somebody holds.
fn deleted_while_it_waits(bought: Bought) {
    let shop = books();
    Purchase::repository(&shop.larder).insert(purchase(20, Some(2))).unwrap();
    let (mut holder, mut observer) = (shop.database.connect(), shop.database.connect());
    holder.batch_execute("BEGIN; SELECT FROM account_totals WHERE account_id = 1 FOR UPDATE").unwrap();
    let waits =
        "(SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())";
    thread::scope(|scope| {
        let buyer = scope.spawn(|| {
            let options = TransactionOptions { retries: 0, ..TransactionOptions::default() };
            shop.larder.transaction_with(options, |tx| {
                Line::repository(tx).insert(line(10, 3, 1, 100))?;
                bought(tx)
            })
        });
        eventually(LONG, || diesel::select(sql::<BigInt>(waits)).get_result::<i64>(&mut observer).unwrap() == 1);
        Purchase::repository(&shop.larder).delete(20).unwrap();
        assert_eq!(known(&shop.larder, 2), (0, None));
        holder.batch_execute("COMMIT").unwrap();
        buyer.join().unwrap().unwrap();
    });
    assert_eq!(known(&shop.larder, 1), (1, Some((1, money(2_100)))));
    assert_eq!(known(&shop.larder, 2), (1, Some((1, money(0)))));
    holds(&shop);
}

#[test]
fn a_row_that_is_emptied_before_it_is_added_to_is_inserted_again() {
    deleted_while_it_waits(|tx| Purchase::repository(tx).insert(purchase(21, Some(2))).map(drop));
}

#[test]
fn a_row_that_is_emptied_before_it_is_counted_anew_is_inserted_again() {
    deleted_while_it_waits(|tx| {
        tx.touching::<Purchase, _>(&[21], |connection| {
            connection.batch_execute("INSERT INTO purchases (id, account_id) VALUES (21, 2)")
        })
    });
}
