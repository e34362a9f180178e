//! Locks that others have: what is told of them, in whatever language, and what is left of the transaction.

use std::{thread, time::Duration};

use diesel::{
    MysqlConnection,
    connection::SimpleConnection as _,
    mysql::Mysql,
    prelude::*,
    r2d2::{ConnectionManager, CustomizeConnection, Pool},
};
use larder::{Error, Larder, Lock, Tx};
use servers::{MariaDb, MariaDbOptions};
use tests::eventually;

use crate::{
    models::{Author, AuthorChanges, authors},
    site::Site,
};

const LONG: Duration = Duration::from_secs(60);
const EVE: AuthorChanges<'static> = AuthorChanges { email: None, name: Some("Eve") };

fn names_of_rows(site: &Site) -> Vec<String> {
    authors::table.order(authors::id).select(authors::name).load(&mut site.outside()).unwrap()
}

/// The names, which have to be the same in the caches.
fn names(site: &Site) -> [String; 3] {
    let has = names_of_rows(site);
    let seen = [1, 2, 3].map(|id| Author::repository(&site.larder).get(id).unwrap().name);
    assert_eq!(has, seen);
    seen
}

/// One who has locked author 2.
fn with_two_locked(site: &Site, work: impl FnOnce()) {
    let mut other = site.outside();
    other.batch_execute("START TRANSACTION; SELECT * FROM authors WHERE id = 2 FOR UPDATE").unwrap();
    work();
    other.batch_execute("ROLLBACK").unwrap();
}

fn in_german(tx: &Tx<Mysql>) -> larder::Result<()> {
    tx.run(|connection| connection.batch_execute("SET lc_messages = 'de_DE', innodb_lock_wait_timeout = 1"))
}

#[test]
fn a_lock_is_told_by_its_number_whatever_language_the_server_speaks() {
    let site = Site::filled();
    with_two_locked(&site, || {
        let ended = site.larder.transaction(|tx| {
            in_german(tx)?;
            Author::repository(tx).update(1, EVE)?;
            let refused = tx.locking::<Author>(Lock::NoWait).find(2);
            assert!(matches!(refused, Err(Error::Locked { table: "authors" })), "{refused:?}");
            let waited = Author::repository(tx).update(2, EVE).unwrap_err();
            let Error::Database(diesel::result::Error::DatabaseError(_, said)) = &waited else {
                panic!("{waited:?}");
            };
            assert!(!said.message().contains("Lock wait timeout"), "it is German: {waited:?}");
            assert!(waited.is_retryable(), "{waited:?}");
            let waited = tx.run(|connection| connection.batch_execute("SELECT * FROM authors WHERE id = 2 FOR UPDATE"));
            assert!(waited.as_ref().is_err_and(Error::is_retryable), "{waited:?}");
            // One that has come in the middle of rows: of the first it has the lock.
            for _ in 0..2 {
                let waited = Author::repository(tx).update_where(authors::id.le(2), EVE);
                assert!(waited.as_ref().is_err_and(Error::is_retryable), "{waited:?}");
            }
            // What was done is still there, and the transaction goes on.
            Author::repository(tx).update(3, EVE)
        });
        ended.unwrap();
    });
    assert_eq!(names(&site), ["Eve", "Bob", "Eve"]);
}

#[test]
fn where_a_wait_ends_the_transaction_nothing_more_is_sent() {
    let settings = vec![("innodb-rollback-on-timeout".to_owned(), "ON".to_owned())];
    let server = MariaDb::start(MariaDbOptions { durable: false, settings }).unwrap();
    let site = Site::on(&server.url(), |builder| builder);
    site.fill();
    let before = names(&site);
    with_two_locked(&site, || {
        for no_wait in [false, true] {
            let ended = site.larder.transaction(|tx| {
                in_german(tx)?;
                Author::repository(tx).update(1, EVE)?;
                if no_wait {
                    let refused = tx.locking::<Author>(Lock::NoWait).find(2);
                    assert!(matches!(refused, Err(Error::Doomed)), "{refused:?}");
                } else {
                    let waited = Author::repository(tx).update(2, EVE);
                    assert!(waited.as_ref().is_err_and(Error::is_retryable), "{waited:?}");
                }
                let refused = Author::repository(tx).update(3, EVE);
                assert!(matches!(refused, Err(Error::Doomed)), "{refused:?}");
                let refused = tx.savepoint(|tx| Author::repository(tx).update(3, EVE));
                assert!(matches!(refused, Err(Error::Doomed)), "{refused:?}");
                Ok(())
            });
            assert!(matches!(ended, Err(Error::Doomed)), "{ended:?}");
        }
    });
    assert_eq!(names(&site), before);
}

#[test]
fn a_savepoint_that_is_gone_ends_the_transaction() {
    let site = Site::filled();
    for is_kept in [true, false] {
        let ended = site.larder.transaction(|tx| {
            let gone = tx.savepoint(|tx| {
                Author::repository(tx).update(1, EVE)?;
                tx.run(|connection| connection.batch_execute("CREATE OR REPLACE TABLE beside (id INTEGER)"))?;
                if is_kept { Ok(()) } else { Err(Error::other("no")) }
            });
            assert!(gone.is_err());
            let refused = Author::repository(tx).update(3, EVE);
            assert!(matches!(refused, Err(Error::Doomed)), "{refused:?}");
            Ok(())
        });
        assert!(matches!(ended, Err(Error::CommitUnknown(_))), "{ended:?}");
        // CREATE TABLE has committed what was before it.
        assert_eq!(names(&site), ["Eve", "Bob", "Cyd"]);
    }
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

#[test]
fn a_single_write_that_a_deadlock_has_rolled_back_begins_again() {
    let site = Site::filled();
    assert_eq!(names(&site), ["Ada", "Bob", "Cyd"]);
    let (mut other, mut watch) = (site.outside(), site.outside());
    // Of two the server ends the one that has changed less.
    other.batch_execute("START TRANSACTION; INSERT INTO names SELECT uuid(), 1 FROM seq_1_to_1000").unwrap();
    other.batch_execute("SELECT * FROM authors WHERE id = 2 FOR UPDATE").unwrap();
    let changed = thread::scope(|scope| {
        let mine = scope.spawn(|| Author::repository(&site.larder).update_where(authors::id.le(2), EVE));
        let waiting = "SELECT COUNT(*) AS n FROM information_schema.innodb_trx JOIN information_schema.processlist p \
                       ON p.id = trx_mysql_thread_id WHERE trx_state = 'LOCK WAIT' AND p.db = DATABASE()";
        eventually(LONG, || {
            // Who asks again within a tenth of a second is told the same again.
            watch.batch_execute("DO SLEEP(0.15)").unwrap();
            diesel::sql_query(waiting).get_result::<Number>(&mut watch).unwrap().n == 1
        });
        other.batch_execute("SELECT * FROM authors WHERE id = 1 FOR UPDATE; ROLLBACK").unwrap();
        mine.join().unwrap()
    });
    assert_eq!(changed.unwrap().len(), 2);
    assert_eq!(names(&site), ["Eve", "Eve", "Cyd"]);
    let stats = site.larder.stats();
    let of_authors = stats.models.iter().find(|model| model.name == "authors").unwrap();
    assert_eq!(of_authors.writes_repeated, 1);
}

/// What leaves the pool's connections without autocommit.
#[derive(Debug)]
struct Manual;

impl CustomizeConnection<MysqlConnection, diesel::r2d2::Error> for Manual {
    fn on_acquire(&self, connection: &mut MysqlConnection) -> Result<(), diesel::r2d2::Error> {
        connection.batch_execute("SET autocommit = 0").map_err(diesel::r2d2::Error::QueryError)
    }
}

#[test]
fn a_pool_without_autocommit_reads_what_is_there_now() {
    let site = Site::filled();
    let pool = Pool::builder().max_size(1).connection_customizer(Box::new(Manual));
    let pool = pool.build(ConnectionManager::<MysqlConnection>::new(site.url())).unwrap();
    // Somebody gives a connection back in the middle of something.
    pool.get().unwrap().batch_execute("UPDATE authors SET name = 'Half' WHERE id = 3").unwrap();
    let larder = Larder::builder(pool).build();
    let authors = Author::repository(&larder);
    assert_eq!(authors.get(1).unwrap().name, "Ada");
    site.outside().batch_execute("UPDATE authors SET name = 'Ida' WHERE id = 1").unwrap();
    assert_eq!(authors.get(1).unwrap().name, "Ida");
    authors.update(2, EVE).unwrap();
    assert_eq!(names_of_rows(&site), ["Ida", "Eve", "Cyd"]);
}
