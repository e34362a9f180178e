//! What a user of the server must be allowed to do.

use std::{collections::HashMap, time::Duration};

use larder::store::{Nonce, Recall, Store};
use larder_redis::RedisStore;

use crate::{
    cells::{LONG, begin, finish, held, key, put, read, stored},
    eventually::eventually,
    recorder::{Recorder, Told, every_10_ms},
    server::Server,
};

/// As the documentation of `RedisStore` has it.
const RULES: &str = "~shop:* &shop:#* +hello +select +info +ping +client|setname +mget +pttl +scan +evalsha +eval +script|load \
                     +set +get +getrange +del +zadd +zrem +zscore +zrangebyscore +zremrangebyscore +pexpire +time +publish \
                     +subscribe";

fn store_of(server: &Server, rules: &[&str]) -> RedisStore {
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("ada").arg("reset").arg("on").arg(">secret").arg("resetchannels").arg(rules);
    command.exec(&mut server.raw()).unwrap();
    let url = format!("redis://ada:secret@127.0.0.1:{}", server.port());
    let builder = RedisStore::builder(&url).namespace("shop:").quarantine(Duration::ZERO);
    builder.strict_horizon(Duration::from_millis(100)).build().unwrap()
}

#[test]
fn the_permissions_that_are_documented_are_enough() {
    let server = Server::private(&[]);
    let store = store_of(&server, &RULES.split(' ').collect::<Vec<_>>());
    let (recorder, subscription) = Recorder::on(&store, every_10_ms(true));
    let nonce = begin(&store, &key("a")).unwrap();
    finish(&store, &key("a"), nonce, stored(b"one")).unwrap();
    assert_eq!(read(&store, &key("a")).unwrap(), held(b"one"));
    put(&store, &key("b"), b"two");
    assert_eq!(store.extend(&[(&key("a"), nonce, LONG)]).unwrap(), [true]);
    store.settle(None, &[&key("a"), &key("b")]).unwrap();
    store.inspect(&[key("a")]).unwrap();
    store.scan(b"", larder::store::Cursor::START).unwrap();
    for recall in [Recall::Acknowledged, Recall::Outwaited] {
        store.begin(Nonce::fresh(), &[&key("a")], LONG, recall).unwrap();
    }
    recorder.wait_for_proof();
    assert_eq!(recorder.dropped().len(), 4);
    drop(subscription);
    assert_eq!(recorder.n_lost(), 1);
    let denied: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query(&mut server.raw()).unwrap();
    assert_eq!(denied, []);
}

#[test]
fn without_its_channels_nothing_is_written_that_nobody_hears_of() {
    let server = Server::private(&[]);
    let rules: Vec<&str> = RULES.split(' ').filter(|rule| !rule.starts_with('&')).collect();
    let store = store_of(&server, &rules);
    let error = begin(&store, &key("a")).unwrap_err();
    assert!(error.is_refused(), "{error:?}");
    let recorder = Recorder::new();
    let subscription = store.listen(recorder.listener(), every_10_ms(false)).unwrap();
    eventually("it has tried to subscribe", || {
        let denied: Vec<HashMap<String, redis::Value>> = redis::cmd("ACL").arg("LOG").query(&mut server.raw()).unwrap();
        let channel = redis::Value::BulkString(b"shop:#changed0".to_vec());
        let is_it = |entry: &HashMap<String, redis::Value>| {
            entry["object"] == channel && entry["context"] == redis::Value::BulkString(b"toplevel".to_vec())
        };
        denied.iter().any(is_it)
    });
    drop(subscription);
    assert_eq!(recorder.told(), [Told::Lost], "it never was told of anything");
}
