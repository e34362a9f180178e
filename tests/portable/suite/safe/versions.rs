use std::{sync::Barrier, thread};

use chrono::TimeDelta;
use diesel::ExpressionMethods as _;
use larder::Error;

use super::{archive, write};
use crate::site::{COSTS, Cost, Doc, Moment, archive::docs, day};

#[test]
fn a_write_at_an_old_version_is_a_conflict_that_tells_both() {
    let shop = archive();
    let repository = Doc::repository(&shop.larder);
    let seen = repository.get(1).unwrap();
    shop.meter.reset();
    let now = repository.update_at(1, seen.version, docs::name.eq("new")).unwrap();
    shop.meter.expect(write(COSTS.update));
    assert_eq!((now.version, now.name.as_str()), (seen.version + 1, "new"));
    let late = repository.update_at(1, seen.version, docs::name.eq("late"));
    shop.meter.expect(Cost { sql: COSTS.update_none + 1, ..Cost::default() });
    assert!(matches!(late, Err(Error::Conflict { table: "docs", expected: 1, found: Some(2) })), "{late:?}");
    let late = repository.delete_at(1, seen.version);
    assert!(matches!(late, Err(Error::Conflict { expected: 1, found: Some(2), .. })), "{late:?}");
    let gone = repository.update_at(9, 1, docs::name.eq("nobody"));
    assert!(matches!(gone, Err(Error::Conflict { expected: 1, found: None, .. })), "{gone:?}");
    let other = shop.branch();
    assert_eq!(Doc::repository(&other.larder).get(1).unwrap(), now);
    assert_eq!(Doc::repository(&other.larder).find_by_name("doc 1").unwrap(), None);
    // Every write counts, whoever asks for a version.
    let changed = repository.update_where(docs::id.le(2), docs::n_reads.eq(7)).unwrap();
    let mut versions: Vec<_> = changed.iter().map(|doc| (doc.id, doc.version)).collect();
    versions.sort_unstable();
    assert_eq!(versions, [(1, 3), (2, 2)]);
    let by_hand = repository.update(1, (docs::name.eq("x"), docs::version.eq(1)));
    assert!(matches!(by_hand, Err(Error::SetByLarder { table: "docs", column: "version" })), "{by_hand:?}");
    assert_eq!(repository.delete_at(1, 3).unwrap().id, 1);
}

#[test]
fn of_all_who_write_one_version_at_once_one_succeeds() {
    let shop = archive();
    let n_threads = 4;
    for round in 1..=10_i32 {
        let start = Barrier::new(n_threads);
        let n_won = thread::scope(|scope| {
            let write = |n| {
                let (larder, start) = (&shop.larder, &start);
                scope.spawn(move || {
                    start.wait();
                    match Doc::repository(larder).update_at(1, round, docs::name.eq(format!("{n}"))) {
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
        assert_eq!(Doc::repository(&shop.larder).get(1).unwrap().version, round + 1);
    }
}

#[test]
fn times_are_the_databases_unless_they_are_told() {
    let shop = archive();
    let repository = Doc::repository(&shop.larder);
    let is_now = |time: Moment| (Moment::now().utc() - time.utc()).abs() < TimeDelta::minutes(10);
    let inserted = repository.get(1).unwrap();
    assert!(is_now(inserted.made_at) && is_now(inserted.changed_at), "{inserted:?}");
    let told = repository.update(1, docs::changed_at.eq(day(0))).unwrap();
    assert_eq!(told.changed_at, day(0));
    let changed = repository.update(1, docs::n_reads.eq(1)).unwrap();
    assert!(is_now(changed.changed_at), "{changed:?}");
    assert_eq!(changed.made_at, inserted.made_at);
    let refused = repository.update(1, docs::made_at.eq(day(0)));
    assert!(matches!(refused, Err(Error::SetByLarder { table: "docs", column: "made_at" })), "{refused:?}");
}
