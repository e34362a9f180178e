//! Tables that are not like others.

use diesel::{connection::SimpleConnection as _, pg::Pg, prelude::*};
use larder::{
    Models, Repository, outbox,
    triggers::{Gap, Reason, Triggers},
};
use tests::{Database, EMPTY};

use super::{
    library::{larder, told_of},
    parts::{PARTS, Part, Path, parts},
};

diesel::table! { readings (day, sensor) { day -> Date, sensor -> Integer, value -> Integer, seen -> Integer, } }

/// `seen` is no column of the model.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Repository)]
#[diesel(table_name = readings, primary_key(day, sensor), check_for_backend(Pg))]
#[larder(index(sensor))]
struct Reading {
    day: chrono::NaiveDate,
    sensor: i32,
    value: i32,
}

fn readings_of() -> Triggers {
    Triggers::of(Models::new().with::<Reading>())
}

const PARTITIONED: &str = "
    CREATE TABLE readings (day date, sensor int, value int NOT NULL, seen int DEFAULT 0 NOT NULL, PRIMARY KEY (day, sensor))
        PARTITION BY RANGE (day);
    CREATE TABLE readings_may PARTITION OF readings FOR VALUES FROM ('2024-05-01') TO ('2024-06-01');
    CREATE TABLE readings_june PARTITION OF readings FOR VALUES FROM ('2024-06-01') TO ('2024-07-01')";

fn with(tables: &str) -> Database {
    let database = EMPTY.database();
    database.connect().batch_execute(&format!("{}; {tables}", outbox::UP)).unwrap();
    database
}

fn refused(database: &Database, triggers: &Triggers) -> String {
    database.connect().batch_execute(&triggers.up()).unwrap_err().to_string()
}

#[test]
fn a_partitioned_table_is_told_of_row_by_row_whichever_way_it_is_written() {
    let database = with(PARTITIONED);
    database.connect().batch_execute(&readings_of().by_row::<Reading>().up()).unwrap();
    // A partition that comes later has the triggers, too.
    let later = "CREATE TABLE readings_july PARTITION OF readings FOR VALUES FROM ('2024-07-01') TO ('2024-08-01')";
    database.connect().batch_execute(later).unwrap();
    let entry = |day: &str, sensor: i32| format!(r#"readings: {{"day": "{day}", "sensor": {sensor}}}"#);

    let through_parent = told_of(&database, "INSERT INTO readings VALUES ('2024-05-01', 1, 10), ('2024-07-01', 1, 30)");
    assert_eq!(through_parent, [entry("2024-05-01", 1), entry("2024-07-01", 1)]);
    assert_eq!(told_of(&database, "INSERT INTO readings_june VALUES ('2024-06-01', 1, 20)"), [entry("2024-06-01", 1)]);
    let same = told_of(&database, "UPDATE readings_may SET value = 10, seen = seen + 1");
    assert_eq!(same, [] as [&str; 0]);
    let changed = told_of(&database, "UPDATE readings SET value = 11, seen = seen + 1 WHERE day = '2024-05-01'");
    assert_eq!(changed, [r#"readings: {"day": "2024-05-01", "sensor": 1} {"day": "2024-05-01", "sensor": 1}"#]);
    let mut moved = told_of(&database, "UPDATE readings SET day = '2024-06-02' WHERE day = '2024-05-01'");
    moved.sort();
    assert_eq!(moved, [entry("2024-05-01", 1), entry("2024-06-02", 1)]);
    assert_eq!(told_of(&database, "DELETE FROM readings_july"), [entry("2024-07-01", 1)]);
    assert_eq!(told_of(&database, "TRUNCATE readings"), ["readings: any"]);
}

diesel::table! { nodes (id) { id -> BigInt, parent_id -> Nullable<BigInt>, } }

/// Nothing says that a node's children go with it.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Repository)]
#[diesel(table_name = nodes, check_for_backend(Pg))]
struct Node {
    id: i64,
    parent_id: Option<i64>,
}

#[test]
fn a_partitioned_table_that_refers_to_itself_is_told_of_what_follows() {
    let database = with("
        CREATE TABLE nodes (id bigint PRIMARY KEY, parent_id bigint REFERENCES nodes ON DELETE CASCADE) PARTITION BY RANGE (id);
        CREATE TABLE nodes_low PARTITION OF nodes FOR VALUES FROM (0) TO (10);
        CREATE TABLE nodes_high PARTITION OF nodes FOR VALUES FROM (10) TO (20);
        INSERT INTO nodes VALUES (1, NULL), (11, 1)");
    let triggers = Triggers::of(Models::new().with::<Node>()).by_row::<Node>();
    database.connect().batch_execute(&triggers.up()).unwrap();
    Node::repository(&larder(&database)).delete(1).unwrap();
    let mut told = super::library::told(&mut database.connect());
    told.sort();
    assert_eq!(told, [r#"nodes: {"id": 11}"#, r#"nodes: {"id": 1}"#]);
}

#[test]
fn too_many_rows_of_a_transaction_may_have_been_any_row_by_row_too() {
    let database = with(PARTITIONED);
    database.connect().batch_execute(&readings_of().by_row::<Reading>().at_most(5).up()).unwrap();
    let insert =
        |n: i32, m: i32| format!("INSERT INTO readings SELECT '2024-05-01', g, 0 FROM generate_series({n}, {m}) AS g;");
    assert_eq!(told_of(&database, &insert(1, 5)).len(), 5);
    let told = told_of(&database, &insert(6, 20));
    assert_eq!((told.len(), told[5].as_str()), (6, "readings: any"));
    let told = told_of(
        &database,
        &format!("BEGIN; {} SAVEPOINT s; {} ROLLBACK TO s; {} COMMIT", insert(21, 23), insert(24, 40), insert(24, 25)),
    );
    assert_eq!((told.len(), told.iter().any(|entry| entry.ends_with("any"))), (5, false));
}

#[test]
fn a_table_of_which_not_all_would_be_seen_is_refused() {
    let database = with(PARTITIONED);
    let partitioned = refused(&database, &readings_of());
    assert!(partitioned.contains("\"readings\": it is partitioned or inherits"), "{partitioned}");

    let empty = with("CREATE TABLE readings (day date, sensor int, value int) PARTITION BY RANGE (day)");
    assert!(refused(&empty, &readings_of()).contains("partitioned or inherits"));

    let plain = "CREATE TABLE readings (day date, sensor int, value int, seen int, PRIMARY KEY (day, sensor))";
    let inherited = with(&format!("{plain}; CREATE TABLE more () INHERITS (readings)"));
    assert!(refused(&inherited, &readings_of()).contains("partitioned or inherits"));
    assert!(refused(&inherited, &readings_of().by_row::<Reading>()).contains("other tables inherit from it"));

    // It was not so when the triggers were made.
    let database = with(plain);
    let connection = &mut database.connect();
    connection.batch_execute(&readings_of().up()).unwrap();
    assert_eq!(readings_of().check(connection).unwrap(), []);
    connection.batch_execute("CREATE TABLE more () INHERITS (readings)").unwrap();
    let gaps = readings_of().check(connection).unwrap();
    assert!(gaps.len() == 4 && gaps.iter().all(|Gap { reason, .. }| *reason == Reason::Partitioned), "{gaps:?}");
}

#[test]
fn triggers_without_an_outbox_are_refused() {
    let database = EMPTY.database();
    database.connect().batch_execute(PARTITIONED).unwrap();
    let triggers = readings_of().by_row::<Reading>();
    assert!(refused(&database, &triggers).contains("there is no table \"public\".larder_outbox"));
    let elsewhere = format!("CREATE SCHEMA \"An App\"; SET search_path = \"An App\"; {}", outbox::UP);
    database.connect().batch_execute(&elsewhere).unwrap();
    database.connect().batch_execute(&triggers.outbox_schema("An App").up()).unwrap();
    let write =
        "INSERT INTO readings VALUES ('2024-05-01', 1, 10); ALTER TABLE \"An App\".larder_outbox SET SCHEMA public";
    assert_eq!(told_of(&database, write).len(), 1);
}

#[test]
fn a_table_in_a_schema_with_any_names_and_types_is_told_of() {
    let database = PARTS.database();
    let connection = &mut database.connect();
    let models = || Models::<Pg>::new().with::<Part>().with::<Path>();
    connection.batch_execute(&format!("{}; {}", outbox::UP, Triggers::of(models()).up())).unwrap();
    assert_eq!(Triggers::of(models()).check(connection).unwrap(), []);
    let name = models().names().next().unwrap();
    for seed in 0..50 {
        let [old, new] = [Part::drawn(2 * seed), Part::drawn(2 * seed + 1)];
        diesel::insert_into(parts::table).values(&old).execute(connection).unwrap();
        // No column but those that no cell has.
        connection.batch_execute(r#"UPDATE "Odd"."All 'Parts'" SET unseen = '[]'"#).unwrap();
        diesel::update(parts::table).set(&new).execute(connection).unwrap();
        diesel::delete(parts::table).execute(connection).unwrap();
        let entries: Vec<String> = diesel::sql_query(
            "WITH taken AS (DELETE FROM larder_outbox RETURNING *) SELECT rows::text AS json FROM taken ORDER BY id",
        )
        .load::<super::decoding::Json>(connection)
        .unwrap()
        .into_iter()
        .map(|row| row.json)
        .collect();
        let [inserted, updated, deleted] = &entries[..] else { panic!("seed {seed}: {entries:?}") };
        let mut cells = |rows: &str| models().cells_of(connection, name, rows).unwrap().unwrap();
        let mut both = cells(inserted);
        both.extend(cells(deleted));
        both.sort();
        both.dedup();
        assert_eq!(cells(updated), both, "seed {seed}");
        // Only the primary key has stayed, and the table's cell is one.
        assert_eq!(both.len(), cells(inserted).len() + cells(deleted).len() - 2, "seed {seed}");
    }
}
