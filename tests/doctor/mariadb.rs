use std::{
    env, process,
    sync::atomic::{AtomicU32, Ordering},
};

use bigdecimal::BigDecimal;
use diesel::{Connection as _, MysqlConnection, connection::SimpleConnection as _, prelude::*};
use larder::{
    Models, Repository,
    catalogue::{Action, Catalogue},
    doctor::{self, Kind, Plan, Report},
};

use super::found;

diesel::table! { ghosts (id) { id -> BigInt, } }
diesel::table! { authors (id) { id -> BigInt, email -> Text, name -> Text, } }
diesel::table! {
    books (id) {
        id -> Integer,
        author_id -> BigInt,
        isbn -> Text,
        pages -> Integer,
        price -> Numeric,
        weight -> Integer,
        subtitle -> Nullable<Text>,
        title -> Text,
        genre -> Integer,
        shelf -> Integer,
    }
}

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = ghosts, check_for_backend(diesel::mysql::Mysql))]
struct Ghost {
    id: i64,
}

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = authors, check_for_backend(diesel::mysql::Mysql))]
#[larder(unique(email), index(name))]
struct Author {
    id: i64,
    email: String,
    name: String,
}

#[derive(Clone, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = books, belongs_to(Author), check_for_backend(diesel::mysql::Mysql))]
#[larder(unique(isbn), index(genre; order = title.desc()), index(shelf))]
struct Book {
    id: i32,
    author_id: i64,
    isbn: String,
    pages: i32,
    price: BigDecimal,
    weight: i32,
    subtitle: Option<String>,
    title: String,
    genre: i32,
    shelf: i32,
}

fn models() -> Models<diesel::mysql::Mysql> {
    Models::new().with::<Ghost>().with::<Author>().with::<Book>()
}

/// A database of one test, which goes with it.
struct Own {
    connection: MysqlConnection,
    name: String,
}

impl Own {
    fn with(schema: &str) -> Self {
        static N: AtomicU32 = AtomicU32::new(0);
        let url = env::var("MARIADB_URL").expect("MARIADB_URL names a server, as `cargo xtask services` does");
        let name = format!("larder_test_doctor_{}_{}", process::id(), N.fetch_add(1, Ordering::Relaxed));
        let mut connection = MysqlConnection::establish(&url).unwrap();
        connection
            .batch_execute(&format!(
                "CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; USE {name}; {schema}"
            ))
            .unwrap();
        Self { connection, name }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.connection.batch_execute(&format!("DROP DATABASE {}", self.name));
    }
}

const FAULTY: &str = include_str!("mariadb/faulty.sql");
const HEALTHY: &str = include_str!("mariadb/healthy.sql");

fn examine(own: &mut Own) -> Report {
    doctor::Doctor::new(&models()).many_indexes(6).examine(&mut own.connection).unwrap()
}

#[test]
fn every_fault_is_found_and_none_is_invented() {
    let mut own = Own::with(FAULTY);
    let report = examine(&mut own);
    assert_eq!(
        found(&report),
        [
            "error TableMissing `ghosts` ghosts",
            "error PrimaryKeyMissing authors id",
            "error UniqueMissing authors email",
            "error NotTransactional authors MyISAM",
            "error UniqueMissing books isbn",
            "error ColumnMissing books weight",
            "error ColumnType books pages",
            "error ColumnType books price",
            "error ColumnMayBeNull books title",
            "error ColumnRequired books language",
            "error CounterNearEnd books id",
            "warning ColumnNeverNull books subtitle",
            "warning IndexMissing books author_id",
            "warning IndexMissing books shelf",
            "warning OrderUnserved books genre",
            "advice TextLenient authors name",
            "advice IndexRedundant books books_genre_again",
            "advice TooManyIndexes books 6",
        ],
        "{report}"
    );
}

#[test]
fn what_is_advised_mends_what_can_be_mended() {
    let mut own = Own::with(FAULTY);
    let migrations = examine(&mut own).migrations();
    let [migration] = migrations.as_slice() else { panic!("{migrations:?}") };
    own.connection.batch_execute(&migration.up).unwrap();
    let after = examine(&mut own);
    let mended =
        [Kind::PrimaryKeyMissing, Kind::UniqueMissing, Kind::NotTransactional, Kind::IndexMissing, Kind::OrderUnserved];
    let left = |report: &Report| report.findings.iter().filter(|finding| mended.contains(&finding.kind)).count();
    assert_eq!(left(&after), 0, "{after}");
    own.connection.batch_execute(&migration.down).unwrap();
    assert_eq!(left(&examine(&mut own)), 7);
}

#[test]
fn a_schema_without_faults_has_none_found_and_every_plan_searches_an_index() {
    let mut own = Own::with(HEALTHY);
    let report = examine(&mut own);
    assert_eq!(found(&report), [""; 0], "{report}");
    assert_eq!(report.lookups.len(), 9);
    for lookup in &report.lookups {
        assert!(matches!(&lookup.plan, Plan::Searches { indexes, .. } if !indexes.is_empty()), "{lookup:#?}");
    }
    doctor::assert_healthy(&mut own.connection, &models());
}

#[test]
fn the_catalogue_has_what_mariadb_has() {
    let mut own = Own::with(HEALTHY);
    own.connection
        .batch_execute(
            "CREATE TABLE odd (a INT, b VARCHAR(300), c INT AS (a + 1) STORED, CHECK (a > 0), KEY k (b(10), a DESC));
             CREATE VIEW v AS SELECT 1 AS one;",
        )
        .unwrap();
    let catalogue = Catalogue::read(&mut own.connection).unwrap();
    let odd = catalogue.table(None, "odd").unwrap();
    assert!(odd.primary_key.is_empty() && odd.column("c").unwrap().is_generated);
    assert_eq!((odd.checks.len(), odd.engine.as_deref()), (1, Some("InnoDB")));
    let [key] = odd.indexes.as_slice() else { panic!("{:?}", odd.indexes) };
    assert_eq!((key.columns(), key.parts[0].prefix, key.parts[1].descending), (vec!["b", "a"], Some(10), true));
    let books = catalogue.table(None, "books").unwrap();
    assert_eq!(books.primary_key, ["id"]);
    let key = &books.foreign_keys[0];
    assert_eq!((key.target.as_slice(), key.on_delete), (&["id".to_owned()][..], Action::Cascade));
    let counter = books.column("id").unwrap().counter.clone().unwrap();
    assert_eq!((counter.largest, counter.last.is_some_and(|last| last >= 3_000)), (2_147_483_647, true));
    assert!(!catalogue.table(None, "v").unwrap().is_table());
}

diesel::table! { members (id) { id -> BigInt, email -> Text, gone_at -> Nullable<Timestamp>, } }

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = members, check_for_backend(diesel::mysql::Mysql))]
#[larder(unique(email), soft_delete = gone_at)]
struct Member {
    id: i64,
    email: String,
    gone_at: Option<chrono::NaiveDateTime>,
}

#[test]
fn a_column_that_frees_the_keys_of_deleted_rows_keeps_them_unique_and_finds_none() {
    let mut own = Own::with(
        "CREATE TABLE members (id BIGINT PRIMARY KEY, email VARCHAR(120) NOT NULL, gone_at DATETIME,
             free_email VARCHAR(120) AS (IF(gone_at IS NULL, email, NULL)) UNIQUE)",
    );
    let models = Models::new().with::<Member>();
    let report = doctor::examine(&mut own.connection, &models).unwrap();
    assert_eq!(found(&report), ["warning IndexMissing members email"], "{report}");
    own.connection.batch_execute(&report.migrations()[0].up).unwrap();
    doctor::assert_healthy(&mut own.connection, &models);
    let other = "ALTER TABLE members DROP COLUMN free_email, ADD COLUMN free_email VARCHAR(120) AS (IF(gone_at IS NULL, 'x', NULL)) UNIQUE";
    own.connection.batch_execute(other).unwrap();
    let report = doctor::examine(&mut own.connection, &models).unwrap();
    assert_eq!(found(&report)[0], "error UniqueMissing members email", "{report}");
}

#[test]
fn an_index_that_the_planner_is_told_to_ignore_is_told_of() {
    let mut own = Own::with(HEALTHY);
    own.connection.batch_execute("ALTER TABLE books ALTER INDEX books_shelf IGNORED").unwrap();
    let report = examine(&mut own);
    assert_eq!(found(&report), ["warning IndexIgnored books books_shelf"], "{report}");
    own.connection.batch_execute("ALTER TABLE books ALTER INDEX books_shelf NOT IGNORED").unwrap();
    assert_eq!(found(&examine(&mut own)), [""; 0]);
}
