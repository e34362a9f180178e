//! Relations: typed, and level by level.

use diesel::ExpressionMethods as _;

use crate::site::{Cost, Order, OrderItem, Shop, Status, User, nobody, schema::orders};

#[test]
fn three_levels_cost_three_statements_cold_and_none_warm_whatever_the_rows() {
    let shop = Shop::new();
    let users: Vec<User> = (0..20).map(|n| shop.user(&format!("user-{n}"))).collect();
    let mut n_items = 0;
    for (n, user) in users.iter().enumerate() {
        for day in 0..n % 4 {
            let order = shop.order(user, Status::Paid, 100, day as i64);
            for line in 1..=3 {
                let _ = shop.item(&order, line);
                n_items += 1;
            }
        }
    }
    let keys: Vec<_> = users.iter().map(|user| user.id).collect();
    let repository = User::repository(&shop.larder).with(User::orders().with(Order::items()));
    let cold = repository.find_many(&keys).unwrap();
    shop.meter.expect(Cost { sql: 3, store_reads: 3, store_writes: 6 });
    let warm: Vec<Option<(User, Vec<(Order, Vec<OrderItem>)>)>> = repository.find_many(&keys).unwrap();
    shop.meter.expect(Cost { sql: 0, store_reads: 3, store_writes: 0 });
    assert_eq!(cold, warm);
    let items = warm.iter().flatten().flat_map(|(_, orders)| orders).map(|(_, items)| items.len()).sum::<usize>();
    assert_eq!(items, n_items);
    assert!(warm.iter().flatten().zip(&users).all(|((found, _), user)| found == user));
    let lines = warm.iter().flatten().flat_map(|(_, orders)| orders).flat_map(|(_, items)| items);
    assert!(lines.zip([1, 2, 3].into_iter().cycle()).all(|(item, line)| item.line_number == line));
}

#[test]
fn a_parent_of_many_is_loaded_once() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    for day in 0..3 {
        let _ = shop.order(&ada, Status::Paid, 100, day);
    }
    let owners: Vec<(Order, User)> =
        Order::repository(&shop.larder).with(Order::user()).list_by_user_id(ada.id).load().unwrap();
    assert_eq!(owners.len(), 3);
    assert!(owners.iter().all(|(_, owner)| *owner == ada));
    shop.meter.expect(Cost { sql: 2, store_reads: 2, store_writes: 4 });
}

#[test]
fn a_relation_of_nobody_is_empty() {
    let shop = Shop::new();
    let users = User::repository(&shop.larder).with(User::orders());
    assert_eq!(users.find(nobody()).unwrap(), None);
    shop.meter.expect(Cost { sql: 1, store_reads: 1, store_writes: 2 });
}

#[test]
fn two_relations_of_one_row_stand_side_by_side() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let order = shop.order(&ada, Status::Paid, 100, 1);
    let item = shop.item(&order, 1);
    let found = Order::repository(&shop.larder).with(Order::user()).with(Order::items()).get(order.id).unwrap();
    assert_eq!(found, (order, ada, vec![item]));
    shop.meter.expect(Cost { sql: 3, store_reads: 3, store_writes: 6 });
}

#[test]
fn a_filtered_or_limited_relation_never_shares_the_full_lists_cell() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    for user in [&ada, &bob] {
        for day in 0..4 {
            let status = if day % 2 == 0 { Status::Paid } else { Status::Shipped };
            let _ = shop.order(user, status, day, day);
        }
    }
    let users = User::repository(&shop.larder);
    let paid = User::orders().filter(orders::status.eq(Status::Paid)).order(orders::created_at.desc());
    let newest = User::orders().order(orders::created_at.desc()).limit(1);
    for _ in 0..2 {
        let found = users
            .clone()
            .with(User::orders().filter(orders::status.eq(Status::Paid)))
            .find_many(&[ada.id, bob.id])
            .unwrap();
        assert!(found.iter().flatten().all(|(_, orders)| orders.len() == 2));
    }
    // The users, and twice their orders: one statement for all parents, and no cell.
    shop.meter.expect(Cost { sql: 3, store_reads: 2, store_writes: 2 });
    let found = users.clone().with(paid.limit(1)).with(newest).find_many(&[ada.id, bob.id]).unwrap();
    shop.meter.expect(Cost { sql: 2, store_reads: 1, store_writes: 0 });
    for (user, paid, newest) in found.into_iter().flatten() {
        assert_eq!((paid.len(), paid[0].user_id, paid[0].total_amount), (1, user.id, crate::site::money(2)));
        assert_eq!((newest.len(), newest[0].user_id, newest[0].total_amount), (1, user.id, crate::site::money(3)));
    }
    let full = users.with(User::orders()).find_many(&[ada.id, bob.id]).unwrap();
    shop.meter.expect(Cost { sql: 1, store_reads: 2, store_writes: 2 });
    assert!(full.iter().flatten().all(|(_, orders)| orders.len() == 4));
}

#[test]
fn functions_can_be_generic_over_handle_and_transaction() {
    fn orders_of<S>(session: &S, user: &User) -> larder::Result<usize>
    where
        S: larder::Session<Backend = crate::site::Db>,
    {
        let found = User::repository(session).with(User::orders()).get(user.id)?;
        Ok(found.1.len())
    }
    let shop = Shop::new();
    let ada = shop.user("ada");
    let _ = shop.order(&ada, Status::Paid, 100, 1);
    assert_eq!(orders_of(&shop.larder, &ada).unwrap(), 1);
    assert_eq!(shop.larder.transaction(|tx| orders_of(tx, &ada)).unwrap(), 1);
}
