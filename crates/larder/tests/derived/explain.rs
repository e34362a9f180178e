//! What a call would do, and that it does just that.

use diesel::{prelude::*, sqlite::Sqlite};
use larder::{
    Consistency, Explanation, Larder, MemoryStore, NearOptions,
    explain::{Cost, Level, State},
    store::Operation,
};

use crate::{
    database::Database,
    models::{Item, NewItem, Order, User, UserCard, orders},
};

fn shop() -> (Database, Larder<Sqlite>) {
    let database = Database::filled();
    let builder = Larder::builder(database.pool.clone()).shared(MemoryStore::new());
    let larder = builder.near(NearOptions::bytes(1 << 20)).fill_in_background(false).build();
    (database, larder)
}

fn cost(of: Cost) -> (usize, usize) {
    (of.round_trips, of.statements)
}

/// What was spent so far: round trips of the store, and statements.
fn spent(larder: &Larder<Sqlite>) -> (usize, usize) {
    let stats = larder.stats();
    let calls: u64 = stats.store.iter().map(|of| of.calls.n).sum();
    (usize::try_from(calls).unwrap(), usize::try_from(stats.total().statements.n).unwrap())
}

/// Explains, which must change nothing, and then reads, which must cost what was said.
#[track_caller]
fn holds(larder: &Larder<Sqlite>, explain: impl Fn() -> Explanation, read: impl FnOnce()) -> Explanation {
    let before = larder.stats();
    let explained = explain();
    assert_eq!(explain().now(), explained.now(), "explaining changes nothing");
    let after = larder.stats();
    let changing = |stats: &larder::Stats| -> u64 {
        let reads = |of: &&larder::stats::OperationStats| of.operation != Operation::Read;
        stats.store.iter().filter(reads).map(|of| of.calls.n).sum()
    };
    assert_eq!(changing(&after), changing(&before), "the store is only read");
    assert_eq!(after.total().keys, before.total().keys);
    assert_eq!(after.total().statements.n, before.total().statements.n);
    let (round_trips, statements) = spent(larder);
    read();
    let (more_round_trips, more_statements) = spent(larder);
    let really = (more_round_trips - round_trips, more_statements - statements);
    if explained.is_complete() {
        assert_eq!(cost(explained.now()), really, "{explained}");
    } else {
        assert!(cost(explained.now()).0 <= really.0 && cost(explained.now()).1 <= really.1, "{explained}");
    }
    explained
}

#[test]
fn a_call_costs_what_was_explained_before() {
    let (_database, larder) = shop();
    let users = || User::repository(&larder);
    let ids = [1, 2, 99];
    let find = || holds(&larder, || users().explain(&ids), || _ = users().find_many(&ids).unwrap());
    let cold = find();
    let [level] = &cold.levels[..] else { panic!("{cold}") };
    assert_eq!((level.model, level.by, level.n_keys, level.n_unknown), ("users", &["id"][..], 3, 3));
    assert_eq!((cost(level.now), cost(level.at_most), level.found.vacant), ((3, 1), (3, 1), 3));
    let warm = find();
    assert_eq!((cost(warm.now()), warm.levels[0].found.near, warm.levels[0].n_unknown), ((0, 0), 3, 0));
    let shared = || users().reading(Consistency::Shared);
    let explained = holds(&larder, || shared().explain(&ids), || _ = shared().find_many(&ids).unwrap());
    assert_eq!((explained.levels[0].found.shared, cost(explained.now())), (3, (1, 0)));
    let past = || users().reading(Consistency::Database);
    let explained = holds(&larder, || past().explain(&ids), || _ = past().find_many(&ids).unwrap());
    assert_eq!((explained.levels[0].found.past, cost(explained.now())), (3, (0, 1)));
}

#[test]
fn relations_are_explained_as_far_as_rows_are_known() {
    let (_database, larder) = shop();
    let users = || User::repository(&larder).with(User::orders().with(Order::items()));
    let find = |ids: &[i64]| holds(&larder, || users().explain(ids), || _ = users().find_many(ids).unwrap());
    let cold = find(&[1, 2]);
    let seen: Vec<_> =
        cold.levels.iter().map(|level| (level.depth, level.model, level.n_keys, level.is_complete)).collect();
    assert_eq!(seen, [(0, "users", 2, true), (1, "orders", 0, false), (2, "items", 0, false)]);
    assert!(!cold.is_complete() && cost(cold.now()) == (3, 1));
    let sql = cold.levels[1].sql.as_deref().unwrap();
    assert!(sql.starts_with("SELECT") && sql.contains("FROM `orders`"), "{sql}");
    // One is known now, with its two orders, and one is not.
    let half = find(&[1, 3]);
    let seen: Vec<_> = half.levels.iter().map(|level| (level.n_keys, level.n_unknown, level.is_complete)).collect();
    assert_eq!(seen, [(2, 1, true), (1, 0, false), (2, 0, false)]);
    let warm = find(&[1, 2, 3]);
    assert!(warm.is_complete() && cost(warm.now()) == (0, 0), "{warm}");
    assert_eq!(warm.levels.iter().map(|level| level.n_keys).collect::<Vec<_>>(), [3, 3, 5]);
}

#[test]
fn what_no_cell_holds_is_explained_without_the_callers_own_text() {
    let (_database, larder) = shop();
    let users = || {
        let paid = User::orders().filter(orders::status.eq("secret")).order(orders::total.desc()).limit(2);
        User::repository(&larder).with(paid).with(User::orders().count())
    };
    users().find_many(&[1, 2]).unwrap();
    let explained = holds(&larder, || users().explain(&[1, 2]), || _ = users().find_many(&[1, 2]).unwrap());
    let [_, refined, count] = &explained.levels[..] else { panic!("{explained}") };
    assert_eq!((refined.found.past, cost(refined.now)), (2, (0, 1)));
    assert_eq!(refined.sql, None, "the caller's condition may be a text with values in it");
    assert_eq!((count.found.vacant, cost(count.now)), (2, (1, 1)));
    assert!(count.sql.as_deref().unwrap().contains("COUNT(*)"));
}

#[test]
fn views_unique_keys_and_lists_are_explained_too() {
    let (_database, larder) = shop();
    let users = User::repository(&larder);
    let card = || users.clone().select::<UserCard>();
    users.find_by_email("ada@x").unwrap();
    let explained =
        holds(&larder, || card().explain_by_email(&["ada@x"]), || _ = card().find_by_email("ada@x").unwrap());
    let seen: Vec<_> = explained.levels.iter().map(|level| (level.depth, level.model, level.n_keys)).collect();
    assert_eq!(seen, [(0, "users", 1), (1, "orders", 1), (1, "orders", 1)]);
    let of = |level: &Level| (level.by, level.found.near);
    assert_eq!(of(&explained.levels[0]), (&["email"][..], 1));

    let list = || Order::repository(&larder).list_by_user_id(1).limit(1);
    let explained = holds(&larder, || list().explain(), || _ = list().load().unwrap());
    assert_eq!(cost(explained.now()), (3, 1));
    let explained = holds(&larder, || list().explain(), || _ = list().load().unwrap());
    assert_eq!(cost(explained.now()), (0, 0));
    let ordered = || list().order(orders::total.asc());
    let explained = holds(&larder, || ordered().explain(), || _ = ordered().load().unwrap());
    assert_eq!(cost(explained.now()), (0, 1));
}

#[test]
fn a_reference_to_a_row_that_is_not_known_hides_nothing_else() {
    let (database, larder) = shop();
    let item = NewItem { order_id: 1, line: 1, sku: "cd" };
    diesel::insert_into(crate::models::items::table).values(item).execute(&mut database.pool.get().unwrap()).unwrap();
    Item::repository(&larder).find((1, 1)).unwrap();
    let twice = Item::repository(&larder).with(Item::order().with(Order::user())).with(Item::order());
    let explained = twice.explain(&[(1, 1)]);
    let seen: Vec<_> = explained.levels.iter().map(|level| (level.depth, level.model, level.n_keys)).collect();
    assert_eq!(seen, [(0, "items", 1), (1, "orders", 1), (2, "users", 0), (1, "orders", 1)]);
}

#[test]
fn keys_are_named_on_request_only() {
    let (_database, larder) = shop();
    let users = User::repository(&larder);
    users.find_by_email("ada@x").unwrap();
    let explained = users.explain_by_email(&["ada@x", "bob@x"]);
    let text = explained.to_string();
    assert_eq!(
        text,
        "users: rows by email; 2 keys\n  1 near, 1 in no cache\n  3 round trips and 1 statement now, 3 round trips and 1 statement at \
         most\n  SELECT `users`.`id`, `users`.`email`, `users`.`name` FROM `users` WHERE `users`.`email` = ?\nin all: 3 round trips \
         and 1 statement now, 3 round trips and 1 statement at most\n"
    );
    assert!(format!("{explained:#}").contains("users:email:ada@x: near"), "{explained:#}");
    let states: Vec<_> = explained.levels[0].cells().map(|(_, state)| state).collect();
    assert_eq!(states, [State::Near, State::Vacant]);
}

#[test]
fn in_a_transaction_all_is_past_the_caches() {
    let (_database, larder) = shop();
    User::repository(&larder).find(1).unwrap();
    let explained = larder.transaction(|tx| Ok(User::repository(tx).explain(&[1]))).unwrap();
    assert_eq!((explained.levels[0].found.past, cost(explained.now())), (1, (0, 1)));
}
