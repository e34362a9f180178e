use std::time::Duration;

use diesel::{Connection as _, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use larder::store::{BATCH, CellKey, Cursor, Layout, MemoryStore, Nonce, Recall, Store as _, Vacancy};

use super::*;
use crate::EMPTY;

fn keys(n: usize) -> Vec<CellKey> {
    (0..n).map(|key| CellKey::new(format!("users:id:{key}").into_bytes(), Layout::new(1))).collect()
}

#[test]
fn statements_count_and_transactions_count_apart() {
    let (database, meter) = (EMPTY.database(), Meter::new());
    let pool = database.pool(&meter, 2);
    let mut connection = pool.get().unwrap();
    meter.expect_counts(Counts::default());
    connection
        .transaction(|connection| {
            connection.batch_execute("CREATE TABLE t (x int)")?;
            connection.batch_execute("SET LOCAL idle_in_transaction_session_timeout = 3000")?;
            connection.transaction(|connection| {
                sql_query("INSERT INTO t VALUES ($1)").bind::<diesel::sql_types::Integer, _>(7).execute(connection)
            })
        })
        .unwrap();
    assert_eq!(meter.statements().len(), 2);
    assert!(meter.statements()[1].contains("VALUES ($1)") && meter.statements()[1].contains("[7]"), "{}", meter.log());
    // BEGIN, SET, SAVEPOINT, RELEASE, COMMIT
    meter.expect_counts(Counts { sql: 2, session: 5, ..Counts::default() });
    drop(connection);
    // A connection that comes back from the pool is counted as before, once.
    sql_query("SELECT x FROM t").execute(&mut pool.get().unwrap()).unwrap();
    meter.expect_counts(Counts { sql: 1, ..Counts::default() });
}

#[test]
fn a_statement_that_fails_has_been_sent() {
    let (database, meter) = (EMPTY.database(), Meter::new());
    let mut connection = database.pool(&meter, 1).get().unwrap();
    assert!(sql_query("SELECT x FROM nonesuch").execute(&mut connection).is_err());
    meter.expect(Cost { sql: 1, ..Cost::default() });
}

#[test]
fn store_calls_count_by_operation_and_batch() {
    let meter = Meter::new();
    let store = meter.metered(MemoryStore::new());
    let keys = keys(BATCH + 1);
    store.read(&keys).unwrap();
    store.read(&[]).unwrap();
    store.lease(&[(&keys[0], Vacancy::Nothing)], Duration::from_secs(1)).unwrap();
    let nonce = Nonce::fresh();
    store.begin(nonce, &[&keys[0]], Duration::from_secs(1), Recall::Announced).unwrap();
    store.finish(nonce, &[]).unwrap();
    store.settle(None, &keys.iter().collect::<Vec<_>>()).unwrap();
    store.inspect(&keys).unwrap();
    store.scan(b"users:", Cursor::START).unwrap();
    let counts = Counts { reads: 2, leases: 1, begins: 1, settles: 2, inspects: 2, scans: 1, ..Counts::default() };
    assert_eq!(meter.counts().cost(), Cost { sql: 0, store_reads: 5, store_writes: 4 });
    meter.expect_counts(counts);
    meter.expect(Cost::default());
}

#[test]
fn a_wrong_cost_shows_what_was_sent() {
    let (database, meter) = (EMPTY.database(), Meter::new());
    let store = meter.metered(MemoryStore::new());
    sql_query("SELECT 7 AS x").execute(&mut database.pool(&meter, 1).get().unwrap()).unwrap();
    store.read(&keys(7)).unwrap();
    let expect = || meter.expect(Cost { sql: 1, store_reads: 0, store_writes: 0 });
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(expect)).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("found Cost { sql: 1, store_reads: 1, store_writes: 0 }"), "{message}");
    assert!(message.contains("sql      SELECT 7 AS x"), "{message}");
    assert!(message.contains("store    read   users:id:0 users:id:1") && message.contains("and 2 more"), "{message}");
    meter.expect(Cost::default());
}
