//! Cursors as clients send them.

use larder::{Cursor, Error, InvalidCursor, Page, Repository, Result};

use crate::site::{Db, Id, Moment, Order, Shop, Status, schema::orders};

use super::{NOTHING, paid, with_orders};

const KEY: [u8; 32] = [7; 32];

/// The same list the other way round.
#[derive(Debug, Clone, Repository)]
#[diesel(table_name = orders, check_for_backend(Db))]
#[larder(index(user_id, status; order = created_at.asc()))]
struct OldestFirst {
    id: Id,
    user_id: Id,
    status: Status,
    created_at: Moment,
}

/// The same list, of a model that has other columns beside those that a cursor has.
#[derive(Debug, Clone, Repository)]
#[diesel(table_name = orders, check_for_backend(Db))]
#[larder(index(user_id, status; order = created_at.desc()))]
struct WithoutAmount {
    id: Id,
    user_id: Id,
    status: Status,
    created_at: Moment,
}

#[track_caller]
fn is_refused<T: std::fmt::Debug>(page: Result<Page<T>>) {
    assert!(matches!(page, Err(Error::Cursor(InvalidCursor))), "{page:?}");
}

#[test]
fn a_cursor_of_which_any_byte_is_another_is_refused_before_anything_is_asked_for() {
    let shop = Shop::new();
    let (ada, orders) = with_orders(&shop, 5);
    let cursor = paid(&shop.larder, &ada, None, 2).unwrap().next.unwrap();
    let text = cursor.to_string();
    let send = |text: &str| paid(&shop.larder, &ada, Some(&text.parse()?), 2);
    assert_eq!(send(&text).unwrap().rows, orders[2..4]);
    shop.meter.reset();
    let mut n_refused = 0;
    for at in 0..text.len() {
        for other in (0..=127).map(char::from).filter(|other| !text[at..].starts_with(*other)) {
            is_refused(send(&format!("{}{other}{}", &text[..at], &text[at + 1..])));
            n_refused += 1;
        }
        is_refused(send(&text[..at]));
        is_refused(send(&text[at + 1..]));
        is_refused(send(&format!("{}{}", text, &text[at..])));
    }
    assert_eq!(n_refused, 127 * text.len());
    shop.meter.expect(NOTHING);
}

#[test]
fn a_cursor_of_another_list_is_refused() {
    let shop = Shop::built(|builder| builder.cursor_key(KEY));
    let (ada, _) = with_orders(&shop, 5);
    let bob = shop.user("bob");
    let larder = &shop.larder;
    let cursor = paid(larder, &ada, None, 2).unwrap().next.unwrap();
    // The same order is in it: another key, another pattern.
    is_refused(paid(larder, &bob, Some(&cursor), 2));
    let repository = Order::repository(larder);
    is_refused(repository.list_by_user_id_and_status(ada.id, Status::Pending).after(&cursor).page(2));
    is_refused(repository.list_by_user_id(ada.id).after(&cursor).page(2));
    let of_user = repository.list_by_user_id(ada.id).page(2).unwrap().next.unwrap();
    is_refused(paid(larder, &ada, Some(&of_user), 2));
    // Another order.
    let oldest = OldestFirst::repository(larder).list_by_user_id_and_status(ada.id, Status::Paid);
    is_refused(oldest.after(&cursor).page(2));
}

#[test]
fn a_cursor_outlives_a_change_of_columns_that_it_has_not() {
    let shop = Shop::built(|builder| builder.cursor_key(KEY));
    let (ada, orders) = with_orders(&shop, 5);
    let cursor = paid(&shop.larder, &ada, None, 2).unwrap().next.unwrap();
    let without = WithoutAmount::repository(&shop.larder).list_by_user_id_and_status(ada.id, Status::Paid);
    let ids: Vec<Id> = without.after(&cursor).page(10).unwrap().rows.into_iter().map(|row| row.id).collect();
    assert_eq!(ids, orders[2..].iter().map(|order| order.id).collect::<Vec<_>>());
}

#[test]
fn another_process_goes_on_if_it_has_the_same_key() {
    let shop = Shop::built(|builder| builder.cursor_key(KEY));
    let (ada, orders) = with_orders(&shop, 5);
    let cursor = paid(&shop.larder, &ada, None, 2).unwrap().next.unwrap();
    let other = shop.branch_built(|builder| builder.cursor_key(KEY));
    assert_eq!(paid(&other.larder, &ada, Some(&cursor), 10).unwrap().rows, orders[2..]);
    let stranger = shop.branch_built(|builder| builder.cursor_key([8; 32]));
    is_refused(paid(&stranger.larder, &ada, Some(&cursor), 10));
    // Without a key, each handle draws its own.
    let (one, another) = (shop.branch(), shop.branch());
    let cursor = paid(&one.larder, &ada, None, 2).unwrap().next.unwrap();
    assert_eq!(paid(&one.larder.clone(), &ada, Some(&cursor), 10).unwrap().rows, orders[2..]);
    is_refused(paid(&another.larder, &ada, Some(&cursor), 10));
}

#[test]
fn a_cursor_is_a_text_to_whoever_reads_or_writes_it() {
    let shop = Shop::new();
    let (ada, orders) = with_orders(&shop, 3);
    let cursor = paid(&shop.larder, &ada, None, 2).unwrap().next.unwrap();
    let text = cursor.to_string();
    let bytes = postcard::to_stdvec(&cursor).unwrap();
    assert_eq!(bytes, postcard::to_stdvec(&text).unwrap());
    let back: Cursor = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(paid(&shop.larder, &ada, Some(&back), 2).unwrap().rows, orders[2..]);
    assert!(postcard::from_bytes::<Cursor>(&postcard::to_stdvec("<script>").unwrap()).is_err());
    // What a log shows says nothing of the row.
    assert!(!format!("{cursor:?}").contains(&text));
}
