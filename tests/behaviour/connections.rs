//! Connections that the server has closed.

use diesel::connection::SimpleConnection as _;
use shop_core::{User, UserChanges};
use tests::Shop;

/// Ends every connection to the shop's database but the one that says so.
fn end_connections(shop: &Shop) {
    let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    shop.database.connect().batch_execute(end).unwrap();
}

#[test]
fn a_connection_that_died_is_not_handed_out_for_good() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let users = User::repository(&shop.larder);
    assert_eq!(users.get(ada.id).unwrap(), ada);
    end_connections(&shop);
    // A statement that the connection has not prepared before.
    let find = || users.find_by_email(ada.email.as_str());
    // The pool had one connection. It is told of by one error, or by two: the server's last word, and that it has gone.
    let n_errors = (0..5).filter(|_| find().is_err()).count();
    assert!((1..=2).contains(&n_errors), "{n_errors}");
    assert_eq!(find().unwrap(), Some(ada));
}

#[test]
fn a_write_on_a_connection_that_died_leaves_it_to_no_other() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let update = |day| {
        let changes = UserChanges { created_at: Some(tests::day(day)), ..UserChanges::default() };
        User::repository(&shop.larder).update(ada.id, changes)
    };
    assert_eq!(User::repository(&shop.larder).get(ada.id).unwrap(), ada);
    end_connections(&shop);
    let n_errors = (2..7).filter(|day| update(*day).is_err()).count();
    assert!((1..=2).contains(&n_errors), "{n_errors}");
    assert_eq!(update(9).unwrap().created_at, tests::day(9));
}
