//! Views: only the columns asked for.

use larder::View;

use crate::site::{Cost, Db, Id, Money, Order, OrderItem, Shop, Status, User, money};

#[derive(Debug, Clone, PartialEq, View)]
#[diesel(check_for_backend(Db))]
#[larder(of = User)]
struct UserEmail {
    id: Id,
    email: String,
}

#[derive(Debug, Clone, PartialEq, View)]
#[diesel(check_for_backend(Db))]
#[larder(of = User)]
struct UserCard {
    email: String,
    #[larder(with = orders, order = created_at.desc(), limit = 2)]
    recent: Vec<OrderCard>,
    #[larder(count = orders)]
    n_orders: i64,
    #[larder(count = orders, filter = status.eq(Status::Paid))]
    n_paid: i64,
}

#[derive(Debug, Clone, PartialEq, View)]
#[diesel(check_for_backend(Db))]
#[larder(of = Order)]
struct OrderCard {
    status: Status,
    total_amount: Money,
    #[larder(with = items)]
    items: Vec<OrderItem>,
}

#[test]
fn a_view_selects_its_columns_and_fills_nothing() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let mails = User::repository(&shop.larder).select::<UserEmail>();
    for _ in 0..2 {
        let found = mails.find_many(&[ada.id]).unwrap();
        assert_eq!(found, [Some(UserEmail { id: ada.id, email: ada.email.clone() })]);
        let statement = &shop.meter.statements()[0];
        assert!(!statement.contains("created_at"), "{statement}");
        shop.meter.expect(Cost { sql: 1, store_reads: 1, store_writes: 0 });
    }
    assert_eq!(shop.keys.all(), []);
}

#[test]
fn a_view_is_narrowed_from_a_cached_row() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    User::repository(&shop.larder).get(ada.id).unwrap();
    shop.meter.reset();
    let mail = User::repository(&shop.larder).select::<UserEmail>().get(ada.id).unwrap();
    assert_eq!(mail.email, ada.email);
    shop.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
}

#[test]
fn a_view_brings_nested_relations_limits_for_each_parent_and_counts() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    for (user, n) in [(&ada, 3), (&bob, 1)] {
        for day in 0..n {
            let order = shop.order(user, if day == 0 { Status::Paid } else { Status::Shipped }, day * 100, day);
            let _ = shop.item(&order, 1);
        }
    }
    let cards = User::repository(&shop.larder).select::<UserCard>().find_many(&[ada.id, bob.id]).unwrap();
    // Users, orders, items, and two counts.
    shop.meter.expect(Cost { sql: 5, store_reads: 3, store_writes: 2 });
    let [Some(ada), Some(bob)] = &cards[..] else { panic!("{cards:?}") };
    assert_eq!((ada.n_orders, ada.n_paid, bob.n_orders, bob.n_paid), (3, 1, 1, 1));
    assert_eq!(ada.recent.iter().map(|order| order.total_amount).collect::<Vec<_>>(), [money(200), money(100)]);
    assert_eq!(bob.recent.len(), 1);
    assert!(ada.recent.iter().chain(&bob.recent).all(|order| order.items.len() == 1));
}

#[test]
fn a_view_and_a_tuple_go_together_in_any_query() {
    use crate::site::schema::users;
    use diesel::prelude::*;
    let shop = Shop::new();
    let ada = shop.user("ada");
    let order = shop.order(&ada, Status::Paid, 100, 1);
    let item = shop.item(&order, 1);
    let deep: Vec<(UserEmail, Vec<(Order, Vec<OrderItem>)>)> = User::repository(&shop.larder)
        .select::<UserEmail>()
        .with(User::orders().with(Order::items()))
        .query(|q| q.filter(users::email.eq("ada@example.com")).order(users::created_at.desc()).limit(50))
        .unwrap();
    assert_eq!(deep, [(UserEmail { id: ada.id, email: ada.email }, vec![(order, vec![item])])]);
    shop.meter.expect(Cost { sql: 3, store_reads: 2, store_writes: 4 });
}
