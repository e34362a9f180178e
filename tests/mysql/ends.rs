//! Transactions that the database ends by itself, while larder believes that they go on.

use std::{cell::Cell, sync::mpsc, thread, time::Duration};

use diesel::{
    MysqlConnection,
    connection::SimpleConnection,
    mysql::Mysql,
    prelude::*,
    r2d2::{ConnectionManager, CustomizeConnection, Pool},
};
use larder::{Error, Larder, TransactionOptions};
use tests::eventually;

use crate::{
    models::{Author, AuthorChanges, NewAuthor, authors},
    site::Site,
};

const LONG: Duration = Duration::from_secs(60);

fn named(name: &str) -> AuthorChanges<'_> {
    AuthorChanges { email: None, name: Some(name) }
}

fn name_of(site: &Site, id: i64) -> String {
    Author::repository(&site.larder).get(id).unwrap().name
}

/// Whether what is cached is what the database has. A cell that is in doubt is passed by.
#[track_caller]
fn coherent(site: &Site) {
    for id in [1, 2, 3] {
        let has: String = authors::table.find(id).select(authors::name).first(&mut site.outside()).unwrap();
        assert_eq!(name_of(site, id), has, "{id}");
    }
}

/// A transaction that has changed 1 and wants 2, which another holds who wants 1: the server ends the one that has changed less.
fn deadlocked<T: Send>(
    site: &Site,
    want_second: impl FnOnce(&larder::Tx<Mysql>) -> larder::Result<T> + Send,
) -> larder::Result<T> {
    let mut other = site.outside();
    other.batch_execute("BEGIN; INSERT INTO names SELECT uuid(), 1 FROM seq_1_to_1000").unwrap();
    other.batch_execute("SELECT * FROM authors WHERE id = 2 FOR UPDATE").unwrap();
    let (changed, has_changed) = mpsc::channel();
    thread::scope(|scope| {
        let mine = scope.spawn(move || {
            site.larder.transaction(|tx| {
                Author::repository(tx).update(1, named("Mine"))?;
                changed.send(()).unwrap();
                want_second(tx)
            })
        });
        has_changed.recv_timeout(LONG).unwrap();
        other.batch_execute("SELECT * FROM authors WHERE id = 1 FOR UPDATE; ROLLBACK").unwrap();
        mine.join().unwrap()
    })
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

#[test]
fn a_deadlock_ends_the_transaction_though_its_error_was_swallowed() {
    let site = Site::filled();
    let names = [1, 2, 3].map(|id| name_of(&site, id));
    assert_eq!(names, ["Ada", "Bob", "Cyd"]);
    let ended = deadlocked(&site, |tx| {
        let error = Author::repository(tx).update(2, named("Mine")).unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        // Nothing more is sent: it would be committed by itself.
        let refused = Author::repository(tx).update(3, named("Mine"));
        assert!(matches!(refused, Err(Error::Doomed)), "{refused:?}");
        let refused = tx.run(|connection| diesel::delete(authors::table).execute(connection));
        assert!(matches!(refused, Err(Error::Doomed)), "{refused:?}");
        Ok(())
    });
    assert!(matches!(ended, Err(Error::Doomed)), "{ended:?}");
    coherent(&site);
    assert_eq!([1, 2, 3].map(|id| name_of(&site, id)), names);
}

#[test]
fn what_came_after_a_deadlock_in_diesel_s_hands_is_in_doubt() {
    let site = Site::filled();
    let names = [1, 2, 3].map(|id| name_of(&site, id));
    assert_eq!(names, ["Ada", "Bob", "Cyd"]);
    let ended = deadlocked(&site, |tx| {
        tx.touching::<Author, _>(&[3], |connection| {
            let update = |id, connection: &mut _| {
                diesel::update(authors::table.find(id)).set(authors::name.eq("Mine")).execute(connection)
            };
            update(2, connection).unwrap_err();
            update(3, connection)
        })
    });
    assert!(matches!(ended, Err(Error::CommitUnknown(_))), "{ended:?}");
    // The database has committed the last statement, and rolled the rest back.
    coherent(&site);
    assert_eq!(name_of(&site, 3), "Mine");

    // The same, and then the caller wants to roll back what can't be.
    let ended = deadlocked(&site, |tx| {
        tx.touching::<Author, _>(&[3], |connection| {
            let update = |id, name: &'static str, connection: &mut _| {
                diesel::update(authors::table.find(id)).set(authors::name.eq(name)).execute(connection)
            };
            update(2, "Mine", connection).unwrap_err();
            update(3, "Mine too", connection)
        })
        .unwrap_err();
        Err::<(), _>(Error::other("no"))
    });
    assert!(matches!(ended, Err(Error::Other(_))), "{ended:?}");
    coherent(&site);
    assert_eq!(name_of(&site, 3), "Mine too");
}

#[test]
fn a_statement_that_commits_leaves_the_transaction_in_doubt() {
    let site = Site::filled();
    assert_eq!(name_of(&site, 1), "Ada");
    let create =
        |connection: &mut diesel::MysqlConnection| connection.batch_execute("CREATE TABLE beside (id INTEGER)");
    let ended = site.larder.transaction(|tx| {
        Author::repository(tx).update(1, named("Eve"))?;
        let _ = tx.run(create);
        // It would be committed by itself.
        let refused = Author::repository(tx).update(2, named("Eve"));
        assert!(matches!(refused, Err(Error::Doomed)), "{refused:?}");
        Ok(())
    });
    assert!(matches!(ended, Err(Error::CommitUnknown(_))), "{ended:?}");
    coherent(&site);
    assert_eq!([1, 2].map(|id| name_of(&site, id)), ["Eve", "Bob"]);

    // Rolled back, in a savepoint, and by a panic: it has been committed each time.
    let drop_it = |connection: &mut diesel::MysqlConnection| connection.batch_execute("DROP TABLE beside");
    let ended = site.larder.transaction(|tx| {
        tx.savepoint(|tx| {
            Author::repository(tx).update(1, named("Ida"))?;
            tx.run(drop_it)?;
            Author::repository(tx).update(3, named("Ida"))
        })
    });
    assert!(ended.is_err(), "{ended:?}");
    coherent(&site);
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        site.larder.transaction::<()>(|tx| {
            Author::repository(tx).update(1, named("Uma"))?;
            let _ = tx.run(create);
            panic!("on purpose")
        })
    }));
    assert!(ended.is_err());
    coherent(&site);
}

#[test]
fn what_was_committed_by_itself_is_not_done_again() {
    let site = Site::filled();
    let n_runs = Cell::new(0);
    let options = TransactionOptions { retries: 3, ..TransactionOptions::default() };
    // Then it is over, whatever the caller makes of it.
    let ended = site.larder.transaction_with(options, |tx| {
        n_runs.set(n_runs.get() + 1);
        Author::repository(tx).update(1, named("Eve"))?;
        tx.run(|connection| connection.batch_execute("CREATE TABLE beside (id INTEGER)"))?;
        Author::repository(tx).update(2, named("Eve"))
    });
    assert!(matches!(ended, Err(Error::CommitUnknown(_))), "{ended:?}");
    coherent(&site);

    // Another is open by then, in which a lock is waited for in vain: what was before it stands.
    let mut other = site.outside();
    other.batch_execute("BEGIN; SELECT * FROM authors WHERE id = 3 FOR UPDATE").unwrap();
    let ended = site.larder.transaction_with(options, |tx| {
        n_runs.set(n_runs.get() + 1);
        Author::repository(tx).update(1, named("Ida"))?;
        tx.run(|connection| connection.batch_execute("COMMIT; SET innodb_lock_wait_timeout = 1; START TRANSACTION"))?;
        Author::repository(tx).update(3, named("Ida"))
    });
    assert!(matches!(ended, Err(Error::CommitUnknown(_))), "{ended:?}");
    assert_eq!(n_runs.get(), 2);
    other.batch_execute("ROLLBACK").unwrap();
    coherent(&site);
    assert_eq!([1, 3].map(|id| name_of(&site, id)), ["Ida", "Cyd"]);
}

#[test]
fn a_write_that_is_refused_for_its_cells_says_so_only_if_nothing_of_it_was_committed() {
    let site = Site::filled();
    let of_all = |rename: &str, between: &str| {
        site.larder.transaction(|tx| {
            Author::repository(tx).update(1, named(rename))?;
            tx.run(|connection| connection.batch_execute(between))?;
            (0..600_000).for_each(|n| tx.invalidate_tag(&format!("tag {n}")));
            Ok(())
        })
    };
    let ended = of_all("Eve", "DO 0");
    assert!(matches!(ended, Err(Error::TooManyCells { .. })), "{ended:?}");
    assert_eq!(name_of(&site, 1), "Ada");
    let ended = of_all("Eve", "COMMIT; START TRANSACTION");
    assert!(matches!(ended, Err(Error::CommitUnknown(_))), "{ended:?}");
    coherent(&site);
    assert_eq!(name_of(&site, 1), "Eve");
}

#[test]
fn a_connection_goes_back_with_its_own_time_to_idle() {
    let site = Site::filled();
    let times = "SELECT @@SESSION.idle_transaction_timeout <> @@GLOBAL.idle_transaction_timeout AS n";
    let differs =
        |connection: &mut MysqlConnection| diesel::sql_query(times).get_result(connection).map(|Number { n }| n);
    let within = site.larder.transaction(|tx| {
        Author::repository(tx).update(1, named("Eve"))?;
        tx.run(differs)
    });
    assert_eq!(within.unwrap(), 1);
    assert_eq!(differs(&mut site.pool.get().unwrap()), Ok(0));
    let failed = site.larder.transaction(|tx| {
        Author::repository(tx).update(1, named("Ida"))?;
        Err::<(), _>(Error::other("no"))
    });
    assert!(failed.is_err());
    assert_eq!(differs(&mut site.pool.get().unwrap()), Ok(0));
}

#[test]
fn the_server_ends_a_transaction_that_idles() {
    let site = Site::built(|builder| builder.commit_within(Duration::from_millis(700)));
    Author::repository(&site.larder).insert(&NewAuthor { id: Some(1), email: "a@x", name: None }).unwrap();
    let mut watch = site.outside();
    let mut is_there = |id: i64| {
        let there = format!("SELECT COUNT(*) AS n FROM information_schema.processlist WHERE id = {id}");
        diesel::sql_query(there).get_result::<Number>(&mut watch).unwrap().n == 1
    };
    let begun = std::time::Instant::now();
    let ended = site.larder.transaction(|tx| {
        Author::repository(tx).update(1, named("Late"))?;
        let id = tx.run(|connection| {
            diesel::sql_query("SELECT connection_id() AS n").get_result::<Number>(connection).map(|row| row.n)
        })?;
        assert!(is_there(id), "it is open");
        eventually(LONG, || !is_there(id));
        // 700 ms, in whole seconds.
        assert!(begun.elapsed() > Duration::from_millis(900), "{:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        Ok(())
    });
    assert!(ended.is_err(), "its COMMIT came too late: {ended:?}");
    assert_eq!(name_of(&site, 1), "Nobody");
    // Outside of transactions a connection may idle, and the pool has a good one.
    Author::repository(&site.larder).update(1, named("Eve")).unwrap();
    assert_eq!(name_of(&site, 1), "Eve");
}

#[test]
fn a_commit_whose_connection_is_lost_is_in_doubt() {
    let site = Site::filled();
    assert_eq!(name_of(&site, 1), "Ada");
    let mut outside = site.outside();
    let ended = site.larder.transaction(|tx| {
        Author::repository(tx).update(1, named("Eve"))?;
        let id = tx.run(|connection| {
            diesel::sql_query("SELECT connection_id() AS n").get_result::<Number>(connection).map(|row| row.n)
        })?;
        outside.batch_execute(&format!("KILL {id}"))?;
        Ok(())
    });
    assert!(matches!(ended, Err(Error::CommitUnknown(_))), "{ended:?}");
    coherent(&site);
}

diesel::table! { slips (id) { id -> BigInt, name -> Text, n -> BigInt, } }

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
#[diesel(table_name = slips, check_for_backend(Mysql))]
struct Slip {
    id: i64,
    name: String,
    n: i64,
}

/// A view whose rows can't be read any more by a session that has changed one.
const SLIPS: [&str; 5] = [
    "CREATE TABLE kept_slips (id BIGINT PRIMARY KEY, name VARCHAR(40) NOT NULL)",
    "CREATE TRIGGER slips_are_closed AFTER UPDATE ON kept_slips FOR EACH ROW SET @closed = 1",
    "CREATE FUNCTION may_be_read() RETURNS BIGINT READS SQL DATA BEGIN \
     IF @closed = 1 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'closed'; END IF; RETURN 1; END",
    "CREATE VIEW slips AS SELECT id, name, may_be_read() AS n FROM kept_slips",
    "INSERT INTO kept_slips VALUES (1, 'old')",
];

#[test]
fn a_write_that_can_not_be_read_back_is_not_committed_though_its_error_was_swallowed() {
    let site = Site::empty();
    for sql in SLIPS {
        site.outside().batch_execute(sql).unwrap();
    }
    assert_eq!(Slip::repository(&site.larder).get(1).unwrap().name, "old");
    let ended = site.larder.transaction(|tx| {
        let error = Slip::repository(tx).update(1, slips::name.eq("new")).unwrap_err();
        assert!(format!("{error:?}").contains("closed"), "{error:?}");
        tx.run(|connection| connection.batch_execute("SET @closed = 0"))
    });
    assert!(matches!(ended, Err(Error::Doomed)), "{ended:?}");
    let has: String = slips::table.find(1).select(slips::name).first(&mut site.outside()).unwrap();
    assert_eq!((has.as_str(), Slip::repository(&site.larder).get(1).unwrap().name.as_str()), ("old", "old"));
}

/// Of the rows of this view the second can't be read.
const HALF: [&str; 2] = [
    "CREATE FUNCTION read_or_fail(id BIGINT) RETURNS BIGINT DETERMINISTIC BEGIN \
     IF id = 2 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'torn'; END IF; RETURN id; END",
    "CREATE VIEW slips AS SELECT id, name, read_or_fail(id) AS n FROM authors",
];

/// What has a server that waits in vain end the connection soon.
#[derive(Debug)]
struct Impatient;

impl CustomizeConnection<MysqlConnection, diesel::r2d2::Error> for Impatient {
    fn on_acquire(&self, connection: &mut MysqlConnection) -> Result<(), diesel::r2d2::Error> {
        connection.batch_execute("SET wait_timeout = 5").map_err(diesel::r2d2::Error::QueryError)
    }
}

#[test]
fn a_read_that_has_failed_in_the_middle_of_its_rows_fails_at_once_the_next_time() {
    let site = Site::filled();
    for sql in HALF {
        site.outside().batch_execute(sql).unwrap();
    }
    let pool = Pool::builder().max_size(1).connection_customizer(Box::new(Impatient));
    let pool = pool.build(ConnectionManager::<MysqlConnection>::new(site.url())).unwrap();
    let larder = Larder::builder(pool).build();
    for _ in 0..3 {
        let error = Slip::repository(&larder).query(|slips| slips.order(slips::id)).unwrap_err();
        assert!(format!("{error:?}").contains("torn"), "{error:?}");
    }
}
