//! Reads that are as fresh as a write, and what models say of their reads.

use std::time::Duration;

use diesel::{prelude::*, sqlite::Sqlite};
use larder::{
    Consistency, Dependencies, Larder, MemoryStore, Repository, Result, Session, Token, TransactionOptions,
    store::{Announcement, Listener},
};

use super::{NOTHING, options, renamed, shop::Shop};
use crate::models::{NewOrder, NewUser, Order, User, UserChanges, users};

/// A user that everybody reads, and whose copies are never older than the database.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(Sqlite))]
#[larder(name = "strict_users", near = strict)]
struct Strict {
    id: i64,
    email: String,
    name: String,
}

/// A user that is read from the store, although it is near.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(Sqlite))]
#[larder(name = "shared_users", reads = shared, near_ttl = "5s")]
struct Shared {
    id: i64,
    email: String,
    name: String,
}

/// A user that is not kept near.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(Sqlite))]
#[larder(name = "far_users", near = off)]
struct Far {
    id: i64,
    email: String,
    name: String,
}

/// A user whose copies need not give way to others.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(Sqlite))]
#[larder(name = "kept_users", near_bytes = "256KiB")]
struct Kept {
    id: i64,
    email: String,
    name: String,
}

/// A handle that hears of writes when the test tells it, and has the users near; and another one, which writes.
fn late() -> (Shop, Larder<Sqlite>) {
    let shop = Shop::deaf(options());
    shop.line().joined(None);
    shop.line().proven(Duration::MAX, Some(Duration::MAX));
    let users = User::repository(&shop.larder);
    users.clone().with(User::orders()).find_many(&[1, 2, 3]).unwrap();
    shop.settle();
    // What was loaded together is kept when it is stored.
    users.with(User::orders()).find_many(&[1, 2, 3]).unwrap();
    let other = shop.branch(options());
    (shop, other)
}

/// Renames a user, and what sees it.
fn rename(larder: &Larder<Sqlite>, id: i64, name: &str) -> Token {
    let rename = |tx: &larder::Tx<Sqlite>| User::repository(tx).update(id, &renamed(name));
    let (changed, token) = larder.transaction_token(TransactionOptions::default(), rename).unwrap();
    assert_eq!(changed.name, name);
    token
}

/// Tells of everything up to a write, and of these keys.
fn tell(line: &dyn Listener, token: Token, keys: &[&[u8]]) {
    line.dropped(&Announcement { keys, place: Some(place_of(token)) });
}

fn place_of(token: Token) -> larder::store::Position {
    let text = token.to_string();
    let (series, number) = text.as_bytes().split_first_chunk().expect("the write has a place");
    let number = u64::from_str_radix(std::str::from_utf8(number).unwrap(), 16).unwrap();
    larder::store::Position { series: larder::store::Nonce::from_bytes(*series), number }
}

#[test]
fn a_read_with_a_token_asks_the_store_until_the_write_was_announced() {
    let (shop, other) = late();
    let token = rename(&other, 1, "Ada 2");
    // As it comes back from a client.
    let token: Token = token.to_string().parse().unwrap();
    assert_eq!(User::repository(&shop.larder).get(1).unwrap().name, "Ada", "nobody has told of it");
    let fresh = |id| move |larder: &Larder<Sqlite>| User::repository(larder).at_least_as_fresh_as(token).get(id);
    assert_eq!(shop.costs(NOTHING, 1, fresh(1)).name, "Ada 2");
    // Other rows may have been changed before it.
    shop.costs(NOTHING, 1, fresh(2));
    shop.costs(NOTHING, 1, |larder| User::repository(&larder.scope().at_least_as_fresh_as(token)).get(3));

    tell(&*shop.line(), token, &[b"users:id:1"]);
    shop.costs(NOTHING, NOTHING, fresh(2));
    shop.costs(NOTHING, 1, fresh(1));
    shop.costs(NOTHING, NOTHING, fresh(1));
    let next = rename(&other, 3, "Cyd 2");
    assert_eq!(User::repository(&shop.larder).at_least_as_fresh_as(next).get(3).unwrap().name, "Cyd 2");
}

#[test]
fn relations_and_counts_are_as_fresh_as_the_token_says() {
    let (shop, other) = late();
    let token = rename(&other, 1, "Ada 2");
    let scope = shop.larder.scope();
    let fresh = || User::repository(&scope).at_least_as_fresh_as(token);
    shop.costs(NOTHING, NOTHING, |_| User::repository(&scope).with(User::orders()).get(2));
    shop.costs(NOTHING, 2, |_| fresh().with(User::orders()).get(2));
    shop.costs(NOTHING, 2, |_| fresh().with(User::orders().count()).get(2));
}

#[test]
fn a_scope_sees_what_it_wrote_and_all_that_was_written_before() {
    let (shop, other) = late();
    let scope = shop.larder.scope();
    let users = User::repository(&scope);
    assert!(scope.token().is_empty());
    shop.costs(NOTHING, NOTHING, |_| users.get(2));
    rename(&other, 2, "Bob 2");
    assert_eq!(users.get(2).unwrap().name, "Bob", "it is as fresh as any read, so far");

    users.update(3, &renamed("Cyd 2")).unwrap();
    assert!(!scope.token().is_empty());
    // Bob was renamed before Cyd was, and the transaction may have seen it.
    assert_eq!(shop.costs(NOTHING, 1, |_| users.get(2)).name, "Bob 2");
    assert_eq!(users.get(3).unwrap().name, "Cyd 2");
    assert_eq!(User::repository(&other).at_least_as_fresh_as(scope.token()).get(3).unwrap().name, "Cyd 2");
}

#[test]
fn each_way_to_write_raises_the_token_of_its_scope() {
    let shop = Shop::new(options());
    let scope = shop.larder.scope();
    let (clone, users) = (scope.clone(), User::repository(&scope).patience(larder::Patience::new()));
    let mut last = scope.token();
    let mut raised = |what: &str| {
        let token = clone.token();
        assert!(token != last && token.and(last) == token, "{what}: {last} and then {token}");
        last = token;
    };
    let new = NewUser { id: 9, email: "new@x".into(), name: "New".into() };
    users.insert(&new).unwrap();
    raised("insert");
    users.update(9, &renamed("Newer")).unwrap();
    raised("update");
    users.delete_where(users::id.eq(9)).unwrap();
    raised("delete");
    scope.transaction(|tx| User::repository(tx).insert(&new)).unwrap();
    raised("transaction");
    scope.transaction_with(TransactionOptions::default(), |tx| User::repository(tx).delete(9)).unwrap();
    raised("transaction with options");
    fn generic<S: Session<Backend = Sqlite>>(session: &S) -> Result<User> {
        session.transaction(|tx| User::repository(tx).update(1, &renamed("Ada 2")))
    }
    generic(&scope).unwrap();
    raised("transaction of any session");
}

#[test]
fn what_changes_nothing_gives_an_empty_token() {
    let shop = Shop::new(options());
    let scope = shop.larder.scope();
    scope.transaction(|tx| User::repository(tx).get(1)).unwrap();
    User::repository(&scope).update_where(users::id.gt(0), &UserChanges::default()).unwrap();
    let failed = scope.transaction(|tx| {
        User::repository(tx).update(1, &renamed("Nobody"))?;
        Err::<(), _>(larder::Error::other("never mind"))
    });
    assert!(failed.is_err());
    // The database refuses the COMMIT itself, after the cells were marked.
    let refused = scope.transaction(|tx| {
        tx.run(|connection| diesel::sql_query("PRAGMA defer_foreign_keys = ON").execute(connection))?;
        let nobodys = NewOrder { id: 99, user_id: 99, status: "paid", total: 1 };
        Order::repository(tx).insert(&nobodys)
    });
    assert!(matches!(refused, Err(larder::Error::Database(_))), "{refused:?}");
    assert_eq!(scope.token(), Token::default());
}

#[test]
fn a_token_of_another_store_asks_the_shared_one() {
    let (shop, other) = late();
    let elsewhere = rename(&Shop::new(options()).larder, 1, "Somebody");
    let scope = shop.larder.scope().at_least_as_fresh_as(elsewhere);
    let token = rename(&other, 1, "Ada 2");
    tell(&*shop.line(), token, &[b"users:id:1"]);
    shop.costs(NOTHING, 1, |_| User::repository(&scope).get(2));
    shop.costs(NOTHING, 1, |_| User::repository(&scope).get(2));
    let both = scope.clone().at_least_as_fresh_as(token);
    assert_eq!(shop.costs(NOTHING, 1, |_| User::repository(&both).get(1)).name, "Ada 2");
}

#[test]
fn a_write_of_a_handle_without_a_store_is_seen_in_the_database() {
    let shop = Shop::on(MemoryStore::new(), None);
    let (bare, users) = (shop.bare(), User::repository(&shop.larder));
    users.get(1).unwrap();
    shop.settle();
    let token = rename(&bare, 1, "Ada 2");
    assert_eq!(users.get(1).unwrap().name, "Ada", "no trigger tells of it here");
    let scope = shop.larder.scope().at_least_as_fresh_as(token).reading(Consistency::Near);
    assert_eq!(shop.costs(1, NOTHING, |_| User::repository(&scope).get(1)).name, "Ada 2");
    let read_only = bare.transaction_token(TransactionOptions::default(), |tx| User::repository(tx).get(1)).unwrap();
    assert!(read_only.1.is_empty());
}

#[test]
fn strict_copies_are_as_fresh_as_any_token() {
    let (shop, other) = late();
    for _ in 0..2 {
        Strict::repository(&shop.larder).get(1).unwrap();
        shop.settle();
    }
    let token = rename(&other, 2, "Bob 2");
    shop.costs(NOTHING, NOTHING, |larder| Strict::repository(larder).at_least_as_fresh_as(token).get(1));
    shop.costs(NOTHING, 1, |larder| User::repository(larder).at_least_as_fresh_as(token).get(1));
}

#[test]
fn strict_models_are_written_strictly_unless_they_say_otherwise() {
    use larder::{Entity, Near, Writes};
    let of = |near: Near, writes: Option<Writes>| (near, writes);
    assert_eq!(of(Strict::NEAR, Strict::WRITES), (Near::Strict, Some(Writes::Strict)));
    assert_eq!(of(User::NEAR, User::WRITES), (Near::Bounded, None));
    assert_eq!(of(Far::NEAR, Far::WRITES), (Near::Off, None));
}

#[test]
fn models_say_where_their_rows_are_read_from_and_calls_and_scopes_say_it_better() {
    let shop = Shop::new(options());
    for _ in 0..2 {
        Shared::repository(&shop.larder).get(1).unwrap();
        Far::repository(&shop.larder).get(1).unwrap();
        shop.settle();
    }
    shop.costs(NOTHING, 1, |larder| Shared::repository(larder).get(1));
    shop.costs(NOTHING, NOTHING, |larder| Shared::repository(larder).reading(Consistency::Near).get(1));
    let scope = shop.larder.scope().reading(Consistency::Near);
    shop.costs(NOTHING, NOTHING, |_| Shared::repository(&scope).get(1));
    shop.costs(1, NOTHING, |_| Shared::repository(&scope).reading(Consistency::Database).get(1));
    shop.costs(NOTHING, 1, |_| Far::repository(&scope).get(1));
}

#[test]
fn a_model_says_how_long_its_copies_live() {
    let clock = larder::store::ManualClock::default();
    let shop = Shop::new(options().ttl(Duration::from_secs(60)).clock(clock.clone()));
    let get = |n_reads| {
        shop.costs(NOTHING, n_reads, |larder| Shared::repository(larder).reading(Consistency::Near).get(1));
    };
    Shared::repository(&shop.larder).get(1).unwrap();
    shop.settle();
    // In the last tenth of its time it would be refreshed.
    clock.advance(Duration::from_millis(4_499));
    get(NOTHING);
    clock.advance(Duration::from_millis(501));
    get(1);
}

#[test]
fn a_part_of_ones_own_is_not_given_to_others() {
    let shop = Shop::new(larder::NearOptions::bytes(1 << 20));
    let large = |id| NewUser { id, email: format!("{id}@x"), name: "x".repeat(4_096) };
    User::repository(&shop.larder).insert_many(&(100..700).map(large).collect::<Vec<_>>()).unwrap();
    for _ in 0..2 {
        Kept::repository(&shop.larder).get(1).unwrap();
        User::repository(&shop.larder).get(1).unwrap();
        shop.settle();
    }
    // Far more than there is room for. One after the other: rows of one call whose keys share a slot drop each other's copies.
    for id in 100..700 {
        // Twice, so that they count as wanted.
        assert!(
            User::repository(&shop.larder).exists(id).unwrap() && User::repository(&shop.larder).exists(id).unwrap()
        );
    }
    shop.costs(NOTHING, 1, |larder| User::repository(larder).get(1));
    shop.costs(NOTHING, NOTHING, |larder| Kept::repository(larder).get(1));
}

#[test]
fn of_the_rows_of_one_call_few_share_a_slot() {
    let shop = Shop::new(larder::NearOptions::bytes(1 << 20));
    let users = User::repository(&shop.larder);
    let row = |id| NewUser { id, email: format!("{id}@x"), name: "somebody".to_owned() };
    users.insert_many(&(1_000..2_000).map(row).collect::<Vec<_>>()).unwrap();
    let ids: Vec<i64> = (1_000..2_000).collect();
    for _ in 0..2 {
        users.find_many(&ids).unwrap();
        shop.settle();
    }
    let before = shop.larder.stats().model("users").unwrap().keys.near;
    ids.iter().for_each(|id| _ = users.get(*id).unwrap());
    // Those that do drop each other's copies: a fifth of them, with four slots a kilobyte.
    let n_near = shop.larder.stats().model("users").unwrap().keys.near - before;
    assert!(n_near > 650, "{n_near} of 1000");
}

#[test]
fn who_only_looks_makes_no_writer_wait_for_him() {
    let shop = Shop::deaf(options());
    let users = Strict::repository(&shop.larder);
    let _ = users.explain(&[1]);
    assert_eq!(shop.n_strict(), 0);
    assert_eq!(users.get(1).unwrap().id, 1);
    assert!(shop.n_strict() > 0);
}

#[test]
fn a_version_that_is_near_is_as_fresh_as_reads_of_all_that_it_is_of() {
    let (shop, other) = late();
    let of = Dependencies::<Sqlite>::new;
    let near = |of: &Dependencies<Sqlite>| {
        // Known from the second time on that the store tells the same.
        assert!(shop.larder.version(of).is_some() && shop.larder.version(of).is_some());
        shop.larder.near_version(of)
    };
    let user = of().row::<User>(1);
    assert!(near(&user).is_some() && near(&of().row::<Strict>(1)).is_some());
    // A proof for the one kind of copies says nothing of the other, and of what is not kept there is none.
    for mixed in [
        user.clone().row::<Strict>(1),
        of().row::<Strict>(1).row::<User>(1),
        user.clone().row::<Far>(1),
        of().row::<Shared>(1).row::<User>(1),
        of().table::<User>().row::<User>(1),
    ] {
        assert_eq!(near(&mixed), None, "{mixed:?}");
    }
    let before = near(&user);
    let token = rename(&other, 1, "changed");
    let scope = shop.larder.scope().at_least_as_fresh_as(token);
    assert_eq!((shop.larder.near_version(&user), scope.near_version(&user)), (before, None), "it is told late");
    tell(&*shop.line(), token, &[b"users:id:1"]);
    assert_eq!(shop.larder.near_version(&user), None);
    assert_ne!(near(&user), before);
}
