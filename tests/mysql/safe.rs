//! Safe writes where nothing is returned: versions, soft deletion, locks, batches, and what is done once.

use std::{ops::ControlFlow::Continue, sync::Barrier, thread};

use diesel::{connection::SimpleConnection as _, mysql::Mysql, prelude::*};
use larder::{
    Error, Lock, Repository,
    once::{Database, Once, up},
    types::Moment,
};

use crate::site::Site;

const TABLE: &str = "
    CREATE TABLE plans (
        id BIGINT PRIMARY KEY, name VARCHAR(40) NOT NULL, version INTEGER NOT NULL DEFAULT 1, gone_at DATETIME(6),
        changed_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
        free_name VARCHAR(40) AS (IF(gone_at IS NULL, name, NULL)) UNIQUE
    );
";

diesel::table! {
    use diesel::sql_types::{BigInt, Integer, Nullable, Text};
    use larder::types::sql::Moment;

    plans (id) { id -> BigInt, name -> Text, version -> Integer, gone_at -> Nullable<Moment>, changed_at -> Moment, }
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = plans, check_for_backend(Mysql))]
#[larder(unique(name), soft_delete = gone_at)]
struct Plan {
    id: i64,
    name: String,
    #[larder(version)]
    version: i32,
    gone_at: Option<Moment>,
    #[larder(updated_at)]
    changed_at: Moment,
}

/// Plans 1 to 3.
fn site() -> Site {
    let site = Site::empty();
    site.outside().batch_execute(TABLE).unwrap();
    let rows = [1, 2, 3].map(|id: i64| (plans::id.eq(id), plans::name.eq(format!("plan {id}"))));
    Plan::repository(&site.larder).insert_many(&rows).unwrap();
    site
}

#[test]
fn of_all_who_write_one_version_one_succeeds() {
    let site = site();
    let n_threads = 6;
    for round in 1..=10_i32 {
        let start = Barrier::new(n_threads);
        let n_won = thread::scope(|scope| {
            let write = |n| {
                let (site, start) = (&site, &start);
                scope.spawn(move || {
                    start.wait();
                    match Plan::repository(&site.larder).update_at(1, round, plans::name.eq(format!("{n}"))) {
                        Ok(row) => row.version == round + 1,
                        Err(Error::Conflict { expected, found, .. }) => {
                            assert_eq!((expected, found), (round.into(), Some(i64::from(round) + 1)));
                            false
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                })
            };
            let writers: Vec<_> = (0..n_threads).map(write).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(n_won, 1, "round {round}");
        assert_eq!(Plan::repository(&site.larder).get(1).unwrap().version, round + 1);
    }
}

#[test]
fn a_deleted_row_is_absent_and_its_name_is_free() {
    let site = site();
    let repository = Plan::repository(&site.larder);
    assert_eq!(repository.find_by_name("plan 2").unwrap().unwrap().id, 2);
    let deleted = repository.delete(2).unwrap().unwrap();
    assert_eq!((deleted.gone_at, deleted.version), (None, 1));
    assert_eq!(repository.find(2).unwrap(), None);
    assert_eq!(repository.find_by_name("plan 2").unwrap(), None);
    assert_eq!(repository.query(|rows| rows).unwrap().len(), 2);
    let gone = Plan::repository(&site.larder).with_deleted().get(2).unwrap();
    let age = Moment::now().utc() - gone.gone_at.unwrap().utc();
    assert!(age.num_seconds().abs() < 600, "in UTC, whatever the server's time zone: {gone:?}");
    assert!(matches!(repository.update(2, plans::name.eq("x")), Err(Error::NotFound { .. })));
    let again = (plans::id.eq(2_i64), plans::name.eq("plan 2"));
    assert!(matches!(repository.upsert(2, again, plans::name.eq("x")), Err(Error::Deleted { table: "plans" })));
    repository.insert((plans::id.eq(4_i64), plans::name.eq("plan 2"))).unwrap();
    assert_eq!(repository.find_by_name("plan 2").unwrap().unwrap().id, 4);
    repository.restore(2).unwrap_err();
    repository.delete_forever(4).unwrap().unwrap();
    assert_eq!(repository.restore(2).unwrap().unwrap().version, 3);
    assert_eq!(repository.find_by_name("plan 2").unwrap().unwrap().id, 2);
}

#[test]
fn locked_rows_are_skipped_or_refused() {
    let site = site();
    let mut outside = site.outside();
    outside.batch_execute("START TRANSACTION; UPDATE plans SET version = 9 WHERE id = 1").unwrap();
    site.larder
        .transaction(|tx| {
            assert_eq!(tx.locking::<Plan>(Lock::SkipLocked).find(1)?, None);
            let rows = tx.locking::<Plan>(Lock::SkipLocked).query(|plans| plans.order(plans::id))?;
            assert_eq!(rows.iter().map(|plan| plan.id).collect::<Vec<_>>(), [2, 3]);
            let refused = tx.locking::<Plan>(Lock::NoWait).find(1);
            assert!(matches!(refused, Err(Error::Locked { table: "plans" })), "{refused:?}");
            Plan::repository(tx).update(2, plans::name.eq("ours"))
        })
        .unwrap();
    outside.batch_execute("COMMIT").unwrap();
    let seen = site.larder.transaction(|tx| tx.find_many_for_update::<Plan>(&[1, 7, 2])).unwrap();
    let versions: Vec<_> = seen.iter().map(|plan| plan.as_ref().map(|plan| plan.version)).collect();
    assert_eq!(versions, [Some(9), None, Some(2)]);
}

#[test]
fn values_of_their_own_batches_and_streams() {
    let site = site();
    let repository = Plan::repository(&site.larder);
    let changed = repository.update_each(plans::name, &[(3, "c"), (9, "x"), (1, "a")]).unwrap();
    let seen: Vec<_> =
        changed.iter().map(|plan| plan.as_ref().map(|plan| (plan.name.as_str(), plan.version))).collect();
    assert_eq!(seen, [Some(("c", 2)), None, Some(("a", 2))]);
    assert_eq!(repository.find_by_name("a").unwrap().unwrap().id, 1);
    let refused = repository.update(1, (plans::name.eq("b"), plans::version.eq(1)));
    assert!(matches!(refused, Err(Error::SetByLarder { column: "version", .. })), "{refused:?}");
    let (mut batches, mut streamed) = (Vec::new(), Vec::new());
    repository
        .for_each_batch(2, |batch| {
            batches.push(batch.rows.iter().map(|plan| plan.id).collect::<Vec<_>>());
            Ok(Continue(()))
        })
        .unwrap();
    assert_eq!(batches, [vec![1, 2], vec![3]]);
    let n_rows = repository.stream(
        |rows| rows.order(plans::id.desc()),
        |plan| {
            streamed.push(plan.id);
            Ok(Continue(()))
        },
    );
    assert_eq!((n_rows.unwrap(), streamed), (3, vec![3, 2, 1]));
}

#[test]
fn what_was_done_once_is_not_done_again() {
    let site = site();
    site.outside().batch_execute(up(Database::MySql)).unwrap();
    let (n_threads, larder) = (6, &site.larder);
    for round in 0..5_i64 {
        let start = Barrier::new(n_threads);
        let results = thread::scope(|scope| {
            let ask = |_| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    larder.once(format!("{round}"), |tx| {
                        Plan::repository(tx)
                            .insert((plans::id.eq(10 + round), plans::name.eq(format!("new {round}"))))?;
                        Ok(round)
                    })
                })
            };
            let threads: Vec<_> = (0..n_threads).map(ask).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(results.iter().filter(|once| **once == Once::Now(round)).count(), 1);
        assert_eq!(results.iter().filter(|once| **once == Once::Before(round)).count(), n_threads - 1);
    }
    larder.once(larder::once::Key::new("short").kept_for(std::time::Duration::ZERO), |_| Ok(1_i64)).unwrap();
    assert_eq!(larder.forget_expired_keys(10).unwrap(), 1);
    // Part of a second is a second.
    let moment = || larder::once::Key::new("moment").kept_for(std::time::Duration::from_millis(900));
    assert_eq!(larder.once(moment(), |_| Ok(1_i64)).unwrap(), Once::Now(1));
    assert_eq!(larder.once(moment(), |_| Ok(2_i64)).unwrap(), Once::Before(1));
    // Not strict, the server would cut them, and take them for one.
    for last in ["a", "b"] {
        let refused = larder.once("x".repeat(255) + last, |_| Ok(1_i64));
        assert!(matches!(refused, Err(Error::Database(diesel::result::Error::QueryBuilderError(_)))), "{refused:?}");
    }
}

#[test]
fn a_new_row_that_many_upsert_at_once_is_there_for_all_of_them() {
    let site = site();
    let n_threads = 6;
    for round in 10..30_i64 {
        let start = Barrier::new(n_threads);
        thread::scope(|scope| {
            for n in 0..n_threads {
                let (site, start) = (&site, &start);
                scope.spawn(move || {
                    start.wait();
                    let new = (plans::id.eq(round), plans::name.eq(format!("new {round}")));
                    let row =
                        Plan::repository(&site.larder).upsert(round, new, plans::name.eq(format!("{round} by {n}")));
                    assert_eq!(row.unwrap().id, round);
                });
            }
        });
        assert_eq!(Plan::repository(&site.larder).get(round).unwrap().version, i32::try_from(n_threads).unwrap());
    }
}
