use std::collections::HashMap;

use larder::store::{BATCH, CellKey, Cursor, Nonce, Recall, Store, Vacancy};

use crate::{
    cells::{LONG, begin, held, key, keys, lease, put, read, stored},
    server::{Server, namespace},
};

/// How often each command has run on a server since it was asked last.
fn commands(raw: &mut redis::Connection) -> HashMap<String, u64> {
    let text: String = redis::cmd("INFO").arg("commandstats").query(raw).unwrap();
    redis::cmd("CONFIG").arg("RESETSTAT").exec(raw).unwrap();
    text.lines()
        .filter_map(|line| {
            let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), figures.split(',').next()?.parse().ok()?))
        })
        .collect()
}

#[test]
fn an_operation_is_one_command_for_each_batch() {
    let server = Server::private(&[]);
    let (store, mut raw) = (server.store(), server.raw());
    for (n_keys, n_commands) in [(1, 1), (100, 1), (BATCH, 1), (BATCH + 1, 2), (3 * BATCH, 3)] {
        let keys = keys(n_keys);
        let all: Vec<&CellKey> = keys.iter().collect();
        let vacant: Vec<_> = keys.iter().map(|key| (key, Vacancy::Nothing)).collect();
        let endings: Vec<_> = keys.iter().map(|key| (key, stored(b"value"))).collect();
        let nonce = Nonce::fresh();
        let values: Vec<_> = keys.iter().map(|key| (key, nonce, LONG)).collect();
        // Whatever the connection and the first use of a script cost is not of this.
        store.lease(&vacant, LONG).unwrap();
        store.begin(nonce, &all, LONG, Recall::Announced).unwrap();
        store.finish(nonce, &endings).unwrap();
        store.extend(&values).unwrap();
        store.settle(None, &all).unwrap();
        commands(&mut raw);

        store.read(&keys).unwrap();
        let counted = commands(&mut raw);
        assert_eq!(counted.get("mget"), Some(&n_commands), "{counted:?}");
        assert_eq!(counted.get("evalsha"), None);

        store.inspect(&keys).unwrap();
        let counted = commands(&mut raw);
        assert_eq!(counted.get("mget"), Some(&n_commands), "{counted:?}");
        assert_eq!(counted.get("pttl"), Some(&(n_keys as u64)), "{counted:?}");

        store.scan(b"", Cursor::START).unwrap();
        assert_eq!(commands(&mut raw).get("scan"), Some(&1));

        let mut evalsha = |what: &str| {
            let counted = commands(&mut raw);
            assert_eq!(counted.get("evalsha"), Some(&n_commands), "{what}: {counted:?}");
            for stranger in ["eval", "script|load", "mget"] {
                assert_eq!(counted.get(stranger), None, "{what}");
            }
        };
        store.extend(&values).unwrap();
        evalsha("extend");
        store.lease(&vacant, LONG).unwrap();
        evalsha("lease");
        store.begin(nonce, &all, LONG, Recall::Announced).unwrap();
        evalsha("begin");
        store.finish(nonce, &endings).unwrap();
        evalsha("finish");
        store.settle(None, &all).unwrap();
        evalsha("settle");
    }
}

#[test]
fn a_server_that_has_forgotten_the_scripts_is_told_again() {
    let server = Server::private(&[]);
    let (store, mut raw) = (server.builder().namespace("here:").build().unwrap(), server.raw());
    let mut forget = || redis::cmd("SCRIPT").arg("FLUSH").exec(&mut raw).unwrap();
    for round in 0..2 {
        let key = key(&round.to_string());
        forget();
        let granted = lease(&store, &key).unwrap();
        forget();
        assert!(crate::cells::fill(&store, &key, granted.unwrap(), b"filled").unwrap());
        forget();
        let nonce = begin(&store, &key).unwrap();
        forget();
        store.finish(nonce, &[(&key, stored(b"written"))]).unwrap();
        assert_eq!(read(&store, &key).unwrap(), held(b"written"));
        forget();
        store.settle(None, &[&key]).unwrap();
        assert_eq!(read(&store, &key).unwrap(), crate::cells::NOTHING);
    }
}

#[test]
fn each_command_of_a_pipeline_is_replayed_by_itself_and_once() {
    let server = Server::private(&[]);
    let (store, mut raw) = (server.builder().namespace("here:").build().unwrap(), server.raw());
    let keys = keys(2 * BATCH + 1);
    let all: Vec<&CellKey> = keys.iter().collect();
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut raw).unwrap();
    store.begin(Nonce::fresh(), &all, LONG, Recall::Announced).unwrap();
    for key in ["here:0", "here:511", "here:512", "here:1024"] {
        let marker: Vec<u8> = redis::cmd("GET").arg(key).query(&mut raw).unwrap();
        assert_eq!(&marker[..2], b"Mc", "the marker of {key} was taken twice");
        assert_eq!(marker.len(), 2 + 8 + 16 + 13, "the marker of {key} was taken twice");
    }
}

#[test]
fn what_a_value_costs_beside_itself_is_its_header() {
    let server = Server::shared();
    let namespace = namespace();
    let store = server.builder().namespace(namespace.as_str()).build().unwrap();
    put(&store, &key("a"), b"payload");
    let mut raw = server.raw();
    let bytes: Vec<u8> = redis::cmd("GET").arg(format!("{namespace}a")).query(&mut raw).unwrap();
    assert_eq!(bytes.len(), 33 + b"payload".len());
    let fence = lease(&store, &key("b")).unwrap().unwrap().fence;
    assert_eq!(bytes[..9], [b"V", &fence.0[..]].concat());
    assert_eq!(bytes[9..17], key("a").layout().as_bytes()[..]);
    assert_eq!(bytes[33..], b"payload"[..]);
}

#[test]
fn namespaces_are_caches_apart() {
    let server = Server::shared();
    let (one, other) = (server.store(), server.store());
    put(&one, &key("a"), b"one");
    assert_eq!(read(&other, &key("a")).unwrap(), crate::cells::NOTHING);
    begin(&other, &key("a")).unwrap();
    assert_eq!(read(&one, &key("a")).unwrap(), held(b"one"));
}
