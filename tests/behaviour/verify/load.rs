//! The verifier beside readers, writers and faults: whatever it says then is a false alarm.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use diesel::pg::Pg;
use larder::{Error, Larder, Writes};
use shop_core::{Order, OrderChanges, OrderItem, OrderItemChanges, Status, User, UserChanges};
use tests::{Failure, Faults, Operation, Shop, money};

use super::models;

const LOAD: Duration = Duration::from_secs(6);
const PATIENCE: Duration = Duration::from_secs(120);

struct Rows {
    users: Vec<User>,
    orders: Vec<Order>,
}

fn write(larder: &Larder<Pg>, rows: &Rows, random: &mut fastrand::Rng) -> larder::Result<()> {
    let order = &rows.orders[random.usize(..rows.orders.len())];
    let user = &rows.users[random.usize(..rows.users.len())];
    let changes = OrderChanges {
        user_id: random.bool().then_some(user.id),
        status: random.bool().then(|| Status::ALL[random.usize(..3)]),
        total_amount: Some(money(random.i64(0..1_000_000))),
    };
    match random.u8(..8) {
        0..=3 => Order::repository(larder).update(order.id, &changes).map(drop),
        4 => {
            let email = Some(format!("user-{}@example.com", random.u64(..)));
            User::repository(larder).update(user.id, &UserChanges { email, ..Default::default() }).map(drop)
        }
        5 => {
            let quantity = Some(random.i32(1..100));
            let changes = OrderItemChanges { quantity, ..Default::default() };
            OrderItem::repository(larder).update((order.id, 1), &changes).map(drop)
        }
        6 => larder.transaction(|tx| {
            Order::repository(tx).update(order.id, &changes)?;
            Err(Error::other("undone"))
        }),
        _ => larder.transaction(|tx| {
            let _ = tx.savepoint(|tx| {
                Order::repository(tx).update(order.id, &changes)?;
                Err::<(), _>(Error::other("undone"))
            });
            Order::repository(tx).update(order.id, &changes).map(drop)
        }),
    }
}

fn read(larder: &Larder<Pg>, rows: &Rows, random: &mut fastrand::Rng) {
    let user = &rows.users[random.usize(..rows.users.len())];
    let orders = Order::repository(larder);
    match random.u8(..4) {
        0 => drop(orders.list_by_user_id(user.id).load().unwrap()),
        1 => drop(orders.list_by_user_id_and_status(user.id, Status::ALL[random.usize(..3)]).load().unwrap()),
        2 => {
            let shape = User::repository(larder).with(User::orders().with(Order::items()));
            let _ = shape.find(user.id).unwrap();
        }
        _ => {
            let keys: Vec<_> = rows.orders.iter().map(|order| order.id).filter(|_| random.bool()).collect();
            let _ = orders.find_many(&keys).unwrap();
        }
    }
}

/// Now and then a step fails, before or after it is executed.
fn trouble(faults: &Faults, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    faults.everywhere().delay(seed, Duration::from_millis(1));
    for operation in [Operation::Read, Operation::Lease, Operation::Fill, Operation::Begin, Operation::Finish] {
        for n in (0..2_000).step_by(25) {
            let place = if random.bool() { faults.before(operation) } else { faults.after(operation) };
            place.nth(n + random.usize(1..25)).fail(Failure::TimedOut);
        }
    }
}

#[test]
fn under_a_full_load_with_faults_nothing_is_said_that_is_not_so() {
    // Available writes that could not be marked leave old values until they are settled, and those would be found.
    let shop = Shop::built(|builder| builder.writes(Writes::Strict));
    let users: Vec<User> = (0..12).map(|n| shop.user(&format!("user-{n}"))).collect();
    let orders: Vec<Order> = (0..36).map(|n| shop.order(&users[n % 12], Status::Paid, 0, n as i64)).collect();
    orders.iter().for_each(|order| drop(shop.item(order, 1)));
    let rows = Rows { users, orders };
    let (other, watching) = (shop.branch_built(|builder| builder.writes(Writes::Strict)), shop.branch());
    trouble(&shop.faults, 1);
    trouble(&other.faults, 2);
    // The verifier is slow, so that a write often comes between its steps.
    watching.faults.after(Operation::Inspect).delay(3, Duration::from_millis(2));
    let (models, is_over) = (models(), AtomicBool::new(false));
    let [n_writes, n_refused] = [const { AtomicUsize::new(0) }; 2];
    let (mut n_passes, mut n_values, mut n_changed, mut n_in_doubt) = (0, 0, 0, 0);
    let mut mismatches = Vec::new();
    thread::scope(|scope| {
        for (seed, larder) in [&shop.larder, &other.larder].into_iter().cycle().take(5).enumerate() {
            let (rows, is_over, n_writes, n_refused) = (&rows, &is_over, &n_writes, &n_refused);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed as u64);
                while !is_over.load(Ordering::Relaxed) {
                    if seed < 3 {
                        let counter = if write(larder, rows, &mut random).is_ok() { n_writes } else { n_refused };
                        counter.fetch_add(1, Ordering::Relaxed);
                    } else {
                        read(larder, rows, &mut random);
                    }
                }
            });
        }
        let started = Instant::now();
        // A busy machine takes longer to come to as much.
        let is_enough = |n_values: usize, n_changed: usize, n_in_doubt: usize| {
            n_values > 3_000 && n_changed > 20 && n_in_doubt > 20 && n_writes.load(Ordering::Relaxed) > 200
        };
        while started.elapsed() < LOAD || (!is_enough(n_values, n_changed, n_in_doubt) && started.elapsed() < PATIENCE)
        {
            let report = watching.larder.verify(&models).run().unwrap();
            n_passes += 1;
            n_values += report.n_values;
            n_changed += report.n_changed;
            n_in_doubt += report.n_in_doubt;
            mismatches.extend(report.mismatches);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let [n_writes, n_refused] = [n_writes, n_refused].map(AtomicUsize::into_inner);
    let load = format!(
        "{n_passes} passes: {n_values} values compared, {n_changed} changed meanwhile, {n_in_doubt} in doubt; \
         {n_writes} writes, {n_refused} rolled back or refused"
    );
    assert!(n_values > 3_000 && n_changed > 20 && n_in_doubt > 20 && n_writes > 200, "too little: {load}");
    assert!(n_refused < n_writes, "more than the faults explain: {load}");
    assert!(mismatches.is_empty(), "{mismatches:?}\n{load}");
    eprintln!("{load}");
}
