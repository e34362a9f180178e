use std::{
    sync::{Barrier, mpsc},
    thread,
    time::Duration,
};

use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _, connection::SimpleConnection as _};
use larder::{Error, Lock};
use tests::eventually;

use super::scene::{Doc, Job, Scene, docs, jobs};

#[test]
fn ten_workers_take_each_job_once() {
    let (n_jobs, n_workers) = (300, 10);
    let scene = Scene::with_jobs(n_jobs);
    let (start, done) = (Barrier::new(n_workers), mpsc::channel());
    thread::scope(|scope| {
        for worker in 0..n_workers as i64 {
            let (scene, start, done) = (&scene, &start, done.0.clone());
            scope.spawn(move || {
                start.wait();
                loop {
                    let taken = scene.larder.transaction(|tx| {
                        let free = tx
                            .locking::<Job>(Lock::SkipLocked)
                            .query(|jobs| jobs.filter(jobs::done_by.is_null()).order(jobs::id).limit(3))?;
                        for job in &free {
                            Job::repository(tx).update(job.id, jobs::done_by.eq(worker))?;
                        }
                        Ok(free)
                    });
                    let taken = taken.unwrap();
                    if taken.is_empty() {
                        break;
                    }
                    taken.iter().for_each(|job| done.send((worker, job.id)).unwrap());
                }
            });
        }
    });
    drop(done.0);
    let mut done: Vec<(i64, i64)> = done.1.iter().collect();
    let n_who_worked = done.iter().map(|(worker, _)| worker).collect::<std::collections::HashSet<_>>().len();
    assert!(n_who_worked > 1, "they have worked beside each other");
    done.sort_by_key(|(_, job)| *job);
    assert_eq!(done.iter().map(|(_, job)| *job).collect::<Vec<_>>(), (1..=n_jobs).collect::<Vec<_>>());
    let rows: Vec<(i64, Option<i64>)> =
        jobs::table.select((jobs::id, jobs::done_by)).order(jobs::id).load(&mut scene.database.connect()).unwrap();
    assert_eq!(rows, done.iter().map(|(worker, job)| (*job, Some(*worker))).collect::<Vec<_>>());
}

#[test]
fn what_others_have_locked_is_waited_for_skipped_or_refused() {
    let scene = Scene::with_docs();
    let mut beside = scene.database.connect();
    beside.batch_execute("BEGIN; UPDATE docs SET name = 'theirs', version = 5 WHERE id = 1").unwrap();
    scene
        .larder
        .transaction(|tx| {
            let skipping = tx.locking::<Doc>(Lock::SkipLocked);
            assert_eq!(skipping.find(1)?, None);
            assert_eq!(skipping.find_many(&[2, 1])?.iter().flatten().map(|doc| doc.id).collect::<Vec<_>>(), [2]);
            assert_eq!(skipping.query(|docs| docs.order(docs::id))?.len(), 1);
            let refused = tx.locking::<Doc>(Lock::NoWait).find(1);
            assert!(matches!(refused, Err(Error::Locked { table: "docs" })), "{refused:?}");
            // And the transaction goes on.
            assert_eq!(tx.locking::<Doc>(Lock::NoWait).find(2)?.map(|doc| doc.id), Some(2));
            Doc::repository(tx).update(2, docs::name.eq("ours"))
        })
        .unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| scene.larder.transaction(|tx| tx.find_for_update::<Doc>(1)));
        let mut watching = scene.database.connect();
        eventually(Duration::from_secs(20), || {
            let waits = diesel::sql_query("SELECT 1 FROM pg_locks WHERE NOT granted").execute(&mut watching).unwrap();
            waits > 0
        });
        beside.batch_execute("COMMIT").unwrap();
        let doc = waiting.join().unwrap().unwrap().unwrap();
        assert_eq!((doc.name.as_str(), doc.version), ("theirs", 5), "as the others have left it");
    });
}

#[test]
fn a_locked_row_is_changed_by_nobody_else() {
    let scene = Scene::with_docs();
    let (n_threads, n_rounds) = (6, 20);
    thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                for _ in 0..n_rounds {
                    let added = scene.larder.transaction(|tx| {
                        let rows = tx.find_many_for_update::<Doc>(&[2, 9, 1])?;
                        let [Some(two), None, Some(one)] = &rows[..] else { panic!("{rows:?}") };
                        let n: i64 = one.name.parse().unwrap_or(0);
                        Doc::repository(tx).update(one.id, docs::name.eq((n + 1).to_string()))?;
                        Doc::repository(tx).update(two.id, docs::name.eq(format!("two {}", n + 1)))
                    });
                    added.unwrap();
                }
            });
        }
    });
    let one = Doc::repository(&scene.larder).get(1).unwrap();
    assert_eq!(one.name, (n_threads * n_rounds).to_string());
    assert_eq!(one.version, 1 + n_threads * n_rounds);
}
