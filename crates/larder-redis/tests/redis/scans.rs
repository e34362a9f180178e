use std::collections::BTreeSet;

use larder::store::{Cell, Cursor, Store, StoreError};
use larder_redis::RedisStore;

use crate::{
    cells::{FOREIGN, NOTHING, key, keys, put},
    eventually::eventually,
    server::{Server, namespace},
};

fn scan(store: &RedisStore) -> BTreeSet<String> {
    let (mut found, mut cursor) = (BTreeSet::new(), Cursor::START);
    loop {
        let page = store.scan(b"", cursor).unwrap();
        found.extend(page.keys.iter().map(ToString::to_string));
        match page.next {
            Some(next) => cursor = next,
            None => return found,
        }
    }
}

#[test]
fn a_scan_stays_in_its_namespace_whatever_that_is_called() {
    let server = Server::private(&[]);
    // As a pattern, each of them but the first would match keys of the others, or not its own.
    let names = ["abc:", "a*c:", "a?c:", "[abc]:", "a\\*c:", "*"];
    let stores = names.map(|name| server.builder().namespace(name).build().unwrap());
    for (n, store) in stores.iter().enumerate() {
        put(store, &key(&n.to_string()), b"one");
    }
    for (n, store) in stores.iter().enumerate() {
        assert_eq!(scan(store), BTreeSet::from([n.to_string()]), "in {}", names[n]);
    }
}

#[test]
fn a_page_is_bounded_and_may_be_empty() {
    let server = Server::private(&[]);
    let (store, others) = (server.store(), server.store());
    for key in keys(5_000) {
        put(&others, &key, b"one");
    }
    let page = store.scan(b"", Cursor::START).unwrap();
    assert_eq!(page.keys, []);
    assert!(page.next.is_some(), "there is more than a page of others' keys");
    let page = others.scan(b"", Cursor::START).unwrap();
    assert!((256..1_024).contains(&page.keys.len()), "{} keys in a page", page.keys.len());
}

#[test]
fn a_scan_does_not_go_on_in_another_life_of_the_server() {
    let mut server = Server::private(&[]);
    let store = server.store();
    for key in keys(2_000) {
        put(&store, &key, b"one");
    }
    let cursor = store.scan(b"", Cursor::START).unwrap().next.expect("there are more keys than a page has");
    assert!(store.scan(b"", cursor).is_ok(), "a page may be asked for twice");
    server.kill();
    server.restart();
    eventually("the store is back", || store.scan(b"", Cursor::START).is_ok());
    assert!(store.scan(b"", cursor).is_err_and(|error| error.is_refused()));
}

#[test]
fn another_type_under_a_key_is_inspected_as_it_is_read_and_found_by_a_scan() {
    let server = Server::shared();
    let namespace = namespace();
    let (store, mut raw) = (server.builder().namespace(namespace.as_str()).build().unwrap(), server.raw());
    redis::cmd("RPUSH").arg(format!("{namespace}list")).arg("item").exec(&mut raw).unwrap();
    redis::cmd("SET").arg(format!("{namespace}text")).arg("text").exec(&mut raw).unwrap();
    let inspected = store.inspect(&[key("list"), key("text"), key("nothing")]).unwrap();
    assert_eq!(
        inspected.iter().map(|inspected| inspected.cell.clone()).collect::<Vec<Cell>>(),
        [NOTHING, FOREIGN, NOTHING]
    );
    // No cell stays for good, but what others have put there may.
    assert!(inspected.iter().all(|inspected| inspected.stamp.is_none() && inspected.expires_in.is_none()));
    assert_eq!(scan(&store), BTreeSet::from(["list".to_owned(), "text".to_owned()]));
}

#[test]
fn a_server_that_is_away_fails_a_scan_and_an_inspection() {
    let mut server = Server::private(&[]);
    let store = server.store();
    server.kill();
    let errors: [StoreError; 2] =
        [store.scan(b"", Cursor::START).unwrap_err(), store.inspect(&[key("a")]).unwrap_err()];
    assert!(errors.iter().all(StoreError::is_unavailable), "{errors:?}");
}
