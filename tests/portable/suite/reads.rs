//! Finders by key: what they give and what they cost.

use larder::Error;

use crate::site::{Cost, Counts, Moment, N_KEYS, Shop, Status, User, nobody};

const COLD: Cost = Cost { sql: 1, store_reads: 1, store_writes: 2 };
const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };

#[test]
fn a_row_is_loaded_once_and_then_comes_from_the_store() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let users = User::repository(&shop.larder);
    assert_eq!(users.find(ada.id).unwrap().as_ref(), Some(&ada));
    shop.meter.expect_counts(Counts { sql: 1, reads: 1, leases: 1, fills: 1, ..Counts::default() });
    assert_eq!(users.find(ada.id).unwrap().as_ref(), Some(&ada));
    shop.meter.expect(WARM);
    assert_eq!(users.get(ada.id).unwrap(), ada);
    shop.meter.expect(WARM);
}

#[test]
fn a_row_that_is_cached_by_one_handle_is_there_for_another() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    User::repository(&shop.larder).get(ada.id).unwrap();
    let other = shop.branch();
    assert_eq!(User::repository(&other.larder).get(ada.id).unwrap(), ada);
    other.meter.expect(WARM);
}

#[test]
fn an_absent_row_is_remembered_as_absent_until_it_is_inserted() {
    let shop = Shop::new();
    let (users, id) = (User::repository(&shop.larder), nobody());
    assert_eq!(users.find(id).unwrap(), None);
    shop.meter.expect(COLD);
    assert!(matches!(users.get(id), Err(Error::NotFound { table: "users" })));
    shop.meter.expect(WARM);
    let new = crate::site::NewUser { id, email: "new@example.com".to_owned(), created_at: Moment::now() };
    let new = users.insert(&new).unwrap();
    assert_eq!(users.find(id).unwrap(), Some(new));
}

#[test]
fn many_rows_come_in_the_order_of_their_keys_with_gaps_and_repetitions() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let users = User::repository(&shop.larder);
    let keys = [bob.id, nobody(), ada.id, bob.id];
    let expected = vec![Some(bob.clone()), None, Some(ada), Some(bob)];
    assert_eq!(users.find_many(&keys).unwrap(), expected);
    shop.meter.expect(COLD);
    assert_eq!(users.find_many(&keys).unwrap(), expected);
    shop.meter.expect(WARM);
    assert_eq!(users.find_many(&[]).unwrap(), []);
    shop.meter.expect(Cost::default());
}

#[test]
fn many_rows_cost_what_one_costs() {
    let shop = Shop::new();
    let keys: Vec<_> = (0..500).map(|n| shop.user(&format!("user-{n}")).id).collect();
    let users = User::repository(&shop.larder);
    let found = users.find_many(&keys).unwrap();
    assert_eq!(
        found.iter().map(|user| user.as_ref().map(|user| user.id)).collect::<Vec<_>>(),
        keys.iter().map(|key| Some(*key)).collect::<Vec<_>>()
    );
    shop.meter.expect(COLD);
    users.find_many(&keys).unwrap();
    shop.meter.expect(WARM);
}

#[test]
fn keys_beyond_a_batch_cost_one_more_round_trip_and_no_more_statements() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let mut keys: Vec<_> = (0..512).map(|_| nobody()).collect();
    keys.push(ada.id);
    let users = User::repository(&shop.larder);
    assert_eq!(users.find_many(&keys).unwrap().pop(), Some(Some(ada)));
    shop.meter.expect_counts(Counts { sql: 1, reads: 2, leases: 2, fills: 2, ..Counts::default() });
    users.find_many(&keys).unwrap();
    shop.meter.expect(Cost { store_reads: 2, ..WARM });
    users.find_many(&keys[1..]).unwrap();
    shop.meter.expect(WARM);
}

#[test]
fn keys_beyond_what_a_statement_binds_take_a_second_one() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let bare = shop.bare(2);
    let users = User::repository(&bare);
    let mut keys: Vec<_> = (0..N_KEYS).map(|_| nobody()).collect();
    keys[0] = ada.id;
    assert_eq!(users.find_many(&keys).unwrap().iter().flatten().count(), 1);
    shop.meter.expect(Cost { sql: 1, ..Cost::default() });
    keys.push(shop.user("bob").id);
    let found = users.find_many(&keys).unwrap();
    shop.meter.expect(Cost { sql: 2, ..Cost::default() });
    assert_eq!(found.iter().flatten().map(|user| &user.email[..3]).collect::<Vec<_>>(), ["ada", "bob"]);
    assert!(found.first().is_some_and(Option::is_some) && found.last().is_some_and(Option::is_some));
}

#[test]
fn only_the_missing_rows_are_loaded() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let users = User::repository(&shop.larder);
    users.get(ada.id).unwrap();
    shop.meter.reset();
    users.find_many(&[ada.id, bob.id]).unwrap();
    let statement = &shop.meter.statements()[0];
    assert!(statement.contains(&bob.id.to_string()) && !statement.contains(&ada.id.to_string()), "{statement}");
    shop.meter.expect(COLD);
}

#[test]
fn a_unique_column_finds_its_row_in_one_round_trip() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let users = User::repository(&shop.larder);
    assert_eq!(users.find_by_email("ada@example.com").unwrap(), Some(ada.clone()));
    shop.meter.expect(COLD);
    assert_eq!(users.find_by_email("ada@example.com").unwrap(), Some(ada.clone()));
    shop.meter.expect(WARM);
    let found = users.find_by_email_many(&["bob@example.com", "nobody", "ada@example.com"]).unwrap();
    assert_eq!(found, [Some(bob), None, Some(ada)]);
    shop.meter.expect(COLD);
}

#[test]
fn a_row_can_be_asked_for_without_being_loaded() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let users = User::repository(&shop.larder);
    assert!(users.exists(ada.id).unwrap());
    assert!(!users.exists(nobody()).unwrap());
    shop.meter.expect(Cost { sql: 2, store_reads: 2, store_writes: 0 });
    users.get(ada.id).unwrap();
    shop.meter.reset();
    assert!(users.exists(ada.id).unwrap());
    shop.meter.expect(WARM);
}

#[test]
fn any_query_of_diesels_keeps_its_shape() {
    use crate::site::schema::users;
    use diesel::prelude::*;
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let order = shop.order(&bob, Status::Paid, 100, 1);
    let found = User::repository(&shop.larder)
        .with(User::orders())
        .query(|q| q.filter(users::email.like("%@example.com")).order(users::email.desc()).limit(2))
        .unwrap();
    assert_eq!(found, [(bob, vec![order]), (ada, vec![])]);
    shop.meter.expect(Cost { sql: 2, store_reads: 1, store_writes: 2 });
}

#[test]
fn without_a_store_every_read_is_a_statement() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let bare = shop.bare(2);
    for _ in 0..2 {
        assert_eq!(User::repository(&bare).get(ada.id).unwrap(), ada);
        shop.meter.expect(Cost { sql: 1, ..Cost::default() });
    }
}

#[test]
fn a_transaction_reads_its_own_rows_past_every_cache() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    User::repository(&shop.larder).get(ada.id).unwrap();
    shop.meter.reset();
    shop.larder
        .transaction(|tx| {
            let users = User::repository(tx);
            assert_eq!(users.get(ada.id)?, ada);
            shop.meter.expect(Cost { sql: 1, ..Cost::default() });
            let changes = crate::site::UserChanges { email: Some("new@example.com".to_owned()), ..Default::default() };
            users.update(ada.id, &changes)?;
            assert_eq!(users.get(ada.id)?.email, "new@example.com");
            assert!(users.find_by_email("ada@example.com")?.is_none());
            Ok(())
        })
        .unwrap();
}
