//! Writers and readers on two handles: no result is older than a write that had returned.

use std::{
    sync::atomic::{AtomicI64, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use diesel::prelude::*;
use larder::{CachedQuery, Larder, store::Operation};

use crate::site::{Connection, Db, Id, LOAD, Money, Order, OrderChanges, Shop, Status, User, money, schema::orders};

/// What an order costs, which only grows: what was certainly written, and what may have been.
#[derive(Default)]
struct Price {
    floor: AtomicI64,
    ceiling: AtomicI64,
}

struct Stall {
    users: Vec<User>,
    orders: Vec<(Order, Price)>,
}

impl Stall {
    fn of(shop: &Shop) -> Self {
        let users: Vec<User> = (0..3).map(|n| shop.user(&format!("user-{n}"))).collect();
        let order = |n: usize| (shop.order(&users[n % users.len()], Status::Pending, 0, n as i64), Price::default());
        let orders = (0..6).map(order).collect();
        Self { users, orders }
    }

    /// The orders of a user, or all.
    fn of_user(&self, user: Option<&User>) -> impl Iterator<Item = &(Order, Price)> {
        let id = user.map(|user| user.id);
        self.orders.iter().filter(move |(order, _)| id.is_none_or(|id| order.user_id == id))
    }

    fn write(&self, larder: &Larder<Db>, order: &Order, price: &Price) {
        let cents = price.ceiling.fetch_add(1, Ordering::SeqCst) + 1;
        let changes = OrderChanges { total_amount: Some(money(cents)), ..Default::default() };
        Order::repository(larder).update(order.id, &changes).unwrap();
        price.floor.fetch_max(cents, Ordering::SeqCst);
    }

    /// Asks for what the orders of some user come to, or one order, or all, and compares.
    fn read(&self, larder: &Larder<Db>, random: &mut fastrand::Rng, wrong: &Wrong) {
        let user = &self.users[random.usize(..self.users.len())];
        let order = &self.orders[random.usize(..self.orders.len())];
        let (of, query): (Vec<_>, CachedQuery<'_, Db>) = match random.u8(..3) {
            0 => (self.of_user(None).collect(), larder.query("all").depends_on::<Order>()),
            1 => {
                let query = larder.query("of user").depends_on_key(Order::key_by_user_id(user.id));
                (self.of_user(Some(user)).collect(), query)
            }
            _ => (vec![order], larder.query("one").depends_on_row::<Order>(order.0.id)),
        };
        let ids: Vec<_> = of.iter().map(|(order, _)| order.id).collect();
        let floors: Vec<i64> = of.iter().map(|(_, price)| price.floor.load(Ordering::SeqCst)).collect();
        let found = query.params(&ids).load(|connection| cents(connection, &ids)).unwrap();
        for (n, (id, cents)) in found.iter().enumerate() {
            let at = ids.iter().position(|wanted| wanted == id).unwrap();
            let too_old = *cents < floors[at];
            let never = *cents > of[at].1.ceiling.load(Ordering::SeqCst);
            wrong.stale.fetch_add(usize::from(too_old), Ordering::SeqCst);
            wrong.never.fetch_add(usize::from(never || n >= ids.len()), Ordering::SeqCst);
        }
        wrong.never.fetch_add(usize::from(found.len() != ids.len()), Ordering::SeqCst);
        wrong.n_reads.fetch_add(1, Ordering::SeqCst);
    }
}

fn cents(connection: &mut Connection, ids: &[Id]) -> QueryResult<Vec<(Id, i64)>> {
    let rows = orders::table.filter(orders::id.eq_any(ids)).select((orders::id, orders::total_amount));
    let rows: Vec<(Id, Money)> = rows.load(connection)?;
    Ok(rows.into_iter().map(|(id, amount)| (id, amount.minor())).collect())
}

#[derive(Default)]
struct Wrong {
    n_reads: AtomicUsize,
    stale: AtomicUsize,
    never: AtomicUsize,
}

#[test]
fn no_result_is_older_than_a_write_that_had_returned() {
    let shop = Shop::new();
    let other = shop.branch();
    for (seed, faults) in [(1, &shop.faults), (2, &other.faults)] {
        for operation in [Operation::Read, Operation::Stamp, Operation::Lease, Operation::Fill] {
            faults.before(operation).delay(seed, Duration::from_millis(1));
            faults.after(operation).delay(seed + 10, Duration::from_millis(1));
        }
        for operation in [Operation::Begin, Operation::Finish] {
            faults.after(operation).delay(seed + 20, Duration::from_millis(2));
        }
    }
    let (stall, wrong, until) = (Stall::of(&shop), Wrong::default(), Instant::now() + LOAD);
    thread::scope(|scope| {
        for (seed, larder) in [&shop.larder, &other.larder].into_iter().cycle().take(6).enumerate() {
            let (stall, wrong) = (&stall, &wrong);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed as u64);
                while Instant::now() < until {
                    if seed < 2 {
                        // Each has orders of his own, so that what he writes is in order.
                        let (order, price) = &stall.orders[2 * random.usize(..stall.orders.len() / 2) + seed];
                        stall.write(larder, order, price);
                        // So that there is something to hit.
                        thread::park_timeout(Duration::from_millis(random.u64(..20)));
                    } else {
                        stall.read(larder, &mut random, wrong);
                    }
                }
            });
        }
    });
    let Wrong { n_reads, stale, never } = wrong;
    let hits: u64 = [&shop.larder, &other.larder].map(|larder| larder.stats().queries.keys.shared).iter().sum();
    assert!(hits > 100, "{hits} hits of {n_reads:?} reads: too few to say anything");
    assert_eq!((stale.into_inner(), never.into_inner()), (0, 0), "stale and never written, of {n_reads:?}");
    // When all is quiet, everything is current, and cached.
    let mut random = fastrand::Rng::with_seed(7);
    let quiet = Wrong::default();
    for larder in [&shop.larder, &other.larder] {
        (0..50).for_each(|_| stall.read(larder, &mut random, &quiet));
    }
    assert_eq!((quiet.stale.into_inner(), quiet.never.into_inner()), (0, 0));
}
