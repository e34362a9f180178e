//! Transactions that are refused or wait for each other, and rows that are deleted softly.

use std::{
    sync::{Barrier, mpsc},
    thread,
    time::{Duration, Instant},
};

use diesel::{SqliteConnection, connection::SimpleConnection as _, prelude::*, sql_types::BigInt};
use larder::{Consistency::Database, Error, Larder, Lock, Repository};
use tempfile::TempDir;

use crate::site::Db;

const LONG: Duration = Duration::from_secs(60);

/// A name `last` ends the transaction that writes it, and so does a second team of one number.
const TABLES: &str = "
    CREATE TABLE slips (id BIGINT PRIMARY KEY, team_id BIGINT NOT NULL, name TEXT NOT NULL, gone_at TIMESTAMP);
    CREATE TRIGGER the_last BEFORE UPDATE ON slips WHEN NEW.name = 'last' BEGIN SELECT RAISE(ROLLBACK, 'no more'); END;
    CREATE TABLE teams (id BIGINT PRIMARY KEY ON CONFLICT ROLLBACK);
    CREATE TABLE members (id BIGINT PRIMARY KEY REFERENCES teams (id) DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO slips VALUES (1, 1, 'one', NULL), (2, 1, 'two', NULL), (3, 1, 'three', NULL);
";

diesel::table! {
    teams (id) { id -> BigInt, }
}

diesel::table! {
    slips (id) { id -> BigInt, team_id -> BigInt, name -> Text, gone_at -> Nullable<Timestamp>, }
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = slips, check_for_backend(Db))]
#[larder(index(team_id), soft_delete = gone_at)]
pub(super) struct Slip {
    id: i64,
    team_id: i64,
    pub(super) name: String,
    gone_at: Option<chrono::NaiveDateTime>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = teams, check_for_backend(Db))]
pub(super) struct Team {
    pub(super) id: i64,
}

pub(super) struct Site {
    folder: TempDir,
    pub(super) larder: Larder<Db>,
}

impl Site {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let larder = larder::embedded(folder.path().join("slips.sqlite")).unwrap().build();
        let site = Self { folder, larder };
        site.outside().batch_execute(TABLES).unwrap();
        site
    }

    pub(super) fn outside(&self) -> SqliteConnection {
        let path = self.folder.path().join("slips.sqlite");
        SqliteConnection::establish(path.to_str().unwrap()).unwrap()
    }

    /// The names, which have to be the same in the caches and in the database.
    #[track_caller]
    pub(super) fn names(&self) -> [String; 3] {
        let has: Vec<String> = slips::table.order(slips::id).select(slips::name).load(&mut self.outside()).unwrap();
        let seen = [1, 2, 3].map(|id| Slip::repository(&self.larder).get(id).unwrap().name);
        assert_eq!(has, seen);
        seen
    }
}

#[test]
fn a_commit_that_a_deferred_key_refuses_is_no_doubt() {
    let site = Site::new();
    assert_eq!(site.names(), ["one", "two", "three"]);
    let ended = site.larder.transaction(|tx| {
        Slip::repository(tx).update(1, slips::name.eq("changed"))?;
        tx.run(|connection| connection.batch_execute("INSERT INTO members VALUES (7)"))
    });
    assert!(matches!(ended, Err(Error::Database(_))), "{ended:?}");
    assert_eq!(site.names(), ["one", "two", "three"]);
}

#[derive(QueryableByName)]
struct N {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[test]
fn what_depends_on_deleted_rows_hears_that_they_are_gone_forever() {
    let site = Site::new();
    let slips = Slip::repository(&site.larder);
    let n_of_team = || {
        let query = site.larder.query("all of them").depends_on_key(Slip::key_by_team_id(1));
        let n = query.load(|connection| {
            diesel::sql_query("SELECT COUNT(*) AS n FROM slips").get_result(connection).map(|N { n }| n)
        });
        n.unwrap()
    };
    slips.delete(1).unwrap().unwrap();
    assert_eq!(n_of_team(), 3);
    slips.delete_forever(1).unwrap().unwrap();
    assert_eq!(n_of_team(), 2);
}

#[test]
fn readers_go_on_while_writers_wait_for_each_other() {
    let site = Site::new();
    let (begun, has_begun) = mpsc::channel();
    let (told, may_end) = mpsc::channel();
    let waiting = &Barrier::new(17);
    let seen = thread::scope(|scope| {
        let larder = &site.larder;
        scope.spawn(move || {
            larder.transaction(|tx| {
                Slip::repository(tx).update(1, slips::name.eq("long"))?;
                begun.send(()).unwrap();
                may_end.recv_timeout(LONG).map_err(Error::other)
            })
        });
        has_begun.recv_timeout(LONG).unwrap();
        let others: Vec<_> = (0..16)
            .map(|n| {
                scope.spawn(move || {
                    waiting.wait();
                    Slip::repository(larder).update(2, slips::name.eq(format!("{n}")))
                })
            })
            .collect();
        waiting.wait();
        // Each time one more of them has come to wait, until all connections would be theirs.
        let start = Instant::now();
        let seen: Vec<_> = (0..200).map(|_| Slip::repository(larder).reading(Database).get(1)).collect();
        assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
        told.send(()).unwrap();
        for other in others {
            other.join().unwrap().unwrap();
        }
        seen
    });
    for row in seen {
        assert_eq!(row.unwrap().name, "one");
    }
    assert_eq!(site.names()[0], "long");
}

#[test]
fn a_writer_that_has_had_no_turn_in_time_is_told_so() {
    let folder = TempDir::new().unwrap();
    let builder = larder::embedded(folder.path().join("slips.sqlite")).unwrap();
    let larder = builder.writers_take_turns(Duration::from_millis(50)).build();
    let ended = larder.transaction(|tx| {
        tx.run(|connection| connection.batch_execute(TABLES))?;
        // Which waits for itself.
        let refused = Slip::repository(&larder).update(1, slips::name.eq("x"));
        assert!(matches!(refused, Err(Error::NoTurn { .. })) && refused.is_err_and(|error| error.is_retryable()));
        Ok(())
    });
    ended.unwrap();
    Slip::repository(&larder).update(1, slips::name.eq("x")).unwrap();
}

#[test]
fn a_transaction_that_locks_waits_for_the_one_before_it_whatever_the_lock() {
    let site = Site::new();
    let larder = &site.larder;
    for (round, lock) in [Lock::Wait, Lock::SkipLocked, Lock::NoWait].into_iter().enumerate() {
        let name = format!("round {round}");
        let (written, is_written) = mpsc::channel();
        thread::scope(|scope| {
            let first = scope.spawn({
                let name = name.clone();
                move || {
                    larder.transaction(|tx| {
                        let slip = Slip::repository(tx).update(1, slips::name.eq(name))?;
                        written.send(()).unwrap();
                        // For the other one to come to where it waits.
                        thread::park_timeout(Duration::from_millis(50));
                        Ok(slip)
                    })
                }
            });
            is_written.recv().unwrap();
            // Neither left out nor refused, but as the first one has left it.
            let second = larder.transaction(|tx| tx.locking::<Slip>(lock).find(1)).unwrap();
            assert_eq!(second.unwrap().name, name, "{lock:?}");
            first.join().unwrap().unwrap();
        });
    }
}

#[test]
fn writers_that_wait_for_each_other_do_not_run_out_of_connections() {
    let site = Site::new();
    let (begun, has_begun) = mpsc::channel();
    thread::scope(|scope| {
        let larder = &site.larder;
        let long = scope.spawn(move || {
            larder.transaction(|tx| {
                Slip::repository(tx).update(1, slips::name.eq("long"))?;
                begun.send(()).unwrap();
                // Longer than a connection is waited for elsewhere.
                thread::park_timeout(Duration::from_millis(1_500));
                Ok(())
            })
        });
        has_begun.recv().unwrap();
        let others: Vec<_> = (0..24)
            .map(|n| scope.spawn(move || Slip::repository(larder).update(2, slips::name.eq(format!("{n}")))))
            .collect();
        for other in others {
            other.join().unwrap().unwrap();
        }
        long.join().unwrap().unwrap();
    });
}
