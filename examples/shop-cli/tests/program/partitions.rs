use std::{fs, time::Duration};

use diesel::{
    connection::SimpleConnection as _,
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Text},
};
use serde_json::Value;
use tests::{Shop, Template, eventually};

use crate::command::{Ended, Running, command, end, program};

static TABLES: Template = Template::new("partitioned", |connection| {
    let tables = "CREATE TABLE readings (id bigint PRIMARY KEY, place text NOT NULL) PARTITION BY RANGE (id);
        CREATE TABLE readings_default PARTITION OF readings DEFAULT;
        CREATE TABLE ledgers (tenant text, id bigint, PRIMARY KEY (tenant, id)) PARTITION BY LIST (tenant);
        CREATE TABLE ledgers_default PARTITION OF ledgers DEFAULT";
    connection.batch_execute(tables).expect("the tables can be made");
});

/// A run of the commands for models that are partitioned.
fn run(shop: &Shop, arguments: &[&str]) -> Ended {
    end(program(env!("CARGO_BIN_EXE_partitioned-larder"), shop, arguments))
}

#[track_caller]
fn well(shop: &Shop, arguments: &[&str]) -> String {
    let ended = run(shop, arguments);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    ended.stdout
}

#[track_caller]
fn json(shop: &Shop, arguments: &[&str]) -> Value {
    serde_json::from_str(&well(shop, arguments)).unwrap()
}

fn insert(shop: &Shop, from: i64, to: i64) {
    let rows = format!("INSERT INTO readings SELECT n, 'place ' || n FROM generate_series({from}, {to}) AS n");
    shop.database.connect().batch_execute(&rows).unwrap();
}

fn count(shop: &Shop, of: &str) -> i64 {
    let count = sql::<BigInt>(&format!("(SELECT count(*) FROM {of})"));
    diesel::select(count).get_result(&mut shop.database.connect()).unwrap()
}

/// All tables, what they are partitions of, and what is said of them.
fn catalogue(shop: &Shop) -> String {
    let all = "(SELECT string_agg(concat_ws(' ', c.oid, c.relname, c.relfilenode, pg_get_expr(c.relpartbound, c.oid), i.inhparent,
            obj_description(c.oid, 'pg_class')), E'\\n' ORDER BY c.oid)
        FROM pg_class AS c LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace)";
    diesel::select(sql::<Text>(all)).get_result(&mut shop.database.connect()).unwrap()
}

#[test]
fn a_dry_run_tells_what_a_run_does_and_does_nothing() {
    let shop = Shop::of(&TABLES);
    insert(&shop, 1, 50);
    let before = catalogue(&shop);
    let text = well(&shop, &["partitions", "run", "--dry-run"]);
    assert!(text.contains("readings: would create readings_p100 FOR VALUES FROM ('100') TO ('200')"), "{text}");
    assert!(text.contains("readings: would move 50 rows out of the default partition"), "{text}");
    let plan = json(&shop, &["partitions", "run", "--dry-run", "--json"]);
    assert_eq!(catalogue(&shop), before);
    assert_eq!(count(&shop, "readings_default"), 50);
    let planned: Vec<_> = plan["plans"][0]["create"].as_array().unwrap().iter().map(|new| &new["name"]).collect();
    assert_eq!(planned, ["readings_p0", "readings_p100", "readings_p200"]);

    let done = json(&shop, &["partitions", "run", "--json"]);
    let created: Vec<_> =
        done["done"].as_array().unwrap().iter().map(|did| did["partition"].as_str().unwrap()).collect();
    let planned: Vec<_> = planned.iter().map(|name| format!("public.\"{}\"", name.as_str().unwrap())).collect();
    assert_eq!(created, planned);
    assert_eq!((count(&shop, "readings_default"), count(&shop, "readings_p0")), (0, 50));
    assert_eq!(well(&shop, &["partitions", "run", "--dry-run"]), "there is nothing to do\n");
    assert_eq!(well(&shop, &["partitions", "run"]), "there was nothing to do\n");
}

#[test]
fn status_tells_of_all_partitions() {
    let shop = Shop::of(&TABLES);
    well(&shop, &["partitions", "run"]);
    insert(&shop, 1, 50);
    insert(&shop, 1_000, 1_006);
    shop.database.connect().batch_execute("ANALYZE readings").unwrap();
    let text = well(&shop, &["partitions", "status"]);
    assert!(text.starts_with("readings: 4 partitions\n"), "{text}");
    assert!(text.contains("  public.readings_p0  FOR VALUES FROM ('0') TO ('100')  some 50 rows, "), "{text}");
    assert!(text.contains("  7 rows are in the default partition\n"), "{text}");
    assert!(text.contains("ledgers: 1 partitions\n  public.ledgers_default  DEFAULT  "), "{text}");
    let status = json(&shop, &["partitions", "status", "--json"]);
    let readings = &status["tables"][0];
    assert_eq!((&readings["table"], &readings["n_in_default"]), (&"readings".into(), &7.into()));
    assert_eq!((&readings["partitions"][0]["n_rows"], &readings["leftovers"]), (&50.into(), &Value::Array(vec![])));
    assert!(readings["partitions"][0]["n_bytes"].as_i64().unwrap() > 0, "{readings}");
}

#[test]
fn a_run_archives_what_is_not_kept() {
    let shop = Shop::of(&TABLES);
    for to in [100, 200, 300] {
        well(&shop, &["partitions", "run"]);
        insert(&shop, to - 99, to);
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let text = well(&shop, &["partitions", "run", "--archive", folder]);
    assert!(text.contains("readings: wrote 99 rows of public.readings_p0 to "), "{text}");
    assert!(text.contains("readings: dropped public.readings_p0\n"), "{text}");
    let archive = fs::read_to_string(format!("{folder}/public.readings_p0.csv")).unwrap();
    assert_eq!(archive.lines().count(), 100, "a header, and the rows");
    assert!(archive.starts_with("\"id\",\"place\"\n") && archive.contains("\"7\",\"place 7\"\n"), "{archive}");
    assert_eq!(count(&shop, "readings WHERE id < 100"), 0);
}

#[test]
fn a_value_is_given_its_own_partition() {
    let shop = Shop::of(&TABLES);
    let rows = "INSERT INTO ledgers VALUES ('large', 1), ('large', 2), ('small', 3), ('-odd', 4)";
    shop.database.connect().batch_execute(rows).unwrap();
    let given = well(&shop, &["partitions", "give", "ledgers", "large"]);
    assert_eq!(given, "ledgers: created public.\"ledgers_plarge\", with 2 rows of the default partition\n");
    let refused = run(&shop, &["partitions", "give", "ledgers", "-odd"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
    let odd = run(&shop, &["partitions", "give", "ledgers", "--", "-odd"]);
    assert_eq!(
        odd.stdout, "ledgers: created public.\"ledgers_p-odd\", with 1 rows of the default partition\n",
        "{odd:?}"
    );
    assert_eq!((odd.code, count(&shop, "ledgers_default"), count(&shop, "\"ledgers_p-odd\"")), (Some(0), 1, 1));
}

#[test]
fn what_can_not_be_done_is_told() {
    let shop = Shop::of(&TABLES);
    for (name, why) in [
        ("nowhere", "there is no model \"nowhere\" that is partitioned"),
        ("readings", "the model \"readings\" is not partitioned by list"),
    ] {
        let ended = run(&shop, &["partitions", "give", name, "7"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert_eq!(ended.stderr, format!("error: {why}\n"));
    }
    let none = Shop::new();
    for (arguments, told) in
        [(["partitions", "status"], "no model is partitioned\n"), (["partitions", "run"], "there was nothing to do\n")]
    {
        let ended = end(command(&none, &arguments));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), told), "{ended:?}");
    }
    let help = run(&shop, &["partitions", "give", "--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{help:?}");
    assert!(help.stdout.contains("partitions give NAME VALUE"), "{help:?}");
}

#[test]
fn a_value_that_another_keeper_keeps_from_its_partition_is_told_of() {
    let shop = Shop::of(&TABLES);
    let mut writer = shop.database.connect();
    writer.batch_execute("BEGIN; INSERT INTO ledgers VALUES ('large', 1)").unwrap();
    let patient = ["partitions", "give", "ledgers", "large", "--lock-timeout", "60s", "--hold-at-most", "60s"];
    let first = Running::start(program(env!("CARGO_BIN_EXE_partitioned-larder"), &shop, &patient));
    let waits = "pg_locks WHERE relation = 'ledgers'::regclass AND NOT granted";
    eventually(Duration::from_secs(30), || count(&shop, waits) == 1);
    let second = run(&shop, &["partitions", "give", "ledgers", "small"]);
    assert_eq!((second.code, second.stdout.as_str()), (Some(1), "ledgers: another keeper is at it\n"), "{second:?}");
    writer.batch_execute("COMMIT").unwrap();
    let first = first.wait();
    assert_eq!(first.code, Some(0), "{first:?}");
    assert_eq!(count(&shop, "pg_class WHERE relname LIKE 'ledgers\\_p%' AND relkind = 'r'"), 1);
}
