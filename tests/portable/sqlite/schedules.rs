//! Writers and readers of two handles, one step at a time, in orders drawn from seeds: as `tests/torture` plays it on PostgreSQL and
//! Redis, on a file and a store of the process.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use fastrand::Rng;
use larder::{Error, Larder, failpoints::on_this_thread, store::Store as _};

use super::stage::{Killed, Stage};
use crate::{
    site::{Db, Id, NewOrder, Order, Shop, Status, User, UserChanges, day, money},
    suite::coherence::naive::DeleteAfterCommit,
};

const N_SEEDS: u64 = 400;
const N_ACTORS: usize = 4;
const N_DEEDS: usize = 6;

/// What is known of a user and her orders, and what was read that could not be.
#[derive(Default)]
struct Books {
    /// The latest change whose write has returned, and the latest that was begun.
    floor: usize,
    begun: usize,
    /// Changes that were rolled back.
    undone: Vec<usize>,
    /// Orders whose insertion has returned.
    orders: Vec<Id>,
    wrong: Vec<String>,
    n_reads: usize,
}

struct Play<'p> {
    stage: Arc<Stage>,
    user: User,
    books: Mutex<Books>,
    larders: [&'p Larder<Db>; 2],
}

impl Play<'_> {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    fn email(&self, n: usize) -> String {
        if n == 0 { self.user.email.clone() } else { format!("{n}-{}", self.user.email) }
    }

    fn number(&self, email: &str) -> usize {
        if *email == self.user.email { 0 } else { email.split('-').next().unwrap().parse().unwrap() }
    }

    fn write(&self, me: usize, larder: &Larder<Db>, random: &mut Rng) {
        self.stage.begin_to_write(me);
        if random.u8(..4) == 0 {
            let order = NewOrder {
                id: Id::random(),
                user_id: self.user.id,
                status: Status::Paid,
                total_amount: money(1),
                created_at: day(1),
            };
            Order::repository(larder).insert(&order).unwrap();
            self.books().orders.push(order.id);
            return;
        }
        let n = {
            let mut books = self.books();
            books.begun += 1;
            books.begun
        };
        let is_undone = random.u8(..4) == 0;
        let changes = UserChanges { email: Some(self.email(n)), ..Default::default() };
        let done = larder.transaction(|tx| {
            User::repository(tx).update(self.user.id, &changes)?;
            if is_undone {
                self.books().undone.push(n);
                return Err(Error::other("undone"));
            }
            Ok(())
        });
        if !is_undone {
            done.unwrap();
            let mut books = self.books();
            books.floor = books.floor.max(n);
        }
    }

    fn read(&self, larder: &Larder<Db>, random: &mut Rng) {
        let (floor, known) = {
            let mut books = self.books();
            books.n_reads += 1;
            (books.floor, books.orders.clone())
        };
        let users = User::repository(larder);
        let found = match random.u8(..3) {
            0 => Some(self.number(&users.get(self.user.id).unwrap().email)),
            1 => {
                let asked = random.usize(..=self.books().begun);
                let found = users.find_by_email(self.email(asked)).unwrap();
                let books = self.books();
                // Nothing else was ever begun since it was there.
                let must = floor == asked && books.begun == asked;
                drop(books);
                if must && found.is_none() {
                    self.books().wrong.push(format!("{asked} is not found by its address"));
                }
                found.map(|user| self.number(&user.email))
            }
            _ => {
                let list = Order::repository(larder).list_by_user_id(self.user.id).load().unwrap();
                let n_missing = known.iter().filter(|id| !list.iter().any(|order| order.id == **id)).count();
                if n_missing > 0 {
                    self.books().wrong.push(format!("{n_missing} orders are missing"));
                }
                None
            }
        };
        let mut books = self.books();
        if let Some(found) = found.filter(|n| *n < floor || *n > books.begun || books.undone.contains(n)) {
            books.wrong.push(format!("{found} was read after {floor}"));
        }
    }

    fn act(&self, me: usize, seed: u64) {
        let mut random = Rng::with_seed(seed * 100 + me as u64);
        let larder = self.larders[me % 2];
        self.stage.enter(me);
        for _ in 0..N_DEEDS {
            let deed = catch_unwind(AssertUnwindSafe(|| {
                let stage = Arc::clone(&self.stage);
                let _hook = on_this_thread(move |point| stage.step(me, point));
                if me < 2 { self.write(me, larder, &mut random) } else { self.read(larder, &mut random) }
            }));
            if let Err(end) = deed
                && !end.is::<Killed>()
            {
                self.books().wrong.push("an actor panics".to_owned());
            }
            self.stage.end(me);
        }
        self.stage.leave(me);
    }
}

/// Plays a schedule: what was read that could not be, and how many reads there were.
fn play(shop: &Shop, other: &Larder<Db>, seed: u64) -> (Vec<String>, usize) {
    let user = shop.user(&format!("user-{seed}"));
    let stage = Arc::new(Stage::new(seed, N_ACTORS));
    let play = Play { stage, user, books: Mutex::default(), larders: [&shop.larder, other] };
    thread::scope(|scope| {
        for me in 0..N_ACTORS {
            let play = &play;
            scope.spawn(move || play.act(me, seed));
        }
    });
    let truth = shop.larder.transaction(|tx| User::repository(tx).with(User::orders()).get(play.user.id)).unwrap();
    for larder in play.larders {
        for _ in 0..2 {
            if User::repository(larder).with(User::orders()).get(play.user.id).unwrap() != truth {
                play.books().wrong.push("a cell is old at the end".to_owned());
            }
        }
    }
    let Books { wrong, n_reads, .. } = play.books.into_inner().unwrap();
    (wrong, n_reads)
}

#[test]
fn no_order_of_steps_gives_an_old_row_on_sqlite() {
    let shop = Shop::new();
    let other = shop.branch();
    let mut n_reads = 0;
    for seed in 0..N_SEEDS {
        if seed % 3 == 0 {
            // What is evicted, or has expired, only takes away.
            let keys = shop.keys.all();
            shop.keys.store().settle(None, &keys.iter().collect::<Vec<_>>()).unwrap();
        }
        let (wrong, n) = play(&shop, &other.larder, seed);
        assert_eq!(wrong, [""; 0], "seed {seed}");
        n_reads += n;
    }
    assert!(n_reads > 4_000, "{n_reads} reads");
    let n_hits: u64 =
        [&shop.larder, &other.larder].map(|larder| larder.stats().model("users").unwrap().keys.shared).iter().sum();
    assert!(n_hits > 500, "{n_hits} hits of {n_reads} reads");
}

#[test]
fn deleting_after_commit_is_caught_step_by_step() {
    let store = DeleteAfterCommit::default();
    let shop = Shop::on(store.clone(), |builder| builder);
    let other = shop.branch_on(store);
    let n_wrong = (0..100).filter(|seed| !play(&shop, &other.larder, *seed).0.is_empty()).count();
    assert!(n_wrong > 5, "{n_wrong} of 100 schedules");
}
