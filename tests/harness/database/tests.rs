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
fn a_dropped_database_is_gone_although_somebody_is_connected() {
    let database = EMPTY.database();
    let (url, mut connection) = (database.url().to_owned(), database.connect());
    drop(database);
    assert!(sql_query("SELECT 1").execute(&mut connection).is_err());
    assert!(PgConnection::establish(&url).is_err());
}
