//! Figures, as a recorder of the `metrics` facade gets them.

use std::collections::HashMap;

use diesel::sqlite::Sqlite;
use larder::{Consistency, Larder, MemoryStore, NearOptions};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use crate::{
    database::Database,
    models::{User, UserChanges},
};

/// What has come since the last time, by name and labels.
fn taken(snapshotter: &Snapshotter) -> HashMap<String, DebugValue> {
    let taken = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        (format!("{} {}", key.key().name(), labels.join(" ")).trim_end().to_owned(), value)
    });
    taken.collect()
}

fn shop() -> (Database, Larder<Sqlite>) {
    let database = Database::filled();
    let builder = Larder::builder(database.pool.clone()).shared(MemoryStore::new());
    let larder = builder.near(NearOptions::bytes(1 << 20)).fill_in_background(false).build();
    (database, larder)
}

#[test]
fn what_was_counted_is_published_once() {
    let (_database, larder) = shop();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let published = || {
        metrics::with_local_recorder(&recorder, || larder.publish_metrics());
        taken(&snapshotter)
    };
    let users = User::repository(&larder);
    users.find_many(&[1, 2]).unwrap();
    users.find(1).unwrap();
    users.clone().reading(Consistency::Database).find(1).unwrap();
    users.update(1, &UserChanges { name: Some("Ada 2"), ..UserChanges::default() }).unwrap();
    let first = published();
    for (series, n) in [
        ("larder.near.hits model=users", 1),
        ("larder.misses model=users", 2),
        ("larder.bypasses model=users reason=asked", 1),
        ("larder.bypasses model=users reason=failed", 0),
        ("larder.leases model=users outcome=granted", 2),
        ("larder.fills model=users outcome=stored", 2),
        ("larder.near.copies model=users outcome=kept", 2),
        ("larder.invalidations.sent model=users", 3),
        ("larder.rows.written model=users", 1),
        ("larder.store.cells operation=read", 2),
        ("larder.memos outcome=hit", 0),
    ] {
        assert_eq!(first.get(series), Some(&DebugValue::Counter(n)), "{series}");
    }
    let times = |of: &HashMap<String, DebugValue>, series: &str| match of.get(series) {
        Some(DebugValue::Histogram(times)) => times.len(),
        _ => 0,
    };
    assert_eq!(times(&first, "larder.load.duration model=users"), 2);
    assert_eq!(times(&first, "larder.store.duration operation=read"), 1);
    assert_eq!(times(&first, "larder.transaction.duration"), 1);
    let DebugValue::Gauge(capacity) = first["larder.near.capacity"] else { panic!("{first:?}") };
    assert!(*capacity > 900_000.0);

    let second = published();
    assert_eq!(second["larder.misses model=users"], DebugValue::Counter(0), "nothing has come since");
    assert_eq!(times(&second, "larder.load.duration model=users"), 0);
    users.find(3).unwrap();
    let third = published();
    assert_eq!(third["larder.misses model=users"], DebugValue::Counter(1));
    assert_eq!(times(&third, "larder.load.duration model=users"), 1);
}

#[test]
fn figures_of_several_handles_add_up() {
    let ((_one_database, one), (_other_database, other)) = (shop(), shop());
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    for larder in [&one, &other] {
        User::repository(larder).find(1).unwrap();
    }
    metrics::with_local_recorder(&recorder, || [&one, &other].map(|larder| larder.publish_metrics()));
    assert_eq!(taken(&snapshotter)["larder.misses model=users"], DebugValue::Counter(2));
}

#[test]
fn every_name_is_described_and_documented() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/observability.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let (_database, larder) = shop();
    User::repository(&larder).find(1).unwrap();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || larder.publish_metrics());
    let published = snapshotter.snapshot().into_vec();
    assert!(published.len() > 40, "{}", published.len());
    for (key, unit, help, _) in published {
        let name = key.key().name();
        assert!(unit.is_some() && help.is_some(), "{name} is not described");
        assert!(docs.contains(&format!("| `{name}` |")), "{name} is not in docs/observability.md");
    }
}
