use std::{
    fs,
    ops::ControlFlow::{Break, Continue},
};

use diesel::{ExpressionMethods as _, QueryDsl as _, connection::SimpleConnection as _};
use larder::Error;
use tests::{Cost, Counts};

use super::scene::{Cell, Doc, Job, Scene, cells, docs, jobs};

#[test]
fn values_of_their_own_are_one_statement() {
    let scene = Scene::with_docs();
    let repository = Doc::repository(&scene.larder);
    let changed = repository.update_each(docs::name, &[(2, "zwei"), (1, "eins"), (7, "sieben")]).unwrap();
    scene.meter.expect(Cost { sql: 1, store_reads: 0, store_writes: 2 });
    let seen: Vec<_> = changed.iter().map(|doc| doc.as_ref().map(|doc| (doc.name.as_str(), doc.version))).collect();
    assert_eq!(seen, [Some(("zwei", 2)), Some(("eins", 2)), None]);
    let other = scene.handle(scene.database.url());
    assert_eq!(Doc::repository(&other).find_by_name("eins").unwrap().unwrap().id, 1);
    assert_eq!(Doc::repository(&other).find_by_name("one").unwrap(), None);
    let cells = [("a", Some(1.5)), ("b", None)].map(|(y, value)| Cell { x: 1, y: y.into(), value });
    let grid = Cell::repository(&scene.larder);
    grid.insert_many(&cells).unwrap();
    let values = [((1, "b".to_owned()), Some(2.5)), ((1, "a".to_owned()), None)];
    let changed = grid.update_each(cells::value, &values).unwrap();
    assert_eq!(changed.iter().flatten().map(|cell| cell.value).collect::<Vec<_>>(), [Some(2.5), None]);
}

#[test]
fn values_of_ten_thousand_rows_are_written_and_all_of_them_right() {
    let scene = Scene::with_jobs(10_000);
    let values: Vec<(i64, (String, Option<i64>))> =
        (1..=10_000).map(|id| (id, (format!("new {id}"), (id % 2 == 0).then_some(id)))).collect();
    // More rows than the caches follow one by one are changed a part at a time.
    for values in values.chunks(2_000) {
        let changed = Job::repository(&scene.larder).update_each_of((jobs::note, jobs::done_by), values).unwrap();
        assert!(changed.iter().zip(values).all(|(job, (id, (note, done_by)))| {
            job.as_ref().is_some_and(|job| job.id == *id && job.note == *note && job.done_by == *done_by)
        }));
    }
}

#[test]
fn a_table_of_two_key_columns_comes_in_batches_of_one_statement_each() {
    let scene = Scene::new();
    let rows: Vec<_> = (0..7).flat_map(|x| ["b", "a", "ä"].map(|y| Cell { x, y: y.to_owned(), value: None })).collect();
    Cell::repository(&scene.larder).insert_many(&rows).unwrap();
    scene.meter.reset();
    let mut seen = Vec::new();
    let n_rows = Cell::repository(&scene.larder).for_each_batch(5, |batch| {
        assert!(batch.rows.len() <= 5);
        seen.extend(batch.rows.into_iter().map(|cell| (cell.x, cell.y)));
        assert_eq!(seen.last(), Some(&batch.last));
        Ok(Continue(()))
    });
    assert_eq!(n_rows.unwrap(), 21);
    scene.meter.expect_counts(Counts { sql: 5, ..Counts::default() });
    let (mut ordered, n_seen) = (seen.clone(), seen.len());
    ordered.sort();
    ordered.dedup();
    assert_eq!((ordered.len(), n_seen), (21, 21));
    let mut rest = Vec::new();
    let walk = Cell::repository(&scene.larder).batches(4).after((3, "b".to_owned()));
    walk.for_each(|batch| {
        rest.extend(batch.rows.into_iter().map(|cell| (cell.x, cell.y)));
        Ok(Continue(()))
    })
    .unwrap();
    let at = seen.iter().position(|key| *key == (3, "b".to_owned())).unwrap();
    assert_eq!(rest, seen[at + 1..]);
}

/// How much memory the process uses, in kilobytes.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

#[test]
fn a_million_rows_stream_in_constant_memory() {
    let scene = Scene::with_jobs(1_000_000);
    let before = memory();
    let (mut sum, mut most) = (0, before);
    let n_rows = Job::repository(&scene.larder).stream(
        |rows| rows,
        |job| {
            sum += job.id;
            if job.id % 50_000 == 0 {
                most = most.max(memory());
            }
            Ok(Continue(()))
        },
    );
    assert_eq!((n_rows.unwrap(), sum), (1_000_000, 500_000_500_000));
    let grown = most - before;
    println!("a million rows took {grown} kB more");
    // Loaded at once they are some 150 MB; other tests run beside this one.
    assert!(grown < 60_000, "{grown} kB");
}

#[test]
fn a_stream_that_is_broken_off_leaves_the_connection_as_it_was() {
    let scene = Scene::with_jobs(5_000);
    let seen = scene.larder.transaction(|tx| {
        let repository = Job::repository(tx);
        let n_rows = repository.stream(
            |rows| rows.order(jobs::id),
            |job| {
                assert!(matches!(Job::repository(tx).find(1), Err(Error::ConnectionInUse)));
                Ok(if job.id == 3 { Break(()) } else { Continue(()) })
            },
        )?;
        assert_eq!(n_rows, 3);
        let failed = repository.stream(|rows| rows, |_| Err(Error::other("no")));
        assert!(matches!(failed, Err(Error::Other(_))));
        repository.update(1, jobs::note.eq("seen"))
    });
    assert_eq!(Job::repository(&scene.larder).get(1).unwrap(), seen.unwrap());
    // One that fails on its way is told of, and was handed over as far as it came.
    let mut n = 0;
    let divided = Job::repository(&scene.larder).stream(
        |rows| {
            let fails_at_the_end = diesel::dsl::sql::<diesel::sql_types::Bool>("1 / (5000 - id) IS NOT NULL");
            rows.filter(fails_at_the_end).order(jobs::id)
        },
        |_| {
            n += 1;
            Ok(Continue(()))
        },
    );
    assert!(matches!(divided, Err(Error::Database(_))), "{divided:?}");
    scene.database.connect().batch_execute("SELECT 1").unwrap();
    assert!(Job::repository(&scene.larder).find(2).unwrap().is_some());
}
