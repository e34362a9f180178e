//! Views with relations that are filtered, ordered, limited and counted.

use diesel::prelude::*;
use larder::{Repository, View};

use crate::support::Database;

diesel::table! { users (id) { id -> BigInt, email -> Text, } }
diesel::table! { orders (id) { id -> BigInt, user_id -> BigInt, status -> Text, total -> BigInt, } }
diesel::table! { items (order_id, line) { order_id -> BigInt, line -> Integer, sku -> Text, } }

const TABLES: &str = "
    CREATE TABLE users (id BIGINT PRIMARY KEY, email TEXT NOT NULL UNIQUE);
    CREATE TABLE orders (
        id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL REFERENCES users, status TEXT NOT NULL, total BIGINT NOT NULL
    );
    CREATE TABLE items (order_id BIGINT NOT NULL, line INTEGER NOT NULL, sku TEXT NOT NULL, PRIMARY KEY (order_id, line));
    INSERT INTO users VALUES (1, 'ada'), (2, 'bob');
    INSERT INTO orders VALUES
        (1, 1, 'paid', 30), (2, 1, 'paid', 10), (3, 1, 'open', 50), (4, 1, 'paid', 20), (5, 2, 'paid', 10), (6, 2, 'open', 5);
    INSERT INTO items VALUES (1, 1, 'a'), (1, 2, 'b'), (4, 1, 'c');
";

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite))]
#[larder(unique(email), has_many(orders: Order))]
struct User {
    id: i64,
    email: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(belongs_to(User), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(has_many(items: Item))]
struct Order {
    id: i64,
    user_id: i64,
    status: String,
    total: i64,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(primary_key(order_id, line), belongs_to(Order), check_for_backend(diesel::sqlite::Sqlite))]
struct Item {
    order_id: i64,
    line: i32,
    sku: String,
}

const FREE: i64 = 9;
const BEST: usize = 2;

#[derive(Debug, PartialEq, View)]
#[larder(of = User)]
struct Card {
    #[larder(field = email)]
    address: String,
    #[larder(with = orders, filter = status.eq("paid").and(total.gt(FREE)), order = (total.desc(), id.asc()), limit = BEST)]
    best: Vec<Line>,
    #[larder(with = orders)]
    all: Vec<Order>,
    #[larder(count = orders, filter = not(status.eq("paid")).or(orders::total.gt(25)))]
    n_odd: i64,
    #[larder(count = orders)]
    n_orders: i64,
}

#[derive(Debug, PartialEq, View)]
#[larder(of = Order)]
struct Line {
    total: i64,
    #[larder(with = items)]
    items: Vec<Sku>,
}

#[derive(Debug, PartialEq, View)]
#[larder(of = Item)]
struct Sku {
    sku: String,
}

use diesel::dsl::not;

fn line(total: i64, skus: &[&str]) -> Line {
    Line { total, items: skus.iter().map(|sku| Sku { sku: (*sku).into() }).collect() }
}

#[test]
fn a_view_filters_orders_and_limits_for_each_row() {
    let database = Database::new(TABLES);
    // Users, the best orders, their items, all orders; one count needs a statement, the other has the list.
    let cards = database.costs(5, |larder| User::repository(larder).select::<Card>().find_many(&[1, 2]));
    let [Some(ada), Some(bob)] = &cards[..] else { panic!("{cards:?}") };
    assert_eq!(ada.best, [line(30, &["a", "b"]), line(20, &["c"])]);
    assert_eq!(bob.best, [line(10, &[])]);
    assert_eq!((ada.all.len(), ada.n_orders, ada.n_odd), (4, 4, 2));
    assert_eq!((bob.all.len(), bob.n_orders, bob.n_odd), (2, 2, 1));
    assert_eq!(bob.address, "bob");
}

#[test]
fn a_limited_list_is_not_stored_as_the_whole_one() {
    let database = Database::new(TABLES);
    database.costs(5, |larder| User::repository(larder).select::<Card>().find(1));
    let orders = database.costs(0, |larder| Order::repository(larder).list_by_user_id(1).load());
    assert_eq!(orders.len(), 4);
}

#[test]
fn a_view_is_found_by_any_finder_and_query() {
    let database = Database::new(TABLES);
    let users = |larder: &_| User::repository(larder).select::<Sender>().find_by_email_many(&["bob", "eve"]);
    assert_eq!(database.costs(1, users), [Some(Sender { id: 2 }), None]);
    let senders = database.costs(1, |larder| {
        User::repository(larder).select::<Sender>().query(|query| query.filter(users::email.ne("bob")))
    });
    assert_eq!(senders, [Sender { id: 1 }]);
}

#[derive(Debug, PartialEq, View)]
#[larder(of = User)]
struct Sender {
    id: i64,
}

#[test]
fn functions_may_be_generic_over_the_session() {
    fn orders<S: larder::Session<Backend = diesel::sqlite::Sqlite>>(session: &S) -> larder::Result<i64> {
        Order::repository(session).count_by_user_id(1)
    }
    let database = Database::new(TABLES);
    assert_eq!(database.costs(1, orders), 4);
    assert_eq!(database.costs(1, |larder| larder.transaction(orders)), 4);
}
