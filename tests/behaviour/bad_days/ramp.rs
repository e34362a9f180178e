//! How a Redis that is back is filled again.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use larder::BreakerState;
use shop_core::User;
use tests::{eventually, nobody};

use super::{
    LONG, ends, in_time,
    site::{Day, Site, breaker},
};

const RAMP: Duration = Duration::from_secs(10);

#[test]
fn a_redis_that_is_back_is_filled_little_by_little_and_not_by_everybody_at_once() {
    ends(|| {
        let site = Site::built(Day::Killed, |builder| builder.breaker(breaker().ramp(RAMP)));
        let (shop, ada) = (&site.shop, site.shop.user("ada"));
        site.go();
        site.read_until_open(&ada);
        site.come_back();
        eventually(LONG, || site.state() == BreakerState::Recovering);
        shop.meter.reset();
        // Whose first question to the store is not answered in time does not ask for a lease.
        let failed = || shop.larder.stats().models.iter().map(|model| model.keys.bypassed.failed).sum::<u64>();
        let n_failed = failed();
        // Each of them looks for somebody else, whom nobody has looked for before.
        let (n_misses, start) = (AtomicUsize::new(0), Instant::now());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while start.elapsed() < RAMP / 3 && n_misses.fetch_add(1, Ordering::SeqCst) < 4_000 {
                        assert_eq!(in_time(|| User::repository(&shop.larder).find(nobody())).unwrap(), None);
                    }
                });
            }
        });
        let (took, counts) = (start.elapsed(), shop.meter.counts());
        // The share at the end, of all; and one each 10 ms.
        let at_most = counts.sql as f64 * took.as_secs_f64() / RAMP.as_secs_f64() + took.as_secs_f64() * 100.0 + 5.0;
        let n_leases = counts.leases;
        assert!(counts.sql > 1_000, "so few are no herd: {}", counts.sql);
        assert!((n_leases as f64) < at_most, "{n_leases} leases, and {at_most} are the most");
        assert!(n_leases > 0 && counts.fills == n_leases);
        let held_back = shop.larder.breaker().unwrap().n_held_back;
        let n_failed = failed() - n_failed;
        assert!(n_failed * 10 <= counts.sql as u64, "{n_failed} of {} read past the store", counts.sql);
        assert!(held_back + n_failed >= (counts.sql - n_leases) as u64, "{held_back} held back, {n_failed} failed");

        eventually(LONG, || site.state() == BreakerState::Closed);
        shop.meter.reset();
        (0..100).for_each(|_| drop(in_time(|| User::repository(&shop.larder).find(nobody())).unwrap()));
        assert_eq!(shop.meter.counts().leases, 100);
    });
}
