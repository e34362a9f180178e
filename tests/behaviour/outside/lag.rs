//! How long after its COMMIT a change is settled: printed, and not judged.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types::BigInt};
use larder::{
    Larder, MemoryStore,
    relay::Relay,
    store::{CellKey, Operation, Watched},
};
use tests::{Meter, eventually};

use super::library::{LIBRARY, models, stocked};

/// As many updates as `LARDER_LAG` says, 200 a second.
#[test]
fn a_change_is_settled_soon_after_its_commit() {
    let n_updates: usize = std::env::var("LARDER_LAG").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let database = stocked(&LIBRARY);
    let mut connection = database.connect();
    let insert =
        format!("INSERT INTO pages SELECT 11, g, '' FROM generate_series(1, {n_updates}) AS g; TRUNCATE larder_outbox");
    connection.batch_execute(&insert).unwrap();
    let settled = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&settled);
    let store = Watched::new(MemoryStore::new(), move |operation, keys: &[&CellKey]| {
        if operation == Operation::Settle {
            noted.lock().unwrap().extend(keys.iter().map(|key| (key.to_string(), Instant::now())));
        }
    });
    let larder = Larder::builder(database.pool(&Meter::new(), 2)).shared(store).build();
    let relay = Relay::builder(&larder).models(models()).start().unwrap();
    eventually(Duration::from_secs(60), || relay.figures().is_leader);
    let start = Instant::now();
    let mut committed = Vec::with_capacity(n_updates);
    for at in 1..=n_updates {
        let due = start + Duration::from_millis(5) * u32::try_from(at).unwrap();
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
        }
        let update = sql_query("UPDATE pages SET words = 'x' WHERE book_id = 11 AND number = $1");
        update.bind::<BigInt, _>(i64::try_from(at).unwrap()).execute(&mut connection).unwrap();
        committed.push(Instant::now());
    }
    let key = |at: usize| format!("pages:book_id,number:11,{at}");
    eventually(Duration::from_secs(60), || {
        settled.lock().unwrap().iter().any(|(settled, _)| *settled == key(n_updates))
    });
    let settled = settled.lock().unwrap();
    let mut lags: Vec<Duration> = (1..=n_updates)
        .map(|at| {
            let (_, settled) =
                settled.iter().find(|(settled, _)| *settled == key(at)).expect("every change is settled");
            settled.saturating_duration_since(committed[at - 1])
        })
        .collect();
    lags.sort_unstable();
    let at = |share: usize| lags[(n_updates * share / 100).min(n_updates - 1)];
    println!(
        "{n_updates} updates, COMMIT to settled: p50 {:?}, p90 {:?}, p99 {:?}, max {:?}",
        at(50),
        at(90),
        at(99),
        at(100)
    );
}
