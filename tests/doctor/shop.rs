use diesel::connection::SimpleConnection as _;
use larder::{Models, doctor};
use shop_core::{Order, OrderItem, User, UserStats, UserVisits};
use tests::SHOP;

fn models() -> Models<diesel::pg::Pg> {
    Models::new().with::<User>().with::<Order>().with::<OrderItem>().with::<UserStats>().with::<UserVisits>()
}

#[test]
fn the_shop_is_healthy() {
    let database = SHOP.database();
    doctor::assert_healthy(&mut database.connect(), &models());
}

#[test]
fn with_customers_there_is_not_even_advice() {
    let database = SHOP.database();
    let mut connection = database.connect();
    connection
        .batch_execute(
            "INSERT INTO users (email) SELECT n || '@example.com' FROM generate_series(1, 2000) AS n;
             INSERT INTO orders (user_id, status, total_amount)
             SELECT id, 'paid', 10 FROM users, generate_series(1, 5);
             REFRESH MATERIALIZED VIEW user_stats;
             ANALYZE",
        )
        .unwrap();
    let report = doctor::examine(&mut connection, &models()).unwrap();
    assert_eq!(super::found(&report), [""; 0], "{report}");
    assert!(report.lookups.len() >= 8 && report.lookups.iter().all(|lookup| lookup.index.is_some()));
}

#[test]
fn the_statements_that_are_examined_are_those_that_are_sent() {
    let shop = tests::Shop::new();
    let report = doctor::examine(&mut shop.database.connect(), &models()).unwrap();
    let examined = |model: &str, by: &[&str]| {
        let lookup = report.lookups.iter().find(|lookup| lookup.model == model && lookup.by == by);
        lookup.and_then(|lookup| lookup.sql.clone())
    };
    let (id, item) = (uuid::Uuid::nil(), (uuid::Uuid::nil(), 1));
    let sent = |explained: larder::Explanation| explained.levels[0].sql.clone();
    assert_eq!(sent(User::repository(&shop.larder).explain(&[id])), examined("users", &["id"]));
    assert_eq!(
        sent(OrderItem::repository(&shop.larder).explain(&[item])),
        examined("order_items", &["order_id", "line_number"])
    );
    let orders = Order::repository(&shop.larder);
    let listed = orders.list_by_user_id_and_status(id, shop_core::Status::Paid).limit(5).explain();
    assert_eq!(sent(listed), examined("orders", &["user_id", "status"]));
}
