//! Rows that are deleted softly, which no change reaches.

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use larder::{
    Larder, Repository,
    behind::{Flusher, Options},
};
use tests::{COUNTERS, Counter, Meter, Namespace, counters, redis_store, redis_url};

/// A counter that is gone since it was seen.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = counters, check_for_backend(diesel::pg::Pg))]
#[larder(soft_delete = seen)]
struct Kept {
    id: i64,
    n: i64,
    amount: BigDecimal,
    seen: Option<DateTime<Utc>>,
}

#[test]
fn a_row_that_is_deleted_softly_is_not_changed_later() {
    let (namespace, database, meter) = (Namespace::new(), COUNTERS.database(), Meter::new());
    Counter::add(&mut database.connect(), 0, 2).unwrap();
    let store = redis_store(&redis_url(), &namespace);
    let options = Options::on(store.buffer("test")).with::<Kept>();
    let larder = Larder::builder(database.pool(&meter, 4)).shared(store).behind(options).build();
    let rows = Kept::repository(&larder);
    rows.delete(1).unwrap();
    for id in [0, 1] {
        rows.behind().increment(id, counters::n, 3).unwrap();
    }
    Flusher::run_once(&larder).unwrap();
    let n = |id: i64| rows.clone().with_deleted().get(id).unwrap().n;
    assert_eq!((n(0), n(1)), (3, 0));
}
