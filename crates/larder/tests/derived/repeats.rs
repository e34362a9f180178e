//! Calls that should be one, and slow ones.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use diesel::sqlite::Sqlite;
use larder::{Builder, Event, HandleEvent, Larder, MemoryStore, NearOptions, repeats};

use crate::{
    database::Database,
    models::{Order, User},
};

/// What was reported, a line each.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<String>>>);

impl HandleEvent for Reports {
    fn handle(&self, event: Event<'_>) {
        let line = match event {
            Event::Repeated { model, call, instead, n_calls, site } => {
                format!("{model} {call} {n_calls} {} {instead}", site.line())
            }
            Event::Slow { model, call, n_keys, site, .. } => {
                format!("{model} {call} {n_keys} {}", site.map_or(0, |site| site.line()))
            }
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

impl Reports {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn shop(adjust: impl FnOnce(Builder<Sqlite>) -> Builder<Sqlite>) -> (Database, Larder<Sqlite>, Reports) {
    let (database, reports) = (Database::filled(), Reports::default());
    let builder = Larder::builder(database.pool.clone()).shared(MemoryStore::new()).events(reports.clone());
    let larder = adjust(builder.near(NearOptions::bytes(1 << 20))).build();
    (database, larder, reports)
}

#[test]
fn the_same_single_call_again_and_again_is_reported_once_with_what_to_use() {
    let (_database, larder, reports) = shop(|builder| builder.report_repeats(3));
    let (users, orders) = (User::repository(&larder), Order::repository(&larder));
    let calls: [(u32, &dyn Fn(), &str); 5] = [
        (line!(), &|| _ = users.find(1), "users find 4 {} `find_many`, or `with` the relation that leads there"),
        (line!(), &|| _ = users.find_by_email("ada@x"), "users find_by_email 4 {} `find_by_email_many`"),
        (line!(), &|| _ = users.exists(1), "users exists 4 {} `find_many`"),
        (
            line!() + 1,
            &|| _ = orders.list_by_user_id_and_status(1, "paid").load(),
            "orders list_by_user_id_and_status 4 {} `list_by_user_id_and_status_many`, or `with` the relation that leads there",
        ),
        (
            line!() + 1,
            &|| _ = orders.count_by_user_id(1),
            "orders count_by_user_id 4 {} `with` the count of the relation that leads there",
        ),
    ];
    for (line, call, expected) in calls {
        let scope = repeats::scope();
        (0..3).for_each(|_| call());
        assert_eq!(reports.take(), [""; 0], "three are not too many");
        (0..7).for_each(|_| call());
        assert_eq!(reports.take(), [expected.replace("{}", &line.to_string())]);
        drop(scope);
        let _scope = repeats::scope();
        (0..10).for_each(|_| call());
        assert_eq!(reports.take(), [""; 0], "said less than a minute ago");
    }
}

#[test]
fn calls_of_many_keys_and_of_several_lines_are_no_repetition() {
    let (_database, larder, reports) = shop(|builder| builder.report_repeats(1));
    let users = User::repository(&larder);
    let _scope = repeats::scope();
    (0..9).for_each(|_| _ = users.find_many(&[1]));
    (0..9).for_each(|_| _ = users.clone().with(User::orders()).find_many(&[1, 2]));
    users.find(1).unwrap();
    users.find(2).unwrap();
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_transaction_is_a_scope_unless_it_runs_in_one() {
    let (_database, larder, reports) = shop(|builder| builder.report_repeats(3));
    let once = || larder.transaction(|tx| User::repository(tx).find(1)).unwrap();
    (0..9).for_each(|_| _ = once());
    assert_eq!(reports.take(), [""; 0], "each for itself, and outside of all nothing is counted");
    (0..9).for_each(|_| _ = User::repository(&larder).find(1));
    assert_eq!(reports.take(), [""; 0]);
    larder.transaction(|tx| (0..9).try_for_each(|_| User::repository(tx).find(1).map(drop))).unwrap();
    assert_eq!(reports.take().len(), 1);
    let _scope = repeats::scope();
    (0..9).for_each(|_| _ = once());
    assert_eq!(reports.take().len(), 1, "together");
}

#[test]
fn a_scope_within_a_scope_counts_for_itself() {
    let (_database, larder, reports) = shop(|builder| builder.report_repeats(3));
    let call = || User::repository(&larder).find(1).unwrap();
    let _outer = repeats::scope();
    (0..3).for_each(|_| _ = call());
    {
        let _inner = repeats::scope();
        (0..3).for_each(|_| _ = call());
    }
    assert_eq!(reports.take(), [""; 0]);
    call();
    assert_eq!(reports.take().len(), 1);
}

#[test]
fn what_is_switched_off_is_not_reported() {
    let (_database, larder, reports) = shop(|builder| builder.report_repeats(0).report_slow(Duration::MAX));
    let _scope = repeats::scope();
    (0..99).for_each(|_| _ = User::repository(&larder).find(1));
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn repetitions_are_reported_in_debug_builds_unless_told_otherwise() {
    let (_database, larder, reports) = shop(|builder| builder);
    let _scope = repeats::scope();
    (0..10).for_each(|_| _ = User::repository(&larder).find(1));
    assert_eq!(reports.take(), [""; 0]);
    (0..11).for_each(|_| _ = User::repository(&larder).find(1));
    assert_eq!(reports.take().len(), usize::from(cfg!(debug_assertions)));
}

#[test]
fn a_slow_call_is_reported_once_of_each_line() {
    // Whatever leaves the near cache is slower than this.
    let (_database, larder, reports) = shop(|builder| builder.report_slow(Duration::ZERO));
    let users = User::repository(&larder);
    for id in [1, 2, 1, 2] {
        users.find(id).unwrap();
    }
    assert_eq!(reports.take(), [format!("users by id 1 {}", line!() - 2)]);
    users.clone().with(User::orders()).find_many(&[2, 3]).unwrap();
    let line = line!() - 1;
    assert_eq!(reports.take(), [format!("users by id 2 {line}"), format!("orders by user_id 2 {line}")]);
    users.delete(3).unwrap();
    assert_eq!(reports.take(), [format!("users delete 0 {}", line!() - 1)]);
    users.query(|query| query).unwrap();
    assert_eq!(reports.take(), [format!("users SELECT 0 {}", line!() - 1)]);
    assert!(larder.flush(Duration::from_secs(30)));
    users.find(1).unwrap();
    users.find(1).unwrap();
    assert!(reports.take().len() <= 1, "a near hit is not slow");
}
