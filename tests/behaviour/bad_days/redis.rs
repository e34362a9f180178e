//! Reads while Redis is away, and after.

use larder::BreakerState;
use shop_core::User;
use tests::eventually;

use super::{
    LONG, ends, in_time,
    site::{Day, Site, asked},
};

const N_USERS: usize = 20;

#[test]
fn after_five_calls_nobody_asks_a_redis_that_is_killed_stopped_or_slow_and_when_it_is_back_everybody_does() {
    for day in Day::ALL {
        ends(move || {
            let site = Site::new(day);
            let (shop, users) = (&site.shop, site.warm_users(N_USERS));
            let repository = User::repository(&shop.larder);
            let read_all =
                || users.iter().for_each(|user| assert_eq!(in_time(|| repository.get(user.id)).unwrap(), *user));
            for n_opened in 1..=2 {
                site.go();
                assert_eq!(site.read_until_open(&users[0]), 5, "{day:?}");
                shop.meter.reset();
                for _ in 0..20 {
                    read_all();
                    in_time(|| repository.find_many(&users.iter().map(|user| user.id).collect::<Vec<_>>())).unwrap();
                }
                assert_eq!(asked(&shop.meter), [""; 0], "{day:?}");
                assert_eq!(shop.meter.counts().sql, 20 * (N_USERS + 1));
                assert_eq!(site.state(), BreakerState::Open);

                site.come_back();
                eventually(LONG, || {
                    site.state() == BreakerState::Closed || {
                        read_all();
                        false
                    }
                });
                eventually(LONG, || {
                    shop.meter.reset();
                    read_all();
                    shop.meter.counts().sql == 0
                });
                let stats = shop.larder.breaker().unwrap();
                assert!(stats.n_opened == n_opened && stats.n_spared >= 420 * n_opened, "{stats:?}");
                let told: Vec<String> = shop.events.take();
                let changes: Vec<&str> = told.iter().filter_map(|line| line.strip_prefix("breaker: ")).collect();
                assert_eq!(changes, ["Open", "Recovering", "Closed"], "{day:?}");
                // What is only spared is not told of call by call.
                assert!(told.len() < 40, "{day:?}: {} lines", told.len());
            }
        });
    }
}

#[test]
fn a_redis_that_is_down_when_the_program_starts_is_taken_to_when_it_comes() {
    ends(|| {
        let site = Site::new(Day::Killed);
        site.go();
        let ada = site.shop.user("ada");
        let users = User::repository(&site.shop.larder);
        site.read_until_open(&ada);
        site.come_back();
        eventually(LONG, || {
            site.shop.meter.reset();
            assert_eq!(in_time(|| users.get(ada.id)).unwrap(), ada);
            site.shop.meter.counts().sql == 0
        });
    });
}
