//! Writes while Redis is away, and what everybody reads then and after.

use std::{collections::HashMap, thread};

use diesel::{QueryDsl as _, RunQueryDsl as _, SelectableHelper as _};
use larder::{BreakerState, Error, Larder, Writes};
use shop_core::{User, UserChanges, schema::users};
use tests::{Shop, eventually};
use uuid::Uuid;

use super::{
    LONG, OnDrop, ends, in_time,
    site::{Day, Site},
};

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

/// What the database has.
fn committed(shop: &Shop) -> HashMap<Uuid, User> {
    let rows: Vec<User> = users::table.select(User::as_select()).load(&mut shop.database.connect()).unwrap();
    rows.into_iter().map(|user| (user.id, user)).collect()
}

/// Whether a handle reads what the database has.
fn reads_all(larder: &Larder<diesel::pg::Pg>, committed: &HashMap<Uuid, User>) -> bool {
    let users = User::repository(larder);
    committed.iter().all(|(id, user)| {
        let by_email = in_time(|| users.find_by_email(user.email.as_str())).unwrap();
        in_time(|| users.get(*id)).unwrap() == *user && by_email.as_ref() == Some(user)
    })
}

#[test]
fn strict_writes_fail_and_available_ones_go_on_while_redis_is_away_and_nothing_old_is_left_when_it_is_back() {
    for day in Day::ALL {
        ends(move || {
            let site = Site::new(day);
            let (shop, ada) = (&site.shop, site.warm_users(10));
            let elsewhere = shop.branch_on(site.store_elsewhere());
            let [first, second, third] = &ada[..3] else { unreachable!("there are ten") };
            let write = |user: &User, email: &str, writes| {
                let options = larder::TransactionOptions { writes: Some(writes), ..Default::default() };
                in_time(|| {
                    shop.larder.transaction_with(options, |tx| User::repository(tx).update(user.id, renamed(email)))
                })
            };
            site.go();
            // The breaker is opened by writers, too.
            let mut n_writes = 0;
            while site.state() != BreakerState::Open {
                write(first, &format!("early-{n_writes}@example.com"), Writes::Available).unwrap();
                n_writes += 1;
                assert!(n_writes < 20);
            }
            shop.meter.reset();
            let is_away = day != Day::Slow;
            let written = write(second, "available@example.com", Writes::Available).unwrap();
            // Who is not there is not waited for, with the rows locked; who is only slow is told, as ever.
            assert_eq!(shop.meter.counts().begins, usize::from(!is_away), "{day:?}: {}", shop.meter.log());
            let users = User::repository(&shop.larder);
            assert_eq!(in_time(|| users.get(second.id)).unwrap(), written);
            let strict = write(third, "strict@example.com", Writes::Strict);
            match strict {
                Err(Error::Store(_)) if is_away => {}
                Ok(_) if !is_away => {}
                other => panic!("{day:?}: {other:?}"),
            }
            let committed = committed(shop);
            assert!(reads_all(&shop.larder, &committed));

            site.come_back();
            // Its own handle never reads anything older; others do until the cells are settled, and never after.
            eventually(LONG, || {
                assert!(reads_all(&shop.larder, &committed), "{day:?}");
                reads_all(&elsewhere.larder, &committed)
            });
            eventually(LONG, || {
                assert!(reads_all(&shop.larder, &committed) && reads_all(&elsewhere.larder, &committed), "{day:?}");
                shop.meter.reset();
                elsewhere.meter.reset();
                assert!(reads_all(&shop.larder, &committed) && reads_all(&elsewhere.larder, &committed), "{day:?}");
                // Until the store answers for every row, to both.
                shop.meter.counts().sql + elsewhere.meter.counts().sql == 0
            });
        });
    }
}

#[test]
fn readers_and_writers_through_a_bad_day_read_nothing_older_than_what_was_written() {
    for day in Day::ALL {
        ends(move || {
            let site = Site::built(day, |builder| builder.writes(Writes::Strict));
            let (shop, users) = (&site.shop, site.warm_users(4));
            let is_over = std::sync::atomic::AtomicBool::new(false);
            let ordering = std::sync::atomic::Ordering::SeqCst;
            thread::scope(|scope| {
                for user in &users {
                    let is_over = &is_over;
                    // One writer a row, who knows what he has written last, and reads it himself.
                    scope.spawn(move || {
                        let (repository, mut known, mut n_writes) = (User::repository(&shop.larder), user.clone(), 0);
                        while !is_over.load(ordering) {
                            n_writes += 1;
                            let email = format!("{}-{n_writes}@example.com", user.id);
                            match in_time(|| repository.update(user.id, renamed(&email))) {
                                Ok(written) => known = written,
                                // It was rolled back, or it is not known: then the row tells.
                                Err(Error::Store(_) | Error::TooSlow { .. }) => {}
                                Err(error) => panic!("{day:?}: {error:?}"),
                            }
                            for _ in 0..20 {
                                assert_eq!(in_time(|| repository.get(user.id)).unwrap(), known, "{day:?}");
                            }
                        }
                    });
                }
                // The writers end even if this fails.
                let over = OnDrop(|| is_over.store(true, ordering));
                site.go();
                eventually(LONG, || site.state() == BreakerState::Open);
                site.come_back();
                eventually(LONG, || site.state() == BreakerState::Recovering);
                eventually(LONG, || site.state() == BreakerState::Closed);
                drop(over);
            });
            let committed = committed(shop);
            let elsewhere = shop.branch_on(site.store_elsewhere());
            assert!(reads_all(&shop.larder, &committed) && reads_all(&elsewhere.larder, &committed), "{day:?}");
        });
    }
}
