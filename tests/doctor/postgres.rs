mod models;
mod planner;

use diesel::{Connection as _, PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use larder::{
    catalogue::{Catalogue, Kind as TableKind, Use},
    doctor::{self, Doctor, Kind, Plan, Report},
};
use tests::Template;

use self::models::models;
use super::found;

static FAULTY: Template = Template::new("doctor_faulty", |connection| {
    connection.batch_execute(include_str!("postgres/faulty.sql")).unwrap();
});
static HEALTHY: Template = Template::new("doctor_healthy", |connection| {
    connection.batch_execute(include_str!("postgres/healthy.sql")).unwrap();
});

/// What no migration brings about: an index that could not be made, and counted uses.
fn damage(connection: &mut PgConnection) {
    connection.batch_execute("INSERT INTO ledgers (name) VALUES ('a'), ('a')").unwrap();
    sql_query("CREATE UNIQUE INDEX CONCURRENTLY ledgers_broken ON ledgers (name)").execute(connection).unwrap_err();
}

fn read_often(connection: &mut PgConnection) {
    for _ in 0..20 {
        connection.batch_execute("SELECT count(*) FROM payments").unwrap();
    }
    connection.batch_execute("SELECT pg_stat_force_next_flush()").unwrap();
    connection.batch_execute("SELECT 1").unwrap();
}

fn examine(connection: &mut PgConnection) -> Report {
    Doctor::new(&models()).reads(20).many_indexes(9).examine(connection).unwrap()
}

#[test]
fn every_fault_is_found_and_none_is_invented() {
    let database = FAULTY.database();
    let mut connection = database.connect();
    damage(&mut connection);
    read_often(&mut connection);
    let report = examine(&mut connection);
    assert_eq!(
        found(&report),
        [
            "error TableMissing \"ghosts\" ghosts",
            "error PrimaryKeyMissing accounts id",
            "error UniqueMissing accounts email",
            "error UniqueMissing accounts nickname",
            "error UniqueDeferrable accounts accounts_code_key",
            "error ColumnMissing accounts lost",
            "error ColumnType accounts age",
            "error ColumnType accounts seen_at",
            "error ColumnMayBeNull accounts note",
            "error ColumnRequired accounts region",
            "error TextLenient accounts handle",
            "error CounterNearEnd payments id",
            "warning ColumnNeverNull accounts bio",
            "warning IndexInvalid ledgers ledgers_broken",
            "warning IndexMissing payments batch",
            "warning IndexMissing payments label",
            "warning IndexMissing payments shop_id",
            "warning IndexMissing payments status",
            "warning IndexPartly payments region, desk",
            "warning OrderUnserved payments kind",
            "warning ConstraintUnvalidated payments payments_amount_check",
            "warning ConstraintUnvalidated payments payments_shop_id_fkey",
            "warning ForeignKeyUnindexed refunds refunds_payment_id_fkey",
            "advice IndexRedundant payments payments_kind_again",
            "advice IndexRedundant payments payments_region_again",
            "advice IndexUnused payments payments_amount",
            "advice IndexUnused payments payments_batch",
            "advice IndexUnused payments payments_created_at_status",
            "advice IndexUnused payments payments_label",
            "advice IndexUnused payments payments_label_c",
            "advice TooManyIndexes payments 10",
        ],
        "{report}"
    );
}

#[test]
fn what_is_advised_mends_what_can_be_mended() {
    let database = FAULTY.database();
    let mut connection = database.connect();
    damage(&mut connection);
    read_often(&mut connection);
    let report = examine(&mut connection);
    // What the new indexes ask of the rows, which somebody has to see to first.
    connection.batch_execute("DELETE FROM ledgers; UPDATE accounts SET note = '' WHERE note IS NULL").unwrap();
    for mend in report.findings.iter().flat_map(|finding| &finding.mend) {
        sql_query(&mend.up).execute(&mut connection).unwrap_or_else(|error| panic!("{}: {error}", mend.up));
    }
    connection.batch_execute("ANALYZE").unwrap();
    let after = examine(&mut connection);
    let left = [
        Kind::TableMissing,
        Kind::UniqueDeferrable,
        Kind::ColumnMissing,
        Kind::ColumnType,
        Kind::ColumnRequired,
        Kind::TextLenient,
        Kind::CounterNearEnd,
        Kind::ColumnNeverNull,
        Kind::TooManyIndexes,
        // Made a moment ago, or what wanted it is served better now.
        Kind::IndexUnused,
        Kind::IndexRedundant,
    ];
    let unmended: Vec<_> = after.findings.iter().filter(|finding| !left.contains(&finding.kind)).collect();
    assert!(unmended.is_empty(), "{unmended:#?}");
    let mut payments = after.lookups.iter().filter(|lookup| lookup.model == "payments");
    assert!(payments.all(|lookup| matches!(lookup.plan, Plan::Searches { .. })), "{:#?}", after.lookups);

    // Taken back, it is as it was, but for what can't be.
    for migration in report.migrations().iter().rev() {
        for statement in migration.down.lines().filter(|line| !line.starts_with("--")) {
            sql_query(statement.trim_end_matches(';')).execute(&mut connection).unwrap();
        }
    }
    let missing = |report: &Report| {
        let is_index = |kind| matches!(kind, Kind::IndexMissing | Kind::UniqueMissing | Kind::OrderUnserved);
        report.findings.iter().filter(|finding| is_index(finding.kind)).count()
    };
    assert_eq!(missing(&examine(&mut connection)), missing(&report));
}

#[test]
fn a_schema_without_faults_has_none_found_and_every_plan_searches_an_index() {
    let database = HEALTHY.database();
    let mut connection = database.connect();
    read_often(&mut connection);
    connection.batch_execute("CREATE TABLE ghosts (id bigint PRIMARY KEY)").unwrap();
    let report = examine(&mut connection);
    assert_eq!(found(&report), [""; 0], "{report}");
    assert_eq!(report.lookups.len(), 15);
    for lookup in &report.lookups {
        assert!(matches!(&lookup.plan, Plan::Searches { indexes, .. } if !indexes.is_empty()), "{lookup:#?}");
    }
    doctor::assert_healthy(&mut connection, &models());
}

#[test]
fn an_assertion_tells_what_is_wrong_and_what_mends_it() {
    let database = HEALTHY.database();
    let mut connection = database.connect();
    connection.batch_execute("CREATE TABLE ghosts (id bigint PRIMARY KEY); DROP INDEX payments_kind").unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        doctor::assert_healthy(&mut connection, &models());
    }));
    let message = *panic.unwrap_err().downcast::<String>().unwrap();
    let expected = "\
warning: payments: no index finds rows by (kind)
  each list is found by reading the whole table
    CREATE INDEX CONCURRENTLY payments_kind_created_at_idx ON payments (kind, created_at);
";
    assert!(message.contains(expected), "{message}");
}

fn advised_to_drop(report: &Report) -> Vec<&str> {
    let drops = report.findings.iter().filter(|finding| finding.kind == Kind::IndexRedundant);
    drops.map(|finding| finding.object.as_str()).collect()
}

#[test]
fn no_index_is_dropped_that_refuses_more_than_its_twin_or_tells_replicas_of_rows() {
    let database = HEALTHY.database();
    let mut connection = database.connect();
    connection
        .batch_execute(
            "CREATE TABLE ghosts (id bigint PRIMARY KEY);
             ALTER TABLE ledgers ADD a int, ADD b int NOT NULL DEFAULT 1, ADD c int NOT NULL DEFAULT 1, ADD d int;
             CREATE UNIQUE INDEX ledgers_a_1 ON ledgers (a);
             CREATE UNIQUE INDEX ledgers_a_2 ON ledgers (a) NULLS NOT DISTINCT;
             ALTER TABLE ledgers ADD CONSTRAINT ledgers_b_1 UNIQUE (b) DEFERRABLE;
             CREATE UNIQUE INDEX ledgers_b_2 ON ledgers (b);
             CREATE UNIQUE INDEX ledgers_c_1 ON ledgers (c);
             CREATE UNIQUE INDEX ledgers_c_2 ON ledgers (c);
             ALTER TABLE ledgers REPLICA IDENTITY USING INDEX ledgers_c_2;
             CREATE UNIQUE INDEX ledgers_d_1 ON ledgers (d);
             CREATE UNIQUE INDEX ledgers_d_2 ON ledgers (d);",
        )
        .unwrap();
    assert_eq!(advised_to_drop(&examine(&mut connection)), ["ledgers_d_2"]);
}

/// Payments by day, whose partitions have partitions in turn.
fn part(connection: &mut PgConnection) {
    connection
        .batch_execute(
            "CREATE TABLE ghosts (id bigint PRIMARY KEY);
             DROP TABLE payments CASCADE;
             CREATE TABLE payments (
                 id integer PRIMARY KEY, shop_id integer NOT NULL REFERENCES shops ON DELETE CASCADE, status text NOT NULL,
                 kind text NOT NULL, region text NOT NULL, desk integer NOT NULL, batch integer NOT NULL, label text NOT NULL,
                 amount bigint NOT NULL, created_at timestamptz NOT NULL
             ) PARTITION BY RANGE (id);
             CREATE TABLE payments_1 PARTITION OF payments FOR VALUES FROM (1) TO (1000) PARTITION BY HASH (id);
             CREATE TABLE payments_1_0 PARTITION OF payments_1 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
             CREATE TABLE payments_1_1 PARTITION OF payments_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
             CREATE TABLE payments_2 PARTITION OF payments FOR VALUES FROM (1000) TO (2000);
             CREATE INDEX payments_shop_id ON payments (shop_id);
             CREATE INDEX payments_shop_id_again ON payments (shop_id);",
        )
        .unwrap();
}

#[test]
fn an_index_of_partitions_of_partitions_is_made_of_the_innermost_and_comes_back_whole() {
    let database = HEALTHY.database();
    let mut connection = database.connect();
    part(&mut connection);
    let report = examine(&mut connection);
    assert_eq!(advised_to_drop(&report), ["payments_shop_id_again"]);
    for mend in report.findings.iter().flat_map(|finding| &finding.mend) {
        sql_query(&mend.up).execute(&mut connection).unwrap_or_else(|error| panic!("{}: {error}", mend.up));
    }
    let broken = |connection: &mut PgConnection| {
        let tables = Catalogue::read(connection).unwrap().tables;
        let indexes = tables.into_iter().flat_map(|table| table.indexes);
        indexes.filter(|index| !index.is_valid).map(|index| index.name).collect::<Vec<_>>()
    };
    assert_eq!(broken(&mut connection), [""; 0]);
    let after = examine(&mut connection);
    assert!(after.findings.iter().all(|finding| finding.kind != Kind::IndexMissing), "{after}");

    let dropped = report.findings.iter().find(|finding| finding.kind == Kind::IndexRedundant).unwrap();
    let down = dropped.mend[0].down.as_ref().unwrap();
    sql_query(down).execute(&mut connection).unwrap();
    assert_eq!(broken(&mut connection), [""; 0]);
}

#[test]
fn a_migration_does_not_wait_for_a_table_with_everybody_behind_it() {
    let database = HEALTHY.database();
    let mut connection = database.connect();
    part(&mut connection);
    connection.batch_execute("ALTER TABLE accounts ALTER COLUMN note DROP NOT NULL").unwrap();
    for migration in examine(&mut connection).migrations() {
        let is_impatient = migration.up.contains("\nSET LOCAL lock_timeout = '2s';\n");
        assert_eq!(is_impatient, migration.metadata.is_none(), "{}", migration.up);
    }
}

#[test]
fn an_examination_leaves_a_transaction_and_its_settings_alone() {
    let database = HEALTHY.database();
    let mut connection = database.connect();
    connection.test_transaction::<_, diesel::result::Error, _>(|connection| {
        connection.batch_execute("CREATE TABLE ghosts (id bigint PRIMARY KEY); SET LOCAL enable_seqscan = on")?;
        let report = examine(connection);
        assert_eq!(found(&report), [""; 0], "{report}");
        #[derive(diesel::QueryableByName)]
        struct Setting {
            #[diesel(sql_type = diesel::sql_types::Text)]
            value: String,
        }
        let setting: Setting = sql_query("SELECT current_setting('enable_seqscan') AS value").get_result(connection)?;
        assert_eq!(setting.value, "on");
        let prepared: i64 = diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(
            "count(*) FROM pg_prepared_statements WHERE name = 'larder_doctor'",
        ))
        .get_result(connection)?;
        assert_eq!(prepared, 0);
        Ok(())
    });
}

#[test]
fn the_catalogue_has_what_postgres_has() {
    let database = HEALTHY.database();
    let mut connection = database.connect();
    connection
        .batch_execute(
            "CREATE SCHEMA \"Other\";
             CREATE TABLE \"Other\".\"T 1\" (
                 \"a b\" int GENERATED BY DEFAULT AS IDENTITY, c numeric(10, 2) DEFAULT 1, d text GENERATED ALWAYS AS (c::text) STORED,
                 at timestamptz NOT NULL, PRIMARY KEY (\"a b\", at), CHECK (c > 0)
             ) PARTITION BY RANGE (at);
             CREATE TABLE \"Other\".p1 PARTITION OF \"Other\".\"T 1\" FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
             CREATE INDEX odd ON \"Other\".\"T 1\" (lower(d), c DESC NULLS LAST) INCLUDE (at) WHERE c > 1;
             CREATE VIEW \"Other\".v AS SELECT 1 AS one;
             CREATE MATERIALIZED VIEW \"Other\".m AS SELECT 1 AS one;",
        )
        .unwrap();
    let catalogue = Catalogue::read(&mut connection).unwrap();
    let table = catalogue.table(Some("Other"), "T 1").unwrap();
    assert_eq!((&table.kind, table.primary_key.join(",")), (&TableKind::Partitioned, "a b,at".to_owned()));
    let columns: Vec<_> = table.columns.iter().map(|column| (column.name.as_str(), column.sql_type.as_str())).collect();
    let expected = [("a b", "integer"), ("c", "numeric(10,2)"), ("d", "text"), ("at", "timestamp with time zone")];
    assert_eq!(columns, expected);
    assert_eq!(table.column("a b").unwrap().counter.as_ref().unwrap().largest, 2_147_483_647);
    assert!(table.column("d").unwrap().is_generated && table.column("c").unwrap().default.is_some());
    let odd = table.indexes.iter().find(|index| index.name == "odd").unwrap();
    assert_eq!((odd.parts.len(), odd.included.join(","), odd.is_unique), (2, "at".to_owned(), false));
    assert!(odd.parts[1].descending && !odd.parts[1].nulls_first && odd.predicate.is_some());
    assert_eq!((odd.used, table.checks.len(), catalogue.partitions(table).count()), (Use::Scans(0), 1, 1));
    assert!(catalogue.partitions(table).all(|part| part.indexes.iter().all(|index| index.is_inherited)));
    let kinds = ["v", "m"].map(|name| catalogue.table(Some("Other"), name).unwrap().kind.clone());
    assert_eq!(kinds, [TableKind::View, TableKind::MaterializedView]);
    let payments = catalogue.table(None, "payments").unwrap();
    assert_eq!((payments.n_rows, payments.foreign_keys.len()), (Some(6_000), 1));
    assert_eq!(payments.column("kind").unwrap().n_distinct, Some(3));
    assert!(payments.bytes.is_some_and(|bytes| bytes > 100_000));
}
