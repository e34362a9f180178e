//! Readers and writers on several threads and two handles, with delays between all steps: no read is older than a write that had
//! returned, nothing uncommitted is ever seen, and nothing is stale at the end. And a store that deletes after COMMIT, as people
//! do by hand, under the same load.

pub(crate) mod naive;

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::ExpressionMethods as _;
use larder::{Error, Larder};

use crate::site::{
    Db, Ground as _, Id, LOAD, NewOrder, Order, OrderChanges, Shop, Status, User, day, money, one_cent_more,
    schema::orders,
};

use self::naive::DeleteAfterCommit;

/// The longest delay before and after each step of the protocol.
const DELAY: Duration = Duration::from_millis(2);
/// Amounts that no committed row ever has.
const NEVER: i64 = 1_000_000_000;

/// What a run has seen.
#[derive(Debug, Default)]
struct Seen {
    reads: AtomicUsize,
    lists: AtomicUsize,
    writes: AtomicUsize,
    stale: AtomicUsize,
    uncommitted: AtomicUsize,
    lost: AtomicUsize,
    stale_at_the_end: AtomicUsize,
}

impl Seen {
    fn wrong(&self) -> usize {
        [&self.stale, &self.uncommitted, &self.lost, &self.stale_at_the_end]
            .map(|n| n.load(Ordering::SeqCst))
            .iter()
            .sum()
    }
}

/// The rows under load, and what is known of them.
///
/// Every order is a register: a write adds one cent to its amount, so the database itself numbers the versions. `floor` is the
/// highest version whose write had returned: a read that begins after that must not see a lower one.
struct Rows {
    users: Vec<User>,
    orders: Vec<Order>,
    floor: Vec<AtomicU64>,
    /// Orders that were inserted, and whose insertion had returned; none of them is deleted or moved.
    inserted: Mutex<HashMap<Id, Vec<Id>>>,
}

impl Rows {
    fn of(shop: &Shop) -> Self {
        let users: Vec<User> = (0..2).map(|n| shop.user(&format!("user-{n}"))).collect();
        let orders: Vec<Order> = (0..4).map(|n| shop.order(&users[n % 2], Status::Pending, 0, 0)).collect();
        let floor = orders.iter().map(|_| AtomicU64::new(0)).collect();
        Self { users, orders, floor, inserted: Mutex::default() }
    }

    fn known(&self, user: &User) -> Vec<Id> {
        self.inserted.lock().unwrap().get(&user.id).cloned().unwrap_or_default()
    }
}

fn version(order: &Order) -> u64 {
    order.total_amount.minor().cast_unsigned()
}

fn write(larder: &Larder<Db>, rows: &Rows, seen: &Seen, random: &mut fastrand::Rng) {
    let repository = Order::repository(larder);
    let at = random.usize(..rows.orders.len());
    let order = &rows.orders[at];
    let add = orders::total_amount.eq(one_cent_more());
    let result = match random.u8(..10) {
        // Committed: a plain update, one in a transaction behind a savepoint that fails, one that moves the row as well.
        0..=3 => repository.update(order.id, add),
        4 => larder.transaction(|tx| {
            let repository = Order::repository(tx);
            let undone = tx.savepoint(|_| {
                repository.update(order.id, orders::total_amount.eq(money(NEVER)))?;
                Err::<(), _>(Error::other("undone"))
            });
            assert!(undone.is_err());
            repository.update(order.id, add)
        }),
        5 | 6 => {
            let user_id = Some(rows.users[random.usize(..rows.users.len())].id);
            larder.transaction(|tx| {
                let repository = Order::repository(tx);
                repository.update(order.id, &OrderChanges { user_id, ..Default::default() })?;
                repository.update(order.id, add)
            })
        }
        7 => {
            let user = &rows.users[random.usize(..rows.users.len())];
            let new = NewOrder {
                id: Id::random(),
                user_id: user.id,
                status: Status::Shipped,
                total_amount: money(0),
                created_at: day(1),
            };
            let order = repository.insert(&new).unwrap();
            rows.inserted.lock().unwrap().entry(user.id).or_default().push(order.id);
            seen.writes.fetch_add(1, Ordering::SeqCst);
            return;
        }
        // Rolled back: nobody may ever see it.
        _ => {
            let undone = larder.transaction(|tx| {
                Order::repository(tx).update(order.id, orders::total_amount.eq(money(NEVER)))?;
                Err::<(), _>(Error::other("undone"))
            });
            assert!(matches!(undone, Err(Error::Other(_))), "{undone:?}");
            return;
        }
    };
    match result {
        Ok(changed) => {
            rows.floor[at].fetch_max(version(&changed), Ordering::SeqCst);
            seen.writes.fetch_add(1, Ordering::SeqCst);
        }
        Err(error) => assert!(error.is_retryable(), "{error:?}"),
    }
}

fn read(larder: &Larder<Db>, rows: &Rows, seen: &Seen, random: &mut fastrand::Rng) {
    let floors: Vec<u64> = rows.floor.iter().map(|floor| floor.load(Ordering::SeqCst)).collect();
    let check = |order: &Order| {
        let Some(at) = rows.orders.iter().position(|known| known.id == order.id) else { return };
        if version(order) >= NEVER.cast_unsigned() {
            seen.uncommitted.fetch_add(1, Ordering::SeqCst);
        } else if version(order) < floors[at] {
            seen.stale.fetch_add(1, Ordering::SeqCst);
        }
    };
    let user = &rows.users[random.usize(..rows.users.len())];
    if random.u8(..3) == 0 {
        seen.lists.fetch_add(1, Ordering::SeqCst);
        let known = rows.known(user);
        let list = Order::repository(larder).list_by_user_id(user.id).load().unwrap();
        list.iter().for_each(check);
        let missing = known.iter().filter(|id| !list.iter().any(|order| order.id == **id)).count();
        seen.lost.fetch_add(missing, Ordering::SeqCst);
    } else {
        let keys: Vec<Id> = rows.orders.iter().map(|order| order.id).filter(|_| random.bool()).collect();
        seen.reads.fetch_add(usize::from(!keys.is_empty()), Ordering::SeqCst);
        Order::repository(larder).find_many(&keys).unwrap().iter().flatten().for_each(check);
    }
}

/// Compares every cell with the database once nobody writes any more.
fn verify(handles: [&Larder<Db>; 2], rows: &Rows, seen: &Seen) {
    for larder in handles {
        let repository = Order::repository(larder);
        let in_database = |tx: &larder::Tx<Db>| {
            let repository = Order::repository(tx);
            let mut lists = Vec::new();
            for user in &rows.users {
                lists.push(repository.list_by_user_id(user.id).load()?);
            }
            Ok((repository.find_many(&rows.orders.iter().map(|order| order.id).collect::<Vec<_>>())?, lists))
        };
        let (truth, lists) = larder.transaction(in_database).unwrap();
        for (order, truth) in rows.orders.iter().zip(truth) {
            if repository.find(order.id).unwrap() != truth {
                seen.stale_at_the_end.fetch_add(1, Ordering::SeqCst);
            }
        }
        for (user, truth) in rows.users.iter().zip(lists) {
            if repository.list_by_user_id(user.id).load().unwrap() != truth {
                seen.stale_at_the_end.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

/// Two readers and a writer on each of two handles.
fn load(shop: &Shop, other: &Larder<Db>) -> Seen {
    let (rows, seen) = (Rows::of(shop), Seen::default());
    let until = Instant::now() + LOAD;
    thread::scope(|scope| {
        for (seed, larder) in [&shop.larder, other].into_iter().cycle().take(6).enumerate() {
            let (rows, seen) = (&rows, &seen);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed as u64);
                while Instant::now() < until {
                    if seed < 2 {
                        write(larder, rows, seen, &mut random);
                    } else {
                        read(larder, rows, seen, &mut random);
                    }
                }
            });
        }
    });
    verify([&shop.larder, other], &rows, &seen);
    seen
}

fn no_read_is_older(in_background: bool) {
    let shop = Shop::built(|builder| builder.fill_in_background(in_background));
    let other = shop.branch_built(|builder| builder.fill_in_background(in_background));
    shop.faults.everywhere().delay(1, DELAY);
    other.faults.everywhere().delay(2, DELAY);
    let seen = load(&shop, &other.larder);
    let [reads, lists, writes] = [&seen.reads, &seen.lists, &seen.writes].map(|n| n.load(Ordering::SeqCst));
    assert!(reads > 250 && lists > 125 && writes > 100, "too little: {seen:?}");
    assert_eq!(seen.wrong(), 0, "{seen:?}");
    // The load was one that a cache has to answer for. A read that was not answered by it was a SELECT, and only one.
    let statements = [shop.meter.statements(), other.meter.statements()].concat();
    let selects = |of: &str| {
        let condition = format!("FROM {Q}orders{Q} WHERE {Q}orders{Q}.{Q}{of}{Q} ", Q = Db::QUOTE);
        // Those of a write lock what they find, where it is not the write itself that gives it back.
        let is_read = |text: &str| !text.contains(" FOR UPDATE") && !text.contains(" LOCK IN SHARE MODE");
        statements
            .iter()
            .filter(|text| text.starts_with("SELECT ") && text.contains(&condition) && is_read(text))
            .count()
    };
    let (read_hits, list_hits) = (reads.saturating_sub(selects("id")), lists.saturating_sub(selects("user_id")));
    assert!(read_hits > reads / 5, "{read_hits} hits of {reads} reads");
    // A list is emptied by each write of one of its rows, so only a fill makes a hit of it.
    assert!(list_hits > lists / 50, "{list_hits} hits of {lists} lists");
}

#[test]
fn no_read_is_older_than_a_write_that_had_returned() {
    no_read_is_older(false);
}

#[test]
fn no_read_is_older_although_cells_are_filled_in_the_background() {
    no_read_is_older(true);
}

#[test]
fn deleting_after_commit_is_stale_under_the_same_load() {
    let store = DeleteAfterCommit::default();
    let shop = Shop::on(store.clone(), |builder| builder);
    let other = shop.branch_on(store);
    shop.faults.everywhere().delay(1, DELAY);
    other.faults.everywhere().delay(2, DELAY);
    let seen = load(&shop, &other.larder);
    // Writers take turns on SQLite, so that fewer meet a reader.
    assert!(seen.stale.load(Ordering::SeqCst) > 3, "{seen:?}");
}
