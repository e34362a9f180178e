//! Values of the application's own.

use std::{
    convert::Infallible,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use diesel::sqlite::Sqlite;
use larder::{Larder, MemoryStore, NearOptions};

use crate::{
    database::Database,
    models::{NewOrder, NewUser, Order, User, UserChanges},
};

const LONG: Duration = Duration::from_secs(600);

/// A value, and how often it was computed.
#[derive(Default)]
struct Computed(AtomicUsize);

impl Computed {
    fn by(&self, larder: &Larder<Sqlite>) -> usize {
        let compute = || Ok::<_, Infallible>(self.0.fetch_add(1, Ordering::SeqCst) + 1);
        *larder.memo("answer").ttl(LONG).depends_on::<User>().load(compute).unwrap()
    }
}

fn branch(database: &Database, store: &Arc<MemoryStore>) -> Larder<Sqlite> {
    let near = NearOptions::bytes(1 << 20);
    Larder::builder(database.pool.clone()).shared_arc(Arc::clone(store) as Arc<_>).near(near).build()
}

#[test]
fn a_value_is_computed_once_and_shared() {
    let database = Database::empty();
    let load = |value: &'static str| database.larder.memo("name").ttl(LONG).load(|| Ok::<_, Infallible>(value));
    let first = load("a").unwrap();
    assert_eq!(*first, "a");
    assert!(Arc::ptr_eq(&first, &load("b").unwrap()));
    // A value of another type is another one.
    let number: Result<_, Infallible> = database.larder.memo("name").load(|| Ok(7));
    assert_eq!(*number.unwrap(), 7);
    assert_eq!(*load("c").unwrap(), "a");
    let other: Result<_, Infallible> = database.larder.memo("other").load(|| Ok("d"));
    assert_eq!(*other.unwrap(), "d");
    let expired: Result<_, Infallible> = database.larder.memo("name").ttl(Duration::ZERO).load(|| Ok("e"));
    assert_eq!(*expired.unwrap(), "e");
}

#[test]
fn a_name_is_forgotten_by_every_handle_that_listens() {
    let database = Database::empty();
    let store = Arc::new(MemoryStore::new());
    let (one, other) = (branch(&database, &store), branch(&database, &store));
    let values = [Computed::default(), Computed::default()];
    assert_eq!([values[0].by(&one), values[1].by(&other), values[0].by(&one), values[1].by(&other)], [1, 1, 1, 1]);
    one.forget_memo("another");
    assert_eq!([values[0].by(&one), values[1].by(&other)], [1, 1]);
    one.forget_memo("answer");
    assert_eq!([values[0].by(&one), values[1].by(&other)], [2, 2]);
}

#[test]
fn what_depends_on_a_model_is_computed_anew_when_a_row_of_it_has_changed() {
    let database = Database::filled();
    let store = Arc::new(MemoryStore::new());
    let (one, other) = (branch(&database, &store), branch(&database, &store));
    let deaf = &database.larder;
    let values = [Computed::default(), Computed::default(), Computed::default()];
    let computed = || [values[0].by(&one), values[1].by(&other), values[2].by(deaf)];
    assert_eq!(computed(), [1, 1, 1]);
    let order = NewOrder { id: 99, user_id: 1, status: "paid", total: 1 };
    Order::repository(&one).insert(&order).unwrap();
    assert_eq!(computed(), [1, 1, 1], "another model");
    let new = NewUser { id: 9, email: "new@x".into(), name: "New".into() };
    User::repository(&one).insert(&new).unwrap();
    assert_eq!(computed(), [2, 2, 1], "a handle without a near cache hears of its own writes only");
    User::repository(deaf).update(9, &UserChanges { name: Some("Newer"), ..UserChanges::default() }).unwrap();
    assert_eq!(computed()[2], 2);
}

#[test]
fn a_value_is_not_kept_if_what_it_depends_on_changed_meanwhile() {
    let database = Database::filled();
    let n = AtomicUsize::new(0);
    let load = |in_between: &dyn Fn()| {
        let compute = || {
            in_between();
            Ok::<_, Infallible>(n.fetch_add(1, Ordering::SeqCst) + 1)
        };
        *database.larder.memo("answer").ttl(LONG).depends_on::<User>().load(compute).unwrap()
    };
    let change = || {
        let changes = UserChanges { name: Some("Other"), ..UserChanges::default() };
        drop(User::repository(&database.larder).update(1, &changes).unwrap());
    };
    assert_eq!(load(&change), 1);
    assert_eq!(load(&|| database.larder.forget_memo("answer")), 2);
    assert_eq!(load(&|| ()), 3);
    assert_eq!(load(&|| ()), 3);
}

#[test]
fn many_who_ask_at_once_wait_for_one() {
    let database = Database::empty();
    const N: usize = 16;
    let (computed, asked, start) = (AtomicUsize::new(0), AtomicUsize::new(0), Barrier::new(N));
    thread::scope(|scope| {
        for _ in 0..N {
            scope.spawn(|| {
                start.wait();
                asked.fetch_add(1, Ordering::SeqCst);
                let value = database.larder.memo("answer").ttl(LONG).load(|| {
                    while asked.load(Ordering::SeqCst) < N {
                        thread::yield_now();
                    }
                    Ok::<_, Infallible>(computed.fetch_add(1, Ordering::SeqCst))
                });
                assert_eq!(*value.unwrap(), 0);
            });
        }
    });
    assert_eq!(computed.into_inner(), 1);
}

#[test]
fn an_error_is_not_kept_and_an_old_value_is_given_only_on_request() {
    let database = Database::empty();
    let larder = &database.larder;
    let failing = || Err::<u32, _>("no");
    assert_eq!(larder.memo("answer").load(failing).unwrap_err(), "no");
    assert_eq!(*larder.memo("answer").load(|| Ok::<u32, &str>(42)).unwrap(), 42);
    larder.forget_memo("answer");
    assert_eq!(larder.memo("answer").load(failing).unwrap_err(), "no");
    assert_eq!(*larder.memo("answer").stale_for(LONG).load(failing).unwrap(), 42);
    assert_eq!(*larder.memo("answer").load(|| Ok::<u32, &str>(43)).unwrap(), 43);
}

#[test]
fn a_panic_while_computing_lets_the_next_one_try() {
    let database = Database::empty();
    let load = || database.larder.memo("answer").load(|| -> Result<u32, Infallible> { panic!("not today") });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(load)).is_err());
    assert_eq!(*database.larder.memo("answer").load(|| Ok::<u32, Infallible>(42)).unwrap(), 42);
}

#[test]
fn who_asks_for_what_he_is_computing_computes_it() {
    let database = Database::empty();
    let memo = |value: u32| database.larder.memo("answer").load(move || Ok::<_, Infallible>(value));
    let outer = database.larder.memo("answer").load(|| Ok::<_, Infallible>(*memo(1).unwrap() + 1));
    assert_eq!(*outer.unwrap(), 2);
}

/// Counts what the memos warn of.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicUsize>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() == tracing::Level::WARN && metadata.target() == "larder::memo"
    }

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn who_depends_on_rows_of_which_nothing_is_heard_is_told_so_once() {
    let database = Database::filled();
    let deaf = || Larder::<Sqlite>::builder(database.pool.clone());
    for (larder, n_expected) in [(deaf().build(), 1), (deaf().shared(MemoryStore::new()).build(), 0)] {
        let warnings = Warnings::default();
        tracing::subscriber::with_default(warnings.clone(), || {
            for _ in 0..3 {
                let value: Result<_, Infallible> = larder.memo("n").depends_on::<User>().load(|| Ok(7));
                assert_eq!(*value.unwrap(), 7);
            }
        });
        assert_eq!(warnings.0.load(Ordering::SeqCst), n_expected);
    }
}
