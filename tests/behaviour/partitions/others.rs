//! Others who are in the keeper's way, and in whose way the keeper is.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use diesel::{connection::SimpleConnection as _, pg::Pg};
use larder::{
    Models,
    partitions::{Error, Keeper},
};
use tests::eventually;

use super::{
    Calendar, Shop, TABLES, Visit, keeper, moment, names, number,
    tables::{Event, Ledger, Token},
    visit, well,
};

const LOCK_TIMEOUT: Duration = Duration::from_millis(60);

#[test]
fn a_long_lock_of_somebody_else_is_given_way_to_and_writers_wait_no_longer_than_they_may() {
    let shop = Shop::of(&TABLES);
    let calendar = Calendar::at(2026, 11, 23);
    well(keeper(&shop.larder, &calendar).run_once());
    calendar.turn_to(moment(2027, 1, 5));
    let mut other = shop.database.connect();
    other.batch_execute("BEGIN; INSERT INTO visits VALUES (1, '2026-12-05 12:00+00', 1, NULL)").unwrap();
    let (is_over, branch) = (AtomicBool::new(false), shop.branch());
    let (report, longest) = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (visits, mut longest, mut id) = (Visit::repository(&branch.larder), Duration::ZERO, 100);
            while !is_over.load(Ordering::SeqCst) {
                let since = Instant::now();
                visits.insert(visit(id, moment(2026, 12, 5))).unwrap();
                longest = longest.max(since.elapsed());
                id += 1;
            }
            longest
        });
        let report = keeper(&shop.larder, &calendar).lock_timeout(LOCK_TIMEOUT).run_once();
        is_over.store(true, Ordering::SeqCst);
        (report, writer.join().unwrap())
    });
    assert_eq!(report.done, []);
    assert!(
        matches!(&report.failures[..], [first, _] if matches!(first.error, Error::Database(_))),
        "{:?}",
        report.failures
    );
    // What a busy machine adds is no fault of the keeper.
    assert!(longest >= LOCK_TIMEOUT / 2 && longest < LOCK_TIMEOUT + Duration::from_millis(400), "{longest:?}");
    // It goes on trying, and is there as soon as it may be.
    let running = keeper(&shop.larder, &calendar).lock_timeout(LOCK_TIMEOUT).start().unwrap();
    eventually(Duration::from_secs(30), || running.figures().n_failed > 0);
    assert!(running.figures().looked_ago.is_none() && running.figures().last_failure.is_some());
    other.batch_execute("COMMIT").unwrap();
    eventually(Duration::from_secs(30), || names(&shop, "visits").contains(&"visits_p20270301".to_owned()));
    let figures = running.stop();
    assert_eq!((figures.n_created, figures.n_detached), (2, 0));
    assert!(figures.longest_block >= LOCK_TIMEOUT, "{figures:?}");
}

#[test]
fn rows_that_foreign_keys_lead_to_are_not_moved() {
    let shop = Shop::of(&TABLES);
    let notes = "CREATE TABLE notes (id bigint, seen_at timestamptz, FOREIGN KEY (id, seen_at) REFERENCES visits ON DELETE CASCADE);
        INSERT INTO visits VALUES (1, '2026-11-05 12:00+00', 1, NULL); INSERT INTO notes VALUES (1, '2026-11-05 12:00+00')";
    shop.database.connect().batch_execute(notes).unwrap();
    let report = keeper(&shop.larder, &Calendar::at(2026, 11, 23)).run_once();
    assert!(report.failures.iter().all(|failure| matches!(failure.error, Error::Referenced { n_rows: 1, .. })));
    assert!(!report.failures.is_empty() && report.done.len() == 2, "{report:?}");
    assert_eq!(number(&shop, "SELECT count(*) FROM notes JOIN visits USING (id, seen_at)"), 1);
}

fn keeper_of<E: larder::Table<Pg>>(shop: &Shop) -> Keeper {
    Keeper::of(&shop.larder, &Models::new().with::<E>()).lock_timeout(LOCK_TIMEOUT)
}

#[test]
fn ranges_of_numbers_follow_the_largest_and_are_detached_while_others_read() {
    let shop = Shop::of(&TABLES);
    let keeper = keeper_of::<Event>(&shop);
    well(keeper.run_once());
    assert_eq!(names(&shop, "events"), ["events_p0", "events_p100", "events_p200"]);
    let insert = |from: i64, to: i64| {
        let rows = format!("INSERT INTO events SELECT n, 'event ' || n FROM generate_series({from}, {to}) AS n");
        shop.database.connect().batch_execute(&rows).unwrap();
    };
    insert(1, 299);
    well(keeper.run_once());
    insert(300, 450);
    assert_eq!(Event::repository(&shop.larder).get(7).unwrap().name, "event 7");
    // Somebody still reads what is to go: PostgreSQL waits for him, and the keeper does not.
    let mut reader = shop.database.connect();
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM events").unwrap();
    let report = keeper.run_once();
    assert_eq!(report.failures.len(), 2, "{:?}", report.failures);
    insert(451, 452);
    assert_eq!(
        number(&shop, "SELECT count(*) FROM events WHERE id < 200"),
        100,
        "one is detached half, and the other waits"
    );
    reader.batch_execute("COMMIT").unwrap();
    let done = well(keeper.run_once());
    assert!(done.contains(&"dropped public.events_p0".to_owned()), "{done:?}");
    well(keeper.run_once());
    assert_eq!(names(&shop, "events"), ["events_p200", "events_p300", "events_p400", "events_p500", "events_p600"]);
    assert_eq!(Event::repository(&shop.larder).find(7).unwrap(), None);
    assert_eq!(number(&shop, "SELECT count(*) FROM events"), 253);
}

#[test]
fn a_value_of_a_list_is_given_its_own_partition_with_its_rows() {
    let shop = Shop::of(&TABLES);
    let ledgers = Ledger::repository(&shop.larder);
    for (id, tenant) in ["small", "it's large", "it's large", "other"].into_iter().enumerate() {
        ledgers.insert(Ledger { tenant_id: tenant.to_owned(), id: id as i64, amount: 7 }).unwrap();
    }
    let keeper = keeper_of::<Ledger>(&shop);
    assert_eq!(well(keeper.run_once()), [] as [&str; 0]);
    let done = well(keeper.give_partition("ledgers", "it's large").unwrap());
    assert_eq!(done, ["created public.\"ledgers_pit's large\", with 2 rows of the default partition"]);
    assert_eq!(well(keeper.give_partition("ledgers", "it's large").unwrap()), [] as [&str; 0]);
    assert_eq!(number(&shop, "SELECT count(*) FROM ledgers_default"), 2);
    assert_eq!(ledgers.list_by_tenant_id("it's large".to_owned()).load().unwrap().len(), 2);
    let refused = keeper.give_partition("visits", "7");
    assert!(matches!(refused, Err(Error::NoScheme { .. })), "{refused:?}");
}

#[test]
fn a_table_by_hash_gets_all_of_its_partitions_and_keeps_them() {
    let shop = Shop::of(&TABLES);
    let keeper = keeper_of::<Token>(&shop);
    assert_eq!(keeper.plan().unwrap()[0].create.len(), 4);
    assert_eq!(well(keeper.run_once()).len(), 4);
    for id in 1..=20 {
        Token::repository(&shop.larder).insert(Token { id, name: format!("token {id}") }).unwrap();
    }
    assert_eq!(well(keeper.run_once()), [] as [&str; 0]);
    assert!(number(&shop, "SELECT count(DISTINCT tableoid) FROM tokens") >= 3);
    let other = "DROP TABLE tokens; CREATE TABLE tokens (id bigint PRIMARY KEY, name text) PARTITION BY HASH (id);
        CREATE TABLE tokens_a PARTITION OF tokens FOR VALUES WITH (MODULUS 2, REMAINDER 0)";
    shop.database.connect().batch_execute(other).unwrap();
    assert!(matches!(keeper.run_once().failures[0].error, Error::Otherwise { .. }));
}

#[test]
fn partitions_of_others_are_known_by_their_bounds() {
    let shop = Shop::of(&TABLES);
    // As pg_partman 4 calls them, in another time zone, and two months in one.
    let others = "SET TimeZone = 'America/New_York';
        CREATE TABLE visits_p2026_11 PARTITION OF visits FOR VALUES FROM ('2026-10-31 20:00') TO ('2026-11-30 19:00');
        CREATE TABLE visits_winter PARTITION OF visits FOR VALUES FROM ('2026-12-01 00:00+00') TO ('2027-02-01 00:00+00');
        CREATE TABLE visits_ancient PARTITION OF visits FOR VALUES FROM (MINVALUE) TO ('2026-01-01 00:00+00')";
    shop.database.connect().batch_execute(others).unwrap();
    let calendar = Calendar::at(2026, 11, 23);
    let keeper = keeper(&shop.larder, &calendar);
    let plan = keeper.plan().unwrap().remove(0);
    assert_eq!((plan.create.as_slice(), plan.expire.len()), (&[][..], 1), "{plan:?}");
    calendar.turn_to(moment(2026, 12, 23));
    let plan = keeper.plan().unwrap().remove(0);
    assert_eq!(plan.create[0].0, "visits_p20270201");
    assert_eq!(well(keeper.run_once()).last().unwrap(), "dropped public.visits_ancient");
}

/// How many partitions the statements of a repository come to.
fn n_scanned(shop: &Shop, read: impl Fn(&larder::Tx<Pg>) -> larder::Result<()>) -> usize {
    use diesel::{RunQueryDsl as _, dsl::sql, sql_types::Text};
    let scans = |tx: &larder::Tx<Pg>| {
        let scans = "relname || ' ' || coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_xact_user_tables
            WHERE relname LIKE 'visits\\_%'";
        tx.run(|connection| diesel::select(sql::<Text>(scans)).load::<String>(connection))
    };
    let counted = shop.larder.transaction(|tx| {
        // The session has looks of earlier transactions in it.
        let before = scans(tx)?;
        read(tx)?;
        Ok(scans(tx)?.into_iter().filter(|table| !before.contains(table)).count())
    });
    counted.unwrap()
}

#[test]
fn finders_that_have_the_column_come_to_one_partition_and_others_to_all() {
    let shop = Shop::of(&TABLES);
    let calendar = Calendar::at(2026, 6, 1);
    for month in 6..=12 {
        calendar.turn_to(moment(2026, month, 1));
        well(keeper(&shop.larder, &calendar).run_once());
        Visit::repository(&shop.larder).insert(visit(month.into(), moment(2026, month, 2))).unwrap();
    }
    shop.database.connect().batch_execute("ANALYZE visits").unwrap();
    let n_partitions = names(&shop, "visits").len();
    assert!(n_partitions >= 9);
    let find = n_scanned(&shop, |tx| {
        Visit::repository(tx).find((6, moment(2026, 6, 2))).map(|found| assert!(found.is_some()))
    });
    assert_eq!(find, 1);
    let keys = [(6, moment(2026, 6, 2)), (7, moment(2026, 7, 2)), (8, moment(2026, 7, 2))];
    let many = n_scanned(&shop, |tx| {
        Visit::repository(tx).find_many(&keys).map(|found| assert_eq!(found.iter().flatten().count(), 2))
    });
    // Several keys at once are joined with the table: PostgreSQL asks each partition for all of them.
    assert_eq!(many, n_partitions);
    let list =
        n_scanned(&shop, |tx| Visit::repository(tx).list_by_user_id(0).load().map(|found| assert_eq!(found.len(), 3)));
    assert_eq!(list, n_partitions);
    let pruning = larder::partitions::pruning(&super::models());
    let told: Vec<_> = pruning.iter().map(|pattern| (pattern.columns, pattern.prunes)).collect();
    assert_eq!(told, [(&["id", "seen_at"][..], true), (&["user_id"][..], false)]);
    assert_eq!(
        pruning[1].to_string(),
        "visits by user_id looks into every partition, since that does not have seen_at"
    );
}
