use std::thread;

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _, sql_query};

use super::*;

static TABLE: Template = Template::new("table", |connection| {
    connection.batch_execute("CREATE TABLE t (x int); INSERT INTO t VALUES (1), (2);").unwrap();
});

#[test]
fn a_database_is_nobody_elses() {
    let (one, other) = (TABLE.database(), TABLE.database());
    assert_eq!(sql_query("DELETE FROM t").execute(&mut one.connect()).unwrap(), 2);
    assert_eq!(sql_query("SELECT x FROM t").execute(&mut other.connect()).unwrap(), 2);
}

#[test]
fn threads_get_databases_at_the_same_time() {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let database = TABLE.database();
                assert_eq!(sql_query("SELECT x FROM t").execute(&mut database.connect()).unwrap(), 2);
            });
        }
    });
}

#[test]
fn a_database_that_is_given_back_is_as_it_was_and_nobody_is_connected() {
    static TWO: Template = Template::new("two", |connection| {
        let tables = "CREATE TABLE filled (x int); INSERT INTO filled VALUES (7); CREATE TABLE bare (x serial)";
        connection.batch_execute(tables).unwrap();
    });
    let first = TWO.database();
    let (url, mut connection) = (first.url().to_owned(), first.connect());
    connection.batch_execute("INSERT INTO bare DEFAULT VALUES").unwrap();
    drop(first);
    assert!(sql_query("SELECT 1").execute(&mut connection).is_err());
    let second = TWO.database();
    assert_eq!(second.url(), url);
    let mut connection = second.connect();
    assert_eq!(sql_query("SELECT x FROM bare").execute(&mut connection).unwrap(), 0);
    sql_query("INSERT INTO bare DEFAULT VALUES").execute(&mut connection).unwrap();
    assert_eq!(sql_query("SELECT x FROM bare WHERE x = 1").execute(&mut connection).unwrap(), 1);
}

#[test]
fn a_database_that_can_not_be_restored_is_dropped() {
    for change in [
        "DELETE FROM t WHERE x = 1",
        "UPDATE t SET x = 9 WHERE x = 1",
        "ALTER TABLE t ADD y int",
        "ALTER TABLE t ALTER x SET NOT NULL",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0)",
        "CREATE INDEX i ON t (x)",
        "CREATE TABLE u ()",
        "CREATE VIEW v AS SELECT 1",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP TABLE t",
    ] {
        static ALTERED: Template = Template::new("altered", |connection| TABLE.apply(connection));
        let database = ALTERED.database();
        let (url, mut connection) = (database.url().to_owned(), database.connect());
        connection.batch_execute(change).unwrap();
        drop(database);
        assert!(PgConnection::establish(&url).is_err(), "{change}");
    }
}
