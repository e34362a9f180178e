use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _, prelude::*};
use larder::{
    Models, Repository,
    catalogue::{Action, Catalogue, IndexKey},
    doctor::{self, Kind, Plan, Report},
};

use super::found;

diesel::table! { ghosts (id) { id -> BigInt, } }
diesel::table! { authors (id) { id -> BigInt, email -> Text, pen_name -> Text, } }
diesel::table! {
    books (id) {
        id -> BigInt,
        author_id -> BigInt,
        isbn -> Text,
        n_pages -> Integer,
        title -> Text,
        subtitle -> Nullable<Text>,
        genre -> Text,
        weight -> BigInt,
        shelf -> Integer,
        bought_at -> Timestamp,
    }
}

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = ghosts, check_for_backend(diesel::sqlite::Sqlite))]
struct Ghost {
    id: i64,
}

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = authors, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(unique(email), unique(pen_name))]
struct Author {
    id: i64,
    email: String,
    pen_name: String,
}

#[derive(Clone, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = books, belongs_to(Author), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(unique(isbn), index(genre; order = title.desc()), index(shelf))]
struct Book {
    id: i64,
    author_id: i64,
    isbn: String,
    n_pages: i32,
    title: String,
    subtitle: Option<String>,
    genre: String,
    weight: i64,
    shelf: i32,
    bought_at: chrono::NaiveDateTime,
}

fn models() -> Models<diesel::sqlite::Sqlite> {
    Models::new().with::<Ghost>().with::<Author>().with::<Book>()
}

fn database(schema: &str) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    connection.batch_execute(schema).unwrap();
    connection
}

const FAULTY: &str = include_str!("sqlite/faulty.sql");
const HEALTHY: &str = include_str!("sqlite/healthy.sql");

fn examine(connection: &mut SqliteConnection) -> Report {
    doctor::Doctor::new(&models()).many_indexes(6).examine(connection).unwrap()
}

#[test]
fn every_fault_is_found_and_none_is_invented() {
    let mut connection = database(FAULTY);
    let report = examine(&mut connection);
    assert_eq!(
        found(&report),
        [
            "error TableMissing `ghosts` ghosts",
            "error PrimaryKeyMissing authors id",
            "error UniqueMissing authors email",
            "error TextLenient authors pen_name",
            "error UniqueMissing books isbn",
            "error ColumnMissing books weight",
            "error ColumnType books isbn",
            "error ColumnType books n_pages",
            "error ColumnMayBeNull books title",
            "error ColumnRequired books language",
            "warning ColumnNeverNull books subtitle",
            "warning IndexMissing books author_id",
            "warning IndexMissing books shelf",
            "warning OrderUnserved books genre",
            "warning ForeignKeyUnindexed loans book_id",
            "warning ForeignKeysOff the connection foreign_keys",
            "advice IndexRedundant books books_genre_again",
            "advice TooManyIndexes books 6",
        ],
        "{report}"
    );
    assert!(report.notes.iter().any(|note| note.contains("not counted by this database")), "{:?}", report.notes);
}

#[test]
fn what_is_advised_mends_what_can_be_mended() {
    let mut connection = database(FAULTY);
    let migrations = examine(&mut connection).migrations();
    let [migration] = migrations.as_slice() else { panic!("{migrations:?}") };
    assert_eq!(migration.metadata, None);
    connection.batch_execute(&migration.up).unwrap();
    let after = examine(&mut connection);
    let mended = [
        Kind::PrimaryKeyMissing,
        Kind::UniqueMissing,
        Kind::IndexMissing,
        Kind::OrderUnserved,
        Kind::ForeignKeyUnindexed,
    ];
    assert!(!after.findings.iter().any(|finding| mended.contains(&finding.kind)), "{after}");
    connection.batch_execute(&migration.down).unwrap();
    let before = |report: &Report| report.findings.iter().filter(|finding| mended.contains(&finding.kind)).count();
    assert_eq!(before(&examine(&mut connection)), 7);
}

#[test]
fn a_schema_without_faults_has_none_found_and_every_plan_searches_an_index() {
    let mut connection = database(HEALTHY);
    let report = examine(&mut connection);
    assert_eq!(found(&report), [""; 0], "{report}");
    assert_eq!(report.lookups.len(), 9);
    for lookup in &report.lookups {
        assert!(matches!(&lookup.plan, Plan::Searches { indexes, .. } if !indexes.is_empty()), "{lookup:#?}");
    }
    doctor::assert_healthy(&mut connection, &models());
}

#[test]
fn the_catalogue_has_what_sqlite_has() {
    let mut connection = database(HEALTHY);
    connection
        .batch_execute(
            "CREATE TABLE \"a'b\" (x INT, y TEXT, z TEXT AS (upper(y)), PRIMARY KEY (y, x)) WITHOUT ROWID;
             CREATE INDEX odd ON \"a'b\" (lower(y), x DESC) WHERE x > 1;
             CREATE VIEW v AS SELECT 1 AS one;",
        )
        .unwrap();
    let catalogue = Catalogue::read(&mut connection).unwrap();
    let table = catalogue.table(None, "a'b").unwrap();
    assert_eq!(table.primary_key, ["y", "x"]);
    assert!(table.column("z").unwrap().is_generated);
    let odd = table.indexes.iter().find(|index| index.name == "odd").unwrap();
    assert_eq!(odd.parts[0].key, IndexKey::Expression("lower(y)".into()));
    assert_eq!((odd.parts[1].descending, odd.predicate.as_deref()), (true, Some("x > 1")));
    let books = catalogue.table(None, "books").unwrap();
    assert_eq!(books.foreign_keys[0].on_delete, Action::Cascade);
    assert_eq!(books.indexes[0].method, "rowid");
    assert!(catalogue.enforces_foreign_keys && books.n_rows.is_some());
}

#[test]
fn an_index_in_another_collation_serves_no_lookup() {
    let mut connection = database(HEALTHY);
    // An index in another collation is none for a comparison of bytes.
    connection
        .batch_execute("DROP INDEX books_shelf; CREATE INDEX books_shelf ON books (shelf COLLATE NOCASE)")
        .unwrap();
    let report = examine(&mut connection);
    assert_eq!(found(&report), ["warning IndexMissing books shelf"], "{report}");
}

#[test]
fn an_index_that_the_planner_does_not_search_is_told_of() {
    let mut connection = database(HEALTHY);
    // The figures say that all of its entries are of one value and in no order, so that the table is read whole.
    connection
        .batch_execute(
            "UPDATE sqlite_stat1 SET stat = '3000 3000 unordered' WHERE idx = 'books_shelf'; ANALYZE sqlite_schema",
        )
        .unwrap();
    let report = examine(&mut connection);
    assert_eq!(found(&report), ["warning IndexIgnored books books_shelf"], "{report}");
}
