//! The shop with triggers, and what is cached of it.

use diesel::{connection::SimpleConnection as _, pg::Pg};
use larder::{Larder, Models, relay::Relay, triggers::Triggers};
use shop_core::{Order, OrderItem, Status, User, migrate};
use tests::{Meter, Shop, Template, pool};
use uuid::Uuid;

/// What larder caches of the shop.
pub(crate) fn models() -> Models<Pg> {
    Models::new().with::<User>().with::<Order>().with::<OrderItem>()
}

pub(crate) fn triggers() -> Triggers {
    Triggers::of(models())
}

/// The tables of the shop, with triggers.
static TOLD: Template = Template::new("told", |connection| {
    migrate(connection).expect("the migrations run");
    connection.batch_execute(&triggers().up()).expect("the triggers can be made");
});

/// A shop with triggers.
pub(crate) fn told_shop() -> Shop {
    Shop::of(&TOLD)
}

pub(crate) fn relay(larder: &Larder<Pg>) -> Relay {
    Relay::builder(larder).models(models()).build().unwrap()
}

/// The ids that the finders are asked for: small numbers, so that psql can name them.
pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// What all finders answer to all keys of a small world.
#[derive(Debug, PartialEq)]
pub(crate) struct Answers {
    users: Vec<Option<User>>,
    by_email: Vec<Option<User>>,
    orders: Vec<Option<Order>>,
    by_user: Vec<Vec<Order>>,
    by_user_and_status: Vec<Vec<Order>>,
    items: Vec<Option<OrderItem>>,
    by_order: Vec<Vec<OrderItem>>,
}

/// How many users, orders and lines there can be.
pub(crate) const N: u128 = 4;

pub(crate) fn answers(larder: &Larder<Pg>) -> Answers {
    let (users, orders, items) = (User::repository(larder), Order::repository(larder), OrderItem::repository(larder));
    let ids: Vec<Uuid> = (1..=N).map(id).collect();
    let lines: Vec<(Uuid, i32)> = ids.iter().flat_map(|id| [1, 2].map(|line| (*id, line))).collect();
    let sorted = |mut orders: Vec<Order>| {
        orders.sort_by_key(|order| order.id);
        orders
    };
    Answers {
        users: users.find_many(&ids).unwrap(),
        by_email: (1..=N).map(|n| users.find_by_email(format!("{n}@x")).unwrap()).collect(),
        orders: orders.find_many(&ids).unwrap(),
        by_user: ids.iter().map(|id| sorted(orders.list_by_user_id(*id).load().unwrap())).collect(),
        by_user_and_status: ids
            .iter()
            .flat_map(|id| Status::ALL.map(|status| (*id, status)))
            .map(|(id, status)| sorted(orders.list_by_user_id_and_status(id, status).load().unwrap()))
            .collect(),
        items: items.find_many(&lines).unwrap(),
        by_order: ids.iter().map(|id| items.list_by_order_id(*id).load().unwrap()).collect(),
    }
}

/// What the database answers, past every cache.
pub(crate) fn truth(shop: &Shop) -> Answers {
    answers(&Larder::builder(pool(shop.database.url(), &Meter::new(), 1)).build())
}
