//! The models against the tables: what goes in comes out, and what the tables refuse.

use std::str::FromStr;

use bigdecimal::BigDecimal;
use diesel::{
    prelude::*,
    result::{DatabaseErrorKind, Error},
};
use shop_core::{
    NewOrder, NewOrderItem, NewUser, Order, OrderChanges, OrderItem, OrderItemChanges, Status, UnknownStatus, User,
    UserChanges,
    schema::{order_items, orders, users},
};
use tests::SHOP;
use uuid::Uuid;

fn money(text: &str) -> BigDecimal {
    BigDecimal::from_str(text).unwrap()
}

fn ada(connection: &mut PgConnection) -> User {
    let ada = NewUser { id: None, email: "ada@example.com".into(), created_at: None };
    diesel::insert_into(users::table).values(&ada).returning(User::as_returning()).get_result(connection).unwrap()
}

fn new_order(user_id: Uuid) -> NewOrder {
    NewOrder { id: None, user_id, status: Status::Pending, total_amount: money("99999999.99"), created_at: None }
}

fn place(order: &NewOrder, connection: &mut PgConnection) -> QueryResult<Order> {
    diesel::insert_into(orders::table).values(order).returning(Order::as_returning()).get_result(connection)
}

fn new_item(order_id: Uuid) -> NewOrderItem {
    NewOrderItem { order_id, line_number: 1, sku: "CD".into(), quantity: 2, unit_price: money("11.77") }
}

fn add(item: &NewOrderItem, connection: &mut PgConnection) -> QueryResult<OrderItem> {
    diesel::insert_into(order_items::table).values(item).returning(OrderItem::as_returning()).get_result(connection)
}

/// The name of the constraint that refused a statement.
fn refused_by<T: std::fmt::Debug>(result: QueryResult<T>) -> String {
    match result {
        Err(Error::DatabaseError(_, information)) => information.constraint_name().expect("a constraint").to_owned(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn rows_come_back_as_they_went_in() {
    let database = SHOP.database();
    let connection = &mut database.connect();
    let user = ada(connection);
    let order = place(&new_order(user.id), connection).unwrap();
    assert_eq!((order.user_id, order.status), (user.id, Status::Pending));
    assert_eq!(order.total_amount.to_string(), "99999999.99");
    let item = add(&new_item(order.id), connection).unwrap();

    assert_eq!(users::table.find(user.id).select(User::as_select()).first(connection), Ok(user.clone()));
    assert_eq!(Order::belonging_to(&user).select(Order::as_select()).load(connection), Ok(vec![order.clone()]));
    assert_eq!(OrderItem::belonging_to(&order).select(OrderItem::as_select()).load(connection), Ok(vec![item.clone()]));
    assert_eq!(item.id(), (&order.id, &1));

    let json = serde_json::to_string(&(&user, &order, &item)).unwrap();
    assert_eq!(serde_json::from_str::<(User, Order, OrderItem)>(&json).unwrap(), (user, order, item));
}

#[test]
fn changes_leave_alone_what_they_do_not_name() {
    let database = SHOP.database();
    let connection = &mut database.connect();
    let user = ada(connection);
    let order = place(&new_order(user.id), connection).unwrap();
    let item = add(&new_item(order.id), connection).unwrap();

    let change = UserChanges { email: Some("countess@example.com".into()), ..UserChanges::default() };
    let changed = diesel::update(&user).set(change).returning(User::as_returning()).get_result(connection);
    assert_eq!(changed, Ok(User { email: "countess@example.com".into(), ..user }));

    let change = OrderChanges { status: Some(Status::Paid), ..OrderChanges::default() };
    let changed = diesel::update(&order).set(change).returning(Order::as_returning()).get_result(connection);
    assert_eq!(changed, Ok(Order { status: Status::Paid, ..order }));

    let change = OrderItemChanges { quantity: Some(3), ..OrderItemChanges::default() };
    let changed = diesel::update(&item).set(change).returning(OrderItem::as_returning()).get_result(connection);
    assert_eq!(changed, Ok(OrderItem { quantity: 3, ..item }));
}

#[test]
fn children_go_when_their_parent_goes() {
    let database = SHOP.database();
    let connection = &mut database.connect();
    let user = ada(connection);
    let order = place(&new_order(user.id), connection).unwrap();
    add(&new_item(order.id), connection).unwrap();

    assert_eq!(diesel::delete(&user).execute(connection), Ok(1));
    assert_eq!(orders::table.count().get_result::<i64>(connection), Ok(0));
    assert_eq!(order_items::table.count().get_result::<i64>(connection), Ok(0));
}

#[test]
fn each_rule_of_the_tables_has_its_name() {
    let database = SHOP.database();
    let connection = &mut database.connect();
    let user = ada(connection);
    let order = place(&new_order(user.id), connection).unwrap();
    add(&new_item(order.id), connection).unwrap();

    let again = NewUser { id: None, email: user.email.clone(), created_at: None };
    assert_eq!(refused_by(diesel::insert_into(users::table).values(again).execute(connection)), "users_email_key");
    assert_eq!(refused_by(place(&new_order(Uuid::nil()), connection)), "orders_user_id_fkey");
    let owed = NewOrder { total_amount: money("-0.01"), ..new_order(user.id) };
    assert_eq!(refused_by(place(&owed, connection)), "orders_total_amount_check");

    assert_eq!(refused_by(add(&new_item(order.id), connection)), "order_items_pkey");
    assert_eq!(refused_by(add(&new_item(Uuid::nil()), connection)), "order_items_order_id_fkey");
    let line = NewOrderItem { line_number: 2, ..new_item(order.id) };
    let none = NewOrderItem { quantity: 0, ..line.clone() };
    assert_eq!(refused_by(add(&none, connection)), "order_items_quantity_check");
    let owed = NewOrderItem { unit_price: money("-0.01"), ..line };
    assert_eq!(refused_by(add(&owed, connection)), "order_items_unit_price_check");

    let too_much = NewOrder { total_amount: money("100000000.00"), ..new_order(user.id) };
    let refused = place(&too_much, connection).unwrap_err();
    assert!(matches!(&refused, Error::DatabaseError(DatabaseErrorKind::Unknown, _)), "{refused:?}");
}

#[test]
fn the_database_and_the_enum_know_the_same_statuses() {
    let database = SHOP.database();
    let connection = &mut database.connect();
    let user = ada(connection);
    for status in Status::ALL {
        let order = place(&NewOrder { status, ..new_order(user.id) }, connection).unwrap();
        assert_eq!(order.status, status);
        let found = orders::table.filter(orders::status.eq(status)).select(orders::id).load::<Uuid>(connection);
        assert_eq!(found, Ok(vec![order.id]));
    }
    let lost = diesel::update(orders::table).set(orders::status.eq("lost")).execute(connection);
    assert_eq!(refused_by(lost), "orders_status_check");
}

#[test]
fn a_status_that_the_enum_lacks_is_an_error_that_names_it() {
    let database = SHOP.database();
    let connection = &mut database.connect();
    let user = ada(connection);
    place(&new_order(user.id), connection).unwrap();
    diesel::sql_query("ALTER TABLE orders DROP CONSTRAINT orders_status_check").execute(connection).unwrap();
    diesel::update(orders::table).set(orders::status.eq("lost")).execute(connection).unwrap();

    let read = orders::table.select(Order::as_select()).first(connection);
    let Err(Error::DeserializationError(error)) = read else { panic!("read as {read:?}") };
    assert_eq!(error.to_string(), "Error deserializing field 'status'");
    let unknown = error.source().and_then(|cause| cause.downcast_ref::<UnknownStatus>()).expect("its cause");
    assert_eq!(unknown.as_str(), "lost");
}
