//! What can be said of write-behind without a database.

use diesel::{
    PgConnection,
    pg::Pg,
    prelude::*,
    r2d2::{ConnectionManager, Pool},
};
use larder::{
    Larder, Repository,
    behind::{Error, Options, WhenFull},
    buffer::MemoryBuffer,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

diesel::table! {
    pages (id) { id -> BigInt, views -> BigInt, }
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = pages, check_for_backend(diesel::pg::Pg))]
struct Page {
    id: i64,
    views: i64,
}

#[test]
fn what_waits_is_counted_and_published_and_needs_no_database() {
    let pool =
        Pool::builder().min_idle(Some(0)).build(ConnectionManager::<PgConnection>::new("postgres://nowhere.invalid"));
    let options = Options::on(MemoryBuffer::new("pages")).with::<Page>().max_entries(2).when_full(WhenFull::Reject);
    let larder: Larder<Pg> = Larder::builder(pool.unwrap()).behind(options).build();
    let pages = Page::repository(&larder).behind();
    pages.increment(1, pages::views, 1).unwrap();
    let mut batch = pages.batch();
    batch.increment(1, pages::views, 1).unwrap().increment(2, pages::views, 1).unwrap();
    batch.send().unwrap();
    assert!(matches!(pages.increment(1, pages::views, 1), Err(Error::Full { n_entries: 2, .. })));

    let backlog = larder.backlog().unwrap();
    assert_eq!(backlog.size.n_entries, 2);
    let stats = larder.stats();
    let figures = stats.behind.unwrap();
    assert_eq!((figures.n_buffered, figures.n_entries, figures.n_full), (3, 2, 1));
    assert!(
        stats
            .to_string()
            .ends_with("behind: 3 buffered, 0 written through, 1 refused; 0 flushed as 0 rows, 0 rejected, 0 held\n")
    );
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, || larder.publish_metrics());
    let taken = recorder.snapshotter().snapshot().into_vec();
    let calls = |outcome: &str| {
        let is_it = |key: &metrics::Key| {
            key.name() == "larder.behind.calls" && key.labels().any(|label| label.value() == outcome)
        };
        taken.iter().find(|(key, ..)| is_it(key.key())).map(|(_, _, _, value)| value)
    };
    assert_eq!(calls("buffered"), Some(&DebugValue::Counter(3)));
    assert_eq!(calls("full"), Some(&DebugValue::Counter(1)));
}
