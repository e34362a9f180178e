//! larder beside the same work by hand, in one run: `cargo xtask bench`.
//!
//! Each case runs both sides in turn, call by call, so that both see the same weather, and prints the medians and their ratio. By
//! hand means plain Diesel and plain redis-rs as somebody who knows them would write it, with none of the promises.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

#[path = "ratios/by_hand.rs"]
mod by_hand;
#[path = "ratios/duel.rs"]
mod duel;
#[path = "ratios/stock.rs"]
mod stock;
#[path = "ratios/trees.rs"]
mod trees;

use std::time::Duration;

use diesel::{ExpressionMethods as _, pg::Pg};
use larder::{Larder, MemoryStore, View};
use larder_redis::RedisStore;
use shop_core::{Order, OrderChanges, Status, User, schema::orders};
use uuid::Uuid;

use self::{
    by_hand::ByHand,
    duel::Duel,
    stock::Stock,
    trees::{Buyer, UserPage, UserTree},
};

#[derive(Debug, Clone, View)]
#[larder(of = User)]
struct UserEmail {
    #[expect(dead_code, reason = "it is loaded, and that is what is measured")]
    id: Uuid,
    #[expect(dead_code, reason = "it is loaded, and that is what is measured")]
    email: String,
}

fn main() {
    let stock = Stock::new();
    let (by_hand, near) = (ByHand::new(&stock), by_hand::Near::new(&stock));
    let redis = RedisStore::builder(&stock.redis_url)
        .namespace("bench:")
        .quarantine(Duration::ZERO)
        .build()
        .expect("the URL of Redis is one");
    let larder: Larder<Pg> = Larder::builder(stock.pool()).shared(redis).build();
    let embedded: Larder<Pg> = Larder::builder(stock.pool()).shared(MemoryStore::new()).build();
    let (users, near_users) = (User::repository(&larder), User::repository(&embedded));
    let pages = User::repository(&larder).with(User::orders());
    let trees = User::repository(&larder).with(User::orders().with(Order::items()));
    let (whole_pages, whole_trees) =
        (Buyer::repository(&larder).select::<UserPage>(), Buyer::repository(&larder).select::<UserTree>());
    let mails = User::repository(&larder).select::<UserEmail>();
    let orders = Order::repository(&larder);
    let (one, fifty, hundred) = (stock.users[0], &stock.users[..50], &stock.users[..100]);
    let mut duel = Duel::default();

    near_users.find_many(hundred).expect("the rows load");
    duel.title("in process");
    duel.run(
        "find, MemoryStore hit / quick_cache get and clone",
        None,
        20_000,
        || near_users.get(one).ok(),
        || near.get(one),
    );

    let bare: Larder<Pg> = Larder::builder(stock.pool()).build();
    let (bare_users, bare_trees) =
        (User::repository(&bare), User::repository(&bare).with(User::orders().with(Order::items())));
    duel.title("without a store");
    duel.run("find / Diesel", None, 3_000, || bare_users.get(one).ok(), || by_hand.load(one));
    duel.run(
        "find_many(100) / Diesel",
        None,
        1_500,
        || bare_users.find_many(hundred).ok(),
        || by_hand.load_many(hundred),
    );
    duel.run(
        "50 users with orders and items / Diesel",
        None,
        300,
        || bare_trees.find_many(fifty).ok(),
        || by_hand.with_items(fifty),
    );

    stock.empty_redis();
    users.find_many(hundred).expect("the rows load");
    by_hand.store(hundred);
    duel.title("warm, from Redis");
    duel.run("find / GET and decode", Some(1.25), 4_000, || users.get(one).ok(), || by_hand.get(one));
    duel.run(
        "find_many(100) / MGET and decode",
        Some(1.3),
        1_500,
        || users.find_many(hundred).ok(),
        || by_hand.get_many(hundred),
    );
    duel.run(
        "100 emails / MGET and decode",
        None,
        1_500,
        || mails.find_many(hundred).ok(),
        || by_hand.get_many(hundred),
    );
    trees.find_many(fifty).expect("the rows load");
    duel.run("50 users with orders / Diesel", None, 500, || pages.find_many(fifty).ok(), || by_hand.with_orders(fifty));
    duel.run(".. and items / Diesel", None, 300, || trees.find_many(fifty).ok(), || by_hand.with_items(fifty));
    whole_pages.find_many(fifty).and(whole_trees.find_many(fifty).map(drop)).expect("the rows load");
    duel.run(
        "50 users with orders, stored whole / Diesel",
        None,
        500,
        || whole_pages.find_many(fifty).ok(),
        || by_hand.with_orders(fifty),
    );
    duel.run(
        ".. and items, stored whole / Diesel",
        None,
        300,
        || whole_trees.find_many(fifty).ok(),
        || by_hand.with_items(fifty),
    );

    duel.title("cold: Redis is empty before each call");
    // What is still being stored from the call before must not fall into this one.
    let empty = || {
        assert!(larder.flush(Duration::from_secs(5)), "the store takes what was loaded");
        stock.empty_redis();
    };
    duel.run_after(empty, "find / GET, SELECT, SETEX", None, 800, || users.get(one).ok(), || by_hand.get_or_load(one));
    duel.run_after(
        empty,
        "find_many(100) / Diesel",
        None,
        300,
        || users.find_many(hundred).ok(),
        || by_hand.load_many(hundred),
    );
    duel.run_after(
        empty,
        "100 emails / Diesel",
        None,
        300,
        || mails.find_many(hundred).ok(),
        || by_hand.load_emails(hundred),
    );
    duel.run_after(
        empty,
        "50 users with orders / Diesel",
        None,
        300,
        || pages.find_many(fifty).ok(),
        || by_hand.with_orders(fifty),
    );
    duel.run_after(
        empty,
        ".. and items / Diesel",
        Some(1.15),
        300,
        || trees.find_many(fifty).ok(),
        || by_hand.with_items(fifty),
    );
    duel.run_after(
        empty,
        "50 users with orders, stored whole / Diesel",
        None,
        300,
        || whole_pages.find_many(fifty).ok(),
        || by_hand.with_orders(fifty),
    );
    duel.run_after(
        empty,
        ".. and items, stored whole / Diesel",
        None,
        300,
        || whole_trees.find_many(fifty).ok(),
        || by_hand.with_items(fifty),
    );

    duel.title("writes");
    let mut cents = 0;
    let mut next = || {
        cents += 1;
        bigdecimal::BigDecimal::new(cents.into(), 2)
    };
    let order = stock.orders[0];
    let mut changes = || OrderChanges { total_amount: Some(next()), status: Some(Status::Paid), ..Default::default() };
    let (ours, theirs) = (changes(), changes());
    duel.run(
        "update / UPDATE, SETEX, DEL",
        Some(1.3),
        1_500,
        || orders.update(order, &ours).ok(),
        || by_hand.update(order, &theirs),
    );
    let add = || orders::total_amount.eq(orders::total_amount + bigdecimal::BigDecimal::from(0));
    duel.run(
        "update, one expression / UPDATE, SETEX, DEL",
        None,
        1_500,
        || orders.update(order, add()).ok(),
        || by_hand.update(order, &theirs),
    );
    duel.finish();
}
