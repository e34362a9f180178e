//! A keeper that dies between two of its steps, and the one after it.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

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
