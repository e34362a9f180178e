//! For how long a step keeps others waiting.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use larder::{
    failpoints::{Point, on_this_thread},
    partitions::{Error, Report},
};

use super::{Calendar, Shop, TABLES, Visit, keeper, moment, names, number, visit, well};

const HOLD: Duration = Duration::from_millis(400);

/// A shop with a row that waits in the default partition for its own.
fn shop() -> Shop {
    let shop = Shop::of(&TABLES);
    Visit::repository(&shop.larder).insert(visit(1, moment(2026, 11, 5))).unwrap();
    shop
}

#[track_caller]
fn held_too_long(report: &Report) {
    let failures: Vec<_> = report.failures.iter().filter(|failure| failure.what.contains("visits_p20261101")).collect();
    assert!(!failures.is_empty(), "{report:?}");
    for failure in failures {
        let Error::HeldTooLong { held, hold_at_most: HOLD } = failure.error else { panic!("{failure:?}") };
        assert!(held >= HOLD, "{held:?}");
    }
}

#[test]
fn a_step_whose_time_is_over_between_two_statements_has_not_happened() {
    let shop = shop();
    let calendar = Calendar::at(2026, 11, 23);
    let keeper = keeper(&shop.larder, &calendar).hold_at_most(HOLD);
    let slow = on_this_thread(|point| {
        let since = Instant::now();
        while point == Point::PartitionFilled && since.elapsed() < HOLD {
            std::thread::yield_now();
        }
    });
    held_too_long(&keeper.run_once());
    drop(slow);
    assert!(!names(&shop, "visits").contains(&"visits_p20261101".to_owned()));
    assert_eq!(number(&shop, "SELECT count(*) FROM visits_default"), 1);
    well(super::keeper(&shop.larder, &calendar).run_once());
    assert_eq!(number(&shop, "SELECT count(*) FROM visits_p20261101"), 1);
}

#[test]
fn a_statement_that_goes_on_after_the_time_of_its_step_is_given_up() {
    let shop = shop();
    // Rows come into no partition before somebody else lets them.
    let check = "CREATE FUNCTION may_come() RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN true; END $$;
        ALTER TABLE visits ADD CHECK (may_come())";
    shop.database.connect().batch_execute(check).unwrap();
    let mut other = shop.database.connect();
    other.batch_execute("SELECT pg_advisory_lock(7)").unwrap();
    let calendar = Calendar::at(2026, 11, 23);
    let patient = || keeper(&shop.larder, &calendar).lock_timeout(Duration::from_secs(60));
    held_too_long(&patient().hold_at_most(HOLD).run_once());
    assert_eq!(number(&shop, "SELECT count(*) FROM visits_default"), 1);
    other.batch_execute("SELECT pg_advisory_unlock(7)").unwrap();
    well(patient().hold_at_most(Duration::from_secs(60)).run_once());
    assert_eq!(number(&shop, "SELECT count(*) FROM visits_p20261101"), 1);
}
