//! A keeper that dies between two of its steps, and the one after it.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use diesel::connection::SimpleConnection as _;
use larder::failpoints::{Point, on_this_thread};

use super::{Calendar, Expired, Shop, TABLES, Visit, fs, keeper, moment, number, visit, well};

/// Runs the keeper until it comes to that place for the `nth` time: whether it did.
fn killed_at(keeper: &larder::partitions::Keeper, place: Point, nth: u32) -> bool {
    let n_left = Rc::new(Cell::new(nth));
    let hooked = on_this_thread(move |point| {
        if point == place {
            n_left.set(n_left.get() - 1);
            assert!(n_left.get() > 0, "killed");
        }
    });
    let died = catch_unwind(AssertUnwindSafe(|| keeper.run_once())).is_err();
    drop(hooked);
    died
}

#[test]
fn a_keeper_that_is_killed_anywhere_is_followed_by_one_that_ends_its_work() {
    let points =
        [Point::PartitionFilled, Point::PartitionDetached, Point::PartitionForgotten, Point::PartitionArchived];
    for (number_of, place) in points.into_iter().enumerate() {
        let shop = Shop::of(&TABLES);
        let folder = std::env::temp_dir().join(format!("larder-killed-{}-{number_of}", std::process::id()));
        let calendar = Calendar::at(2026, 1, 10);
        let first = keeper(&shop.larder, &calendar).expired(Expired::Archive(folder.clone()));
        well(first.run_once());
        let old = visit(1, moment(2026, 1, 10));
        let strays = [visit(7, moment(2026, 5, 10)), visit(8, moment(2026, 6, 10))];
        let visits = Visit::repository(&shop.larder);
        visits.insert(&old).unwrap();
        visits.insert_many(&strays).unwrap();
        assert_eq!(visits.find((1, old.seen_at)).unwrap(), Some(old.clone()));
        calendar.turn_to(moment(2026, 8, 1));
        for nth in 1..=4 {
            // Where there is nothing more to do of that kind, it has come to its end.
            if !killed_at(&first, place, nth) {
                break;
            }
            // The rows that are kept are there at every moment.
            assert_eq!(number(&shop, "SELECT count(*) FROM visits WHERE id IN (7, 8)"), 2, "{place:?}");
        }
        let other = shop.branch();
        let second = keeper(&other.larder, &calendar).expired(Expired::Archive(folder.clone()));
        well(second.run_once());
        assert!(second.plan().unwrap()[0].is_empty(), "{place:?}");
        assert_eq!(visits.find((1, old.seen_at)).unwrap(), None, "{place:?}");
        for stray in &strays {
            assert_eq!(visits.find((stray.id, stray.seen_at)).unwrap().as_ref(), Some(stray));
        }
        assert_eq!(number(&shop, "SELECT count(*) FROM visits_default"), 0);
        let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert!(files.contains(&"public.visits_p20260101.csv".into()), "{place:?}: {files:?}");
        assert!(!files.iter().any(|file| file.to_string_lossy().contains("unfinished")), "{place:?}: {files:?}");
        let archive = fs::read_to_string(folder.join("public.visits_p20260101.csv")).unwrap();
        assert_eq!(archive.lines().count(), 2, "a header, and the row");
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn an_archive_that_a_killed_keeper_has_ended_is_not_written_again() {
    let shop = Shop::of(&TABLES);
    let folder = std::env::temp_dir().join(format!("larder-ended-{}", std::process::id()));
    let calendar = Calendar::at(2026, 1, 10);
    let keeper = keeper(&shop.larder, &calendar).expired(Expired::Archive(folder.clone()));
    well(keeper.run_once());
    Visit::repository(&shop.larder).insert(visit(1, moment(2026, 1, 10))).unwrap();
    calendar.turn_to(moment(2026, 8, 1));
    assert!(killed_at(&keeper, Point::PartitionArchived, 1));
    let path = folder.join("public.visits_p20260101.csv");
    // Were it written again, the other one would get a number.
    fs::write(&path, "it is known by this").unwrap();
    let number_of_files = || fs::read_dir(&folder).unwrap().count();
    let before = number_of_files();
    // With another row it is not the same archive any more.
    let mut connection = shop.database.connect();
    connection
        .batch_execute("BEGIN; INSERT INTO visits_p20260101 VALUES (2, '2026-01-11 12:00+00', 1, NULL); COMMIT")
        .unwrap();
    assert!(killed_at(&keeper, Point::PartitionArchived, 1));
    let second = folder.join("public.visits_p20260101.2.csv");
    assert_eq!((number_of_files(), fs::read_to_string(&second).unwrap().lines().count()), (before + 1, 3));
    fs::write(&second, "it is known by this").unwrap();
    let done = well(keeper.run_once());
    assert!(done.contains(&"dropped public.visits_p20260101".to_owned()), "{done:?}");
    for path in [path, second] {
        assert_eq!(fs::read_to_string(path).unwrap(), "it is known by this");
    }
    assert_eq!(number_of_files(), before + done.iter().filter(|done| done.starts_with("wrote 0 rows")).count() + 1);
    fs::remove_dir_all(folder).unwrap();
}
