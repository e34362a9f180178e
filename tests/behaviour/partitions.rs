//! Tables in partitions, and who looks after them.

mod held;
mod killed;
mod migrated;
mod others;
mod tables;
mod years;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, NaiveDate, TimeZone as _, Utc};
use diesel::{
    connection::SimpleConnection as _,
    dsl::sql,
    pg::Pg,
    prelude::*,
    sql_types::{BigInt, Text},
};
use larder::{
    Entity as _, Models, NearOptions,
    partitions::{Action, By, Error, Expired, Keeper, Report, Step},
};
use tests::{Shop, eventually};

use self::tables::{TABLES, Visit, Visitor, VisitorTree, visits};

/// The clock of a test's keepers, in microseconds.
#[derive(Clone)]
struct Calendar(Arc<AtomicI64>);

impl Calendar {
    fn at(year: i32, month: u32, day: u32) -> Self {
        Self(Arc::new(AtomicI64::new(moment(year, month, day).timestamp_micros())))
    }

    fn turn_to(&self, moment: DateTime<Utc>) {
        self.0.store(moment.timestamp_micros(), Ordering::SeqCst);
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn system(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

fn moment(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, day, 12, 0, 0).unwrap()
}

fn models() -> Models<Pg> {
    Models::new().with::<Visit>()
}

fn keeper(larder: &larder::Larder<Pg>, calendar: &Calendar) -> Keeper {
    let calendar = calendar.clone();
    Keeper::of(larder, &models()).clock(move || calendar.system())
}

fn visit(id: i64, seen_at: DateTime<Utc>) -> Visit {
    Visit { id, seen_at, user_id: id % 3, note: Some(format!("visit {id}")) }
}

#[track_caller]
fn well(report: Report) -> Vec<String> {
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert!(report.elsewhere.is_empty());
    report.done.iter().map(|(_, action)| action.to_string()).collect()
}

fn names(shop: &Shop, of: &str) -> Vec<String> {
    let names = "relname::text FROM pg_class WHERE relkind = 'r' AND relname LIKE '";
    let names = sql::<Text>(&format!("{names}{of}\\_%' ORDER BY relname"));
    diesel::select(names).load(&mut shop.database.connect()).unwrap()
}

fn number(shop: &Shop, query: &str) -> i64 {
    diesel::select(sql::<BigInt>(&format!("({query})"))).get_result(&mut shop.database.connect()).unwrap()
}

#[test]
fn a_model_says_how_its_table_is_cut() {
    let partition = Visit::PARTITION.unwrap();
    let By::Ranges(ranges) = partition.by else { panic!("{partition:?}") };
    assert_eq!((partition.column, ranges.every, ranges.keep), ("seen_at", Step::Months(1), Some(Step::Months(6))));
    let models = models().with::<shop_core::User>();
    let described: Vec<_> = models.describe().map(|model| model.partition.is_some()).collect();
    assert_eq!(described, [true, false]);
}

#[test]
fn partitions_are_made_ahead_and_a_second_look_finds_nothing_to_do() {
    let shop = Shop::of(&TABLES);
    let keeper = keeper(&shop.larder, &Calendar::at(2026, 11, 23));
    let [plan] = &keeper.plan().unwrap()[..] else { panic!("one table") };
    assert_eq!(plan.create.len(), 3);
    assert_eq!(
        well(keeper.run_once()),
        [
            "created public.\"visits_p20261101\"",
            "created public.\"visits_p20261201\"",
            "created public.\"visits_p20270101\""
        ]
    );
    let plan = keeper.plan().unwrap().remove(0);
    assert!(plan.is_empty(), "{plan:?}");
    assert_eq!(well(keeper.run_once()), [] as [&str; 0]);
    let status = keeper.status().unwrap().remove(0);
    assert_eq!(status.n_in_default, Some(0));
    assert_eq!(status.partitions[0].bounds, "FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00')");
    assert_eq!(status.partitions.len(), 4);
}

#[test]
fn rows_of_the_default_partition_come_into_their_own_and_the_caches_do_not_mind() {
    let shop = Shop::of(&TABLES);
    let visits = Visit::repository(&shop.larder);
    let rows = [visit(1, moment(2026, 11, 2)), visit(2, moment(2026, 9, 5)), visit(3, moment(2029, 1, 1))];
    visits.insert_many(&rows).unwrap();
    // Nobody is to hear of a deletion.
    let trigger =
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a row is deleted'; END $$;
        CREATE TRIGGER refuse BEFORE DELETE ON visits FOR EACH ROW EXECUTE FUNCTION refuse()";
    shop.database.connect().batch_execute(trigger).unwrap();
    let keeper = keeper(&shop.larder, &Calendar::at(2026, 11, 23));
    let plan = keeper.plan().unwrap().remove(0);
    assert_eq!((plan.create.len(), plan.n_to_move), (3, 2));
    let done = well(keeper.run_once());
    assert_eq!(done[0], "created public.\"visits_p20261101\", with 1 rows of the default partition");
    assert_eq!(done[3], "created public.\"visits_p20260901\", with 1 rows of the default partition");
    // What lies far ahead has to wait for its time.
    assert_eq!(number(&shop, "SELECT count(*) FROM visits_default"), 1);
    assert_eq!(number(&shop, "SELECT count(*) FROM visits_p20260901 WHERE id = 2 AND note = 'visit 2'"), 1);
    shop.meter.reset();
    for row in &rows {
        assert_eq!(visits.find((row.id, row.seen_at)).unwrap().as_ref(), Some(row));
    }
    shop.meter.expect(tests::Cost { sql: 0, store_reads: 3, store_writes: 0 });
    let refused = shop.database.connect().batch_execute("DELETE FROM visits_default").unwrap_err();
    assert!(refused.to_string().contains("a row is deleted"), "{refused}");
}

#[test]
fn rows_that_go_with_their_partition_leave_every_cache() {
    let shop = Shop::of(&TABLES);
    let calendar = Calendar::at(2026, 1, 10);
    let keeper = keeper(&shop.larder, &calendar);
    well(keeper.run_once());
    let near = shop.branch_built(|builder| builder.near(NearOptions::bytes(16 << 20)));
    let (old, young) = (visit(1, moment(2026, 1, 10)), visit(4, moment(2026, 2, 20)));
    Visit::repository(&shop.larder).insert_many(&[old.clone(), young.clone()]).unwrap();
    let listed = |larder: &larder::Larder<Pg>| Visit::repository(larder).list_by_user_id(1).load().unwrap();
    for larder in [&shop.larder, &near.larder, &near.larder] {
        assert_eq!(Visit::repository(larder).find((1, old.seen_at)).unwrap(), Some(old.clone()));
        assert_eq!(listed(larder), [old.clone(), young.clone()]);
    }
    let n_of = |larder: &larder::Larder<Pg>| {
        let count = larder.query("visits").depends_on::<Visit>();
        count.load(|connection| visits::table.count().get_result::<i64>(connection)).unwrap()
    };
    assert_eq!(n_of(&shop.larder), 2);
    let tree = || Visitor::repository(&shop.larder).select::<VisitorTree>().get(1).map(|tree| tree.visits).unwrap();
    assert_eq!(tree(), [old.clone(), young.clone()]);
    calendar.turn_to(moment(2026, 8, 1));
    let report = keeper.run_once();
    let forgotten = report.done.iter().find_map(|(_, action)| match action {
        Action::Forgotten { n_cells, .. } => *n_cells,
        _ => None,
    });
    // By its key, by its user, the table's own, and the version of the trees.
    assert_eq!(forgotten, Some(4));
    assert!(well(report).contains(&"dropped public.visits_p20260101".to_owned()));
    eventually(Duration::from_secs(10), || Visit::repository(&near.larder).find((1, old.seen_at)).unwrap().is_none());
    assert_eq!(Visit::repository(&shop.larder).find((1, old.seen_at)).unwrap(), None);
    for larder in [&shop.larder, &near.larder] {
        assert_eq!(listed(larder), std::slice::from_ref(&young));
    }
    assert_eq!(n_of(&shop.larder), 1);
    assert_eq!(tree(), [young]);
}

#[test]
fn an_archive_has_every_row_and_can_be_read_again() {
    let shop = Shop::of(&TABLES);
    let folder = std::env::temp_dir().join(format!("larder-archive-{}", std::process::id()));
    let calendar = Calendar::at(2026, 1, 10);
    let keeper = keeper(&shop.larder, &calendar).expired(Expired::Archive(folder.clone()));
    well(keeper.run_once());
    let rows = "INSERT INTO visits SELECT n, '2026-01-10 12:00:00.123456+00', n % 7,
        CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'a \"quote\", a comma\\nand a line' ELSE 'é' END
        FROM generate_series(1, 5000) AS n";
    shop.database.connect().batch_execute(rows).unwrap();
    let sum = "SELECT sum(hashtextextended(row(v.*)::text, 0)::numeric % 1000000007)::bigint FROM";
    let before = number(&shop, &format!("{sum} visits_p20260101 AS v"));
    calendar.turn_to(moment(2026, 9, 1));
    let report = keeper.run_once();
    let archived = report.done.iter().find_map(|(_, action)| match action {
        Action::Archived { path, n_rows, .. } if *n_rows > 0 => Some((path.clone(), *n_rows)),
        _ => None,
    });
    well(report);
    let (path, n_rows) = archived.unwrap();
    assert_eq!(n_rows, 5_000);
    assert_eq!(path.file_name().unwrap(), "public.visits_p20260101.csv");
    assert_eq!(number(&shop, "SELECT count(*) FROM visits"), 0);
    shop.database.connect().batch_execute("CREATE TABLE again (LIKE visits)").unwrap();
    let copied =
        tests::psql(shop.database.url(), &format!("\\copy again FROM '{}' (FORMAT csv, HEADER)", path.display()));
    assert_eq!(copied, "");
    assert_eq!(number(&shop, &format!("{sum} again AS v")), before);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_table_that_is_not_as_its_model_says_is_left_alone() {
    let shop = Shop::of(&TABLES);
    let keeper = keeper(&shop.larder, &Calendar::at(2026, 11, 23));
    shop.database
        .connect()
        .batch_execute(
            "DROP TABLE visits; CREATE TABLE visits (id bigint, seen_at timestamptz, user_id bigint, note text)",
        )
        .unwrap();
    let report = keeper.run_once();
    assert!(matches!(&report.failures[..], [failure] if matches!(failure.error, Error::NotPartitioned { .. })));
    shop.database
        .connect()
        .batch_execute("DROP TABLE visits; CREATE TABLE visits (id bigint, seen_at timestamptz) PARTITION BY LIST (id)")
        .unwrap();
    let wrong = keeper.run_once().failures.remove(0).error.to_string();
    assert_eq!(wrong, "public.visits is partitioned by list of id, and its model says by range of seen_at");
}

#[test]
fn days_are_utc_days_wherever_the_session_is() {
    let shop = Shop::of(&TABLES);
    let larder = &shop.larder;
    let zone = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET TimeZone = ''Pacific/Auckland''', current_database()); END $$";
    shop.database.connect().batch_execute(zone).unwrap();
    let keeper = keeper(larder, &Calendar::at(2026, 11, 23));
    well(keeper.run_once());
    // At midnight in UTC it is another month there.
    let midnight = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
    Visit::repository(larder).insert(visit(1, midnight)).unwrap();
    assert_eq!(number(&shop, "SELECT count(*) FROM visits_p20261201"), 1);
    assert!(keeper.plan().unwrap()[0].is_empty());
}
