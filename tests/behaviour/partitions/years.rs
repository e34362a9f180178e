//! Years go by in seconds, while others write.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    thread,
    time::Duration,
};

use chrono::{Days, Months};
use tests::eventually;

use super::{Calendar, Shop, TABLES, Visit, keeper, moment, names, number, visit};

/// Ends the others, too, if a thread fails.
struct Ends<'e>(&'e AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn three_years_with_writers_and_two_keepers_lose_nothing_and_leave_nothing_behind() {
    let shop = Shop::of(&TABLES);
    let (calendar, is_over, ids) = (Calendar::at(2023, 11, 20), AtomicBool::new(false), AtomicI64::new(1));
    let branches = [shop.branch(), shop.branch(), shop.branch()];
    let written = thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|n| {
                let (larder, calendar, is_over, ids) = (&branches[n].larder, &calendar, &is_over, &ids);
                scope.spawn(move || {
                    let (visits, mut dice) = (Visit::repository(larder), fastrand::Rng::with_seed(n as u64));
                    let mut written = Vec::new();
                    let _ends = Ends(is_over);
                    while !is_over.load(Ordering::SeqCst) {
                        let id = ids.fetch_add(1, Ordering::SeqCst);
                        // Some come late, and some early.
                        let seen_at = calendar.now() - Days::new(dice.u64(0..40)) + Days::new(dice.u64(0..20));
                        written.push(visits.insert(visit(id, seen_at)).unwrap());
                        let (id, seen_at) = (id, seen_at);
                        assert_eq!(visits.find((id, seen_at)).unwrap().map(|visit| visit.id), Some(id));
                    }
                    written
                })
            })
            .collect();
        let second = scope.spawn(|| {
            let keeper = keeper(&branches[2].larder, &calendar);
            while !is_over.load(Ordering::SeqCst) {
                let report = keeper.run_once();
                assert!(report.failures.is_empty(), "{:?}", report.failures);
            }
        });
        let first = keeper(&shop.larder, &calendar);
        let _ends = Ends(&is_over);
        while !is_over.load(Ordering::SeqCst) && calendar.now() < moment(2026, 11, 20) {
            calendar.turn_to(calendar.now() + Days::new(15));
            // Whichever of them looks, somebody does at each turn, and some rows are written in between.
            let n_before = ids.load(Ordering::SeqCst);
            eventually(Duration::from_secs(60), || {
                let report = first.run_once();
                assert!(report.failures.is_empty(), "{:?}", report.failures);
                report.elsewhere.is_empty() && ids.load(Ordering::SeqCst) > n_before + 5
            });
        }
        is_over.store(true, Ordering::SeqCst);
        second.join().unwrap();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
    });
    let report = keeper(&shop.larder, &calendar).run_once();
    assert!(report.failures.is_empty(), "{:?}", report.failures);

    // The oldest partition that is kept is the one that has the horizon.
    let now = calendar.now();
    let horizon = now.checked_sub_months(Months::new(6)).unwrap().format("visits_p%Y%m01").to_string();
    let ahead = now.checked_add_months(Months::new(2)).unwrap().format("visits_p%Y%m01").to_string();
    let partitions = names(&shop, "visits");
    assert_eq!(partitions.first(), Some(&"visits_default".to_owned()));
    assert_eq!((partitions.get(1), partitions.last()), (Some(&horizon), Some(&ahead)));
    assert_eq!(partitions.len(), 10, "a default one, six behind, this one and two ahead: {partitions:?}");
    assert_eq!(number(&shop, "SELECT count(*) FROM visits_default"), 0);

    let kept_from = format!("{}-{}-01", &horizon[8..12], &horizon[12..14]);
    let (kept, gone): (Vec<_>, Vec<_>) =
        written.iter().partition(|visit| visit.seen_at.format("%Y-%m-%d").to_string() >= kept_from);
    assert!(kept.len() > 20 && gone.len() > 100, "{} and {}", kept.len(), gone.len());
    assert_eq!(number(&shop, "SELECT count(*) FROM visits"), kept.len() as i64);
    let visits = Visit::repository(&shop.larder);
    for chunk in written.chunks(500) {
        let keys: Vec<_> = chunk.iter().map(|visit| (visit.id, visit.seen_at)).collect();
        let found = visits.find_many(&keys).unwrap();
        for (visit, found) in chunk.iter().zip(found) {
            let is_kept = visit.seen_at.format("%Y-%m-%d").to_string() >= kept_from;
            assert_eq!(found.as_ref(), Some(visit).filter(|_| is_kept));
        }
    }
    // Of one user, whatever the list's cell held in between.
    let listed: BTreeSet<_> = visits.list_by_user_id(1).load().unwrap().into_iter().map(|visit| visit.id).collect();
    let expected: BTreeSet<_> = kept.iter().filter(|visit| visit.user_id == 1).map(|visit| visit.id).collect();
    assert_eq!(listed, expected);
}
