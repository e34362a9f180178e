//! Pages on PostgreSQL: of a column that another model has as another type, and of a table that is locked.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::{connection::SimpleConnection as _, pg::Pg};
use larder::{Error, InvalidCursor, Patience, Repository};
use shop_core::{Order, Status, schema::orders};
use tests::Shop;
use uuid::Uuid;

/// The shop's list, of a model that has one of the cursor's columns as another type.
#[derive(Debug, Clone, Repository)]
#[diesel(table_name = orders, check_for_backend(Pg))]
#[larder(index(user_id, status; order = created_at.desc()))]
struct WithoutZone {
    id: Uuid,
    user_id: Uuid,
    status: Status,
    created_at: NaiveDateTime,
}

/// The same, of one that has them as they are.
#[derive(Debug, Clone, Repository)]
#[diesel(table_name = orders, check_for_backend(Pg))]
#[larder(index(user_id, status; order = created_at.desc()))]
struct WithZone {
    id: Uuid,
    user_id: Uuid,
    status: Status,
    created_at: DateTime<Utc>,
}

#[test]
fn a_cursor_with_another_form_of_a_column_is_refused() {
    let shop = Shop::built(|builder| builder.cursor_key([7; 32]));
    let ada = shop.user("ada");
    for day in 0..5 {
        let _ = shop.order(&ada, Status::Paid, 1, day);
    }
    let list = Order::repository(&shop.larder).list_by_user_id_and_status(ada.id, Status::Paid);
    let cursor = list.page(2).unwrap().next.unwrap();
    let without = WithoutZone::repository(&shop.larder).list_by_user_id_and_status(ada.id, Status::Paid);
    let refused = without.after(&cursor).page(2);
    assert!(matches!(refused, Err(Error::Cursor(InvalidCursor))), "{refused:?}");
    let with = WithZone::repository(&shop.larder).list_by_user_id_and_status(ada.id, Status::Paid);
    assert_eq!(with.after(&cursor).page(9).unwrap().rows.len(), 3);
}

#[test]
fn a_page_that_takes_too_long_is_not_waited_for() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let orders: Vec<Order> = (0..300).rev().map(|day| shop.order(&ada, Status::Paid, 1, day)).collect();
    let list = || Order::repository(&shop.larder).list_by_user_id_and_status(ada.id, Status::Paid);
    let first = list().page(280).unwrap();
    let mut locked = shop.database.connect();
    locked.batch_execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE").unwrap();
    let hurried = Order::repository(&shop.larder).patience(Patience::new().hard(Duration::from_millis(20)));
    let page = || hurried.list_by_user_id_and_status(ada.id, Status::Paid).after(first.next.as_ref()).page(5);
    assert!(matches!(page(), Err(Error::TimedOut)));
    locked.batch_execute("ROLLBACK").unwrap();
    assert_eq!(list().after(first.next.as_ref()).page(5).unwrap().rows, orders[280..285]);
}
