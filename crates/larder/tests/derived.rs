//! The derived repositories on a database file and a store in process.
#![allow(missing_docs, reason = "a test")]

use diesel::{
    connection::SimpleConnection,
    prelude::*,
    r2d2::{ConnectionManager, Pool},
    sqlite::Sqlite,
};
use larder::{Codec, KeyPart, Larder, MemoryStore, Repository, View};

diesel::table! { users (id) { id -> BigInt, email -> Text, name -> Text, } }
diesel::table! { orders (id) { id -> BigInt, user_id -> BigInt, status -> Text, total -> BigInt, } }
diesel::table! { items (order_id, line) { order_id -> BigInt, line -> Integer, sku -> Text, } }

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(Sqlite))]
#[larder(unique(email), has_many(orders: Order, on_delete = cascade))]
pub struct User {
    pub id: i64,
    pub email: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = orders, belongs_to(User), check_for_backend(Sqlite))]
#[larder(index(user_id, status; order = total.desc()), has_many(items: Item, on_delete = cascade))]
pub struct Order {
    pub id: i64,
    pub user_id: i64,
    pub status: String,
    pub total: i64,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = items, primary_key(order_id, line), belongs_to(Order), check_for_backend(Sqlite))]
pub struct Item {
    pub order_id: i64,
    pub line: i32,
    pub sku: String,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = User)]
pub struct UserCard {
    pub email: String,
    #[larder(with = orders, order = total.desc(), limit = 2)]
    pub recent: Vec<OrderCard>,
    #[larder(count = orders)]
    pub n_orders: i64,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Order)]
pub struct OrderCard {
    pub status: String,
    pub total: i64,
}

#[derive(Debug, Clone, PartialEq, Codec)]
enum Event<T> {
    Nothing,
    Paid(T, #[larder(serde, version = 2)] u8),
    Sent { to: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, KeyPart)]
enum Color {
    Red,
    r#Green,
}

#[derive(Insertable)]
#[diesel(table_name = users)]
struct NewUser<'a> {
    id: i64,
    email: &'a str,
    name: &'a str,
}
#[derive(AsChangeset, Default)]
#[diesel(table_name = users)]
struct UserChanges<'a> {
    email: Option<&'a str>,
    name: Option<&'a str>,
}
#[derive(Insertable)]
#[diesel(table_name = orders)]
struct NewOrder<'a> {
    id: i64,
    user_id: i64,
    status: &'a str,
    total: i64,
}

#[test]
fn the_whole_path() {
    let dir = std::env::temp_dir().join(format!("larder-by-hand-{}.sqlite", std::process::id()));
    let _ = std::fs::remove_file(&dir);
    let pool =
        Pool::builder().max_size(2).build(ConnectionManager::<SqliteConnection>::new(dir.to_str().unwrap())).unwrap();
    pool.get().unwrap().batch_execute("PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON; CREATE TABLE users(id BIGINT PRIMARY KEY, email TEXT UNIQUE NOT NULL, name TEXT NOT NULL); CREATE TABLE orders(id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL REFERENCES users ON DELETE CASCADE, status TEXT NOT NULL, total BIGINT NOT NULL); CREATE TABLE items(order_id BIGINT NOT NULL REFERENCES orders ON DELETE CASCADE, line INTEGER NOT NULL, sku TEXT NOT NULL, PRIMARY KEY(order_id, line));").unwrap();
    let larder: Larder<Sqlite> = Larder::builder(pool).shared(MemoryStore::new()).build();
    let users = User::repository(&larder);
    let ada = users.insert(&NewUser { id: 1, email: "ada@x", name: "Ada" }).unwrap();
    assert_eq!(users.find(1).unwrap(), Some(ada.clone()));
    users.insert_many(&[NewUser { id: 2, email: "b", name: "B" }, NewUser { id: 3, email: "c", name: "C" }]).unwrap();
    assert_eq!(users.find_by_email("ada@x").unwrap(), Some(ada.clone()));
    assert_eq!(users.update(1, &UserChanges { email: Some("ada@y"), ..Default::default() }).unwrap().email, "ada@y");
    assert_eq!(users.find_by_email("ada@x").unwrap(), None);
    assert_eq!(users.find_by_email("ada@y").unwrap().unwrap().id, 1);
    let all = users.find_many(&[3, 9, 1, 3]).unwrap();
    assert_eq!(all.iter().map(|u| u.as_ref().map(|u| u.id)).collect::<Vec<_>>(), [Some(3), None, Some(1), Some(3)]);
    larder
        .transaction(|tx| {
            for id in 1..6 {
                Order::repository(tx).insert(&NewOrder { id, user_id: 1 + id % 2, status: "paid", total: id * 10 })?;
            }
            Ok(())
        })
        .unwrap();
    let page = User::repository(&larder).with(User::orders()).find(1).unwrap().unwrap();
    assert_eq!(page.1.len(), 2);
    let deep = User::repository(&larder)
        .with(User::orders().with(Order::user()))
        .query(|q| q.filter(users::id.lt(3)).order(users::id))
        .unwrap();
    assert_eq!(deep.len(), 2);
    assert_eq!(deep[0].1[0].1.id, 1);
    let cards = User::repository(&larder).select::<UserCard>().find_many(&[1, 2, 3, 4]).unwrap();
    assert_eq!(
        cards[1],
        Some(UserCard {
            email: "b".into(),
            recent: vec![
                OrderCard { status: "paid".into(), total: 50 },
                OrderCard { status: "paid".into(), total: 30 }
            ],
            n_orders: 3
        })
    );
    assert_eq!(cards[3], None);
    let orders = Order::repository(&larder);
    let listed = orders.clone().with(Order::user()).list_by_user_id_and_status(2, "paid").limit(2).load().unwrap();
    assert_eq!(listed.iter().map(|(order, user)| (order.id, user.id)).collect::<Vec<_>>(), [(5, 2), (3, 2)]);
    assert_eq!(orders.count_by_user_id(1).unwrap(), 2);
    assert_eq!(orders.list_by_user_id_many(&[9, 2]).unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [0, 3]);
    users.delete(1).unwrap();
    assert_eq!(Order::repository(&larder).find(2).unwrap(), None);
    assert_eq!(users.update_where(users::id.gt(1), users::name.eq("Z")).unwrap().len(), 2);
    assert_eq!(users.get(3).unwrap().name, "Z");
    let _ = std::fs::remove_file(&dir);
}

#[test]
fn values_are_read_back_as_they_were_written() {
    let values = vec![Event::Nothing, Event::Paid(7_i64, 1), Event::Sent { to: "here".into() }];
    let mut bytes = Vec::new();
    values.encode(&mut bytes);
    let mut input = larder::codec::Input::new(&bytes);
    assert_eq!(Vec::<Event<i64>>::decode(&mut input), Ok(values));
    assert!(Event::<i64>::decode(&mut larder::codec::Input::new(&[3])).is_err());
}

#[test]
fn parts_of_keys_are_names() {
    let part = |color: Color| {
        let mut out = Vec::new();
        color.write_part(&mut out);
        out
    };
    assert_eq!((&*part(Color::Red), &*part(Color::Green)), (&b"Red"[..], &b"Green"[..]));
}
