//! The migrations, their inverses, and the schema that the diesel CLI prints of them.

use std::{env, path::Path, process::Command, thread};

use diesel::{
    PgConnection, QueryDsl as _, QueryableByName, RunQueryDsl, connection::SimpleConnection as _, sql_query,
    sql_types::Text,
};
use diesel_migrations::MigrationHarness;
use shop_core::{MIGRATIONS, migrate, schema::user_visits};
use tests::{Database, EMPTY, SHOP};

/// Every table, view, column, constraint, index, function, trigger and comment of the schema `public`, one a line.
const CATALOGUE: &str = r"
    WITH ours AS (
        SELECT oid, relname, relkind FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE '\_\_diesel%'
    )
    SELECT format('%s %s', relkind, relname) AS line FROM ours
    UNION ALL
    SELECT format('column %s.%s %s null=%s default=%s', relname, attname, format_type(atttypid, atttypmod),
                  NOT attnotnull, pg_get_expr(adbin, adrelid))
    FROM ours JOIN pg_attribute ON attrelid = oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    UNION ALL
    SELECT format('constraint %s %s %s', relname, conname, pg_get_constraintdef(pg_constraint.oid))
    FROM ours JOIN pg_constraint ON conrelid = ours.oid
    UNION ALL
    SELECT format('view %s %s', relname, pg_get_viewdef(oid)) FROM ours WHERE relkind IN ('v', 'm')
    UNION ALL
    SELECT pg_get_indexdef(indexrelid) FROM ours JOIN pg_index ON indrelid = oid
    UNION ALL
    SELECT pg_get_triggerdef(pg_trigger.oid) FROM ours JOIN pg_trigger ON tgrelid = ours.oid AND NOT tgisinternal
    UNION ALL
    SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind <> 'a'
    UNION ALL
    SELECT format('type %s', typname) FROM pg_type
    WHERE typnamespace = 'public'::regnamespace AND typname NOT LIKE '%\_\_diesel%'
    UNION ALL
    SELECT format('comment %s %s: %s', relname, objsubid, description)
    FROM ours JOIN pg_description ON objoid = oid AND classoid = 'pg_class'::regclass
    ORDER BY line";

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn catalogue(connection: &mut PgConnection) -> Vec<String> {
    sql_query(CATALOGUE).load::<Line>(connection).unwrap().into_iter().map(|row| row.line).collect()
}

/// Runs the diesel CLI at the root of the workspace, where it finds `diesel.toml`, and returns what it printed.
fn diesel(database: &Database, arguments: &[&str]) -> String {
    let program = env::var("DIESEL_BIN").expect("DIESEL_BIN is set: `cargo xtask test` does it");
    let output = Command::new(program)
        .args(arguments)
        .env("DATABASE_URL", database.url())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .expect("DIESEL_BIN names the diesel CLI");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`diesel {}` failed:\n{stderr}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_cli_prints_the_committed_schema() {
    let database = EMPTY.database();
    // Locked, or the CLI would write the schema that it is to be compared with.
    diesel(&database, &["migration", "run", "--locked-schema"]);
    assert_eq!(diesel(&database, &["print-schema"]), include_str!("../../src/schema.rs"));
}

#[test]
fn the_cli_and_the_embedded_migrations_build_the_same() {
    let (by_cli, embedded) = (EMPTY.database(), SHOP.database());
    diesel(&by_cli, &["migration", "run", "--locked-schema"]);
    let built = catalogue(&mut by_cli.connect());
    assert!(built.iter().any(|line| line.contains("orders_status_check")), "{built:#?}");
    assert_eq!(built, catalogue(&mut embedded.connect()));
    assert!(!by_cli.connect().has_pending_migration(MIGRATIONS).unwrap());
}

#[test]
fn the_outbox_is_larders() {
    let up = include_str!("../../../../migrations/2026-11-23-000004-0000_create_larder_outbox/up.sql");
    let down = include_str!("../../../../migrations/2026-11-23-000004-0000_create_larder_outbox/down.sql");
    assert_eq!((up, down), (larder::outbox::UP, larder::outbox::DOWN));
}

#[test]
fn the_tables_of_write_behind_are_larders() {
    let up = include_str!("../../../../migrations/2026-11-23-000011-0000_create_larder_behind/up.sql");
    let down = include_str!("../../../../migrations/2026-11-23-000011-0000_create_larder_behind/down.sql");
    assert_eq!((up, down), (larder::behind::UP, larder::behind::DOWN));
}

#[test]
fn a_user_is_counted_from_the_beginning_whoever_adds_them() {
    let database = SHOP.database();
    let counted = |sql: &str| -> i64 {
        let connection = &mut database.connect();
        sql_query(sql).execute(connection).unwrap();
        user_visits::table.count().get_result(connection).unwrap()
    };
    assert_eq!(counted("INSERT INTO users (email) VALUES ('a'), ('b')"), 2);
    // Of a connection that finds no table without its schema.
    let mut elsewhere = database.connect();
    elsewhere.batch_execute("SET search_path = pg_catalog; INSERT INTO public.users (email) VALUES ('c')").unwrap();
    assert_eq!(counted("DELETE FROM users WHERE email = 'a'"), 2);
}

#[test]
fn redo_of_everything_changes_nothing() {
    let database = SHOP.database();
    let before = catalogue(&mut database.connect());
    diesel(&database, &["migration", "redo", "--all", "--locked-schema"]);
    assert_eq!(catalogue(&mut database.connect()), before);
}

#[test]
fn each_migration_is_undone_exactly() {
    let database = EMPTY.database();
    let connection = &mut database.connect();
    let mut before = vec![catalogue(connection)];
    while connection.has_pending_migration(MIGRATIONS).unwrap() {
        connection.run_next_migration(MIGRATIONS).unwrap();
        before.push(catalogue(connection));
    }
    assert!(before.is_sorted_by(|a, b| a != b), "a migration that changes nothing can't be tested");
    before.pop();
    while let Some(before) = before.pop() {
        connection.revert_last_migration(MIGRATIONS).unwrap();
        assert_eq!(catalogue(connection), before);
    }
}

#[test]
fn processes_that_start_together_migrate_once() {
    let database = EMPTY.database();
    let ran: Vec<usize> = thread::scope(|scope| {
        let starters: Vec<_> =
            (0..4).map(|_| scope.spawn(|| migrate(&mut database.connect()).unwrap().len())).collect();
        starters.into_iter().map(|starter| starter.join().unwrap()).collect()
    });
    let all = diesel(&database, &["migration", "list"]).matches("[X]").count();
    assert_eq!((ran.iter().sum::<usize>(), ran.iter().max()), (all, Some(&all)));
}

#[test]
fn who_may_do_nothing_but_add_users_may_add_them() {
    let database = SHOP.database();
    let connection = &mut database.connect();
    // Roles are the server's: with the transaction this one is gone.
    connection
        .batch_execute(
            "BEGIN; CREATE ROLE larder_who_adds_users; GRANT INSERT ON users TO larder_who_adds_users;
             SET LOCAL ROLE larder_who_adds_users; INSERT INTO users (email) VALUES ('ada@example.com'); RESET ROLE",
        )
        .unwrap();
    assert_eq!(user_visits::table.count().get_result::<i64>(connection).unwrap(), 1);
}
