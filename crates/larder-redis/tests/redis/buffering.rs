//! A buffer of writes on a real server.

use std::{sync::Arc, time::Duration};

use larder::buffer::{AppendError, Appended, Buffer, Bytes, Size};
use larder_redis::{RedisBuffer, RedisStore};

use crate::server::{Server, namespace};

/// The server stays as long as what makes buffers on it.
fn fresh_on(server: Arc<Server>) -> impl Fn() -> RedisBuffer {
    move || server.store().buffer("test")
}

larder::buffer_conformance_tests!(fresh_on(Server::shared()));

/// A server that writes each command through to the disk before it answers.
fn durable() -> Server {
    Server::private(&[("appendonly", "yes"), ("appendfsync", "always")])
}

fn append(buffer: &RedisBuffer, text: &'static str) -> Result<Appended, AppendError> {
    buffer.append(&[Bytes::from_static(text.as_bytes())], Size { n_entries: 100, n_bytes: 1 << 20 })
}

fn texts(buffer: &RedisBuffer) -> Vec<Bytes> {
    buffer.read(100, None).unwrap().into_iter().map(|entry| entry.bytes).collect()
}

/// As soon as its store has heard that the server is back.
fn eventually<T>(what: &str, mut call: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    crate::eventually::eventually(what, || {
        found = call();
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn buffers_of_one_name_and_namespace_are_one_and_others_are_others() {
    let server = Server::shared();
    let namespace = namespace();
    let store = |namespace: &str| server.builder().namespace(namespace).build().unwrap();
    let (one, same) = (store(&namespace).buffer("a"), store(&namespace).buffer("a"));
    let others = [store(&namespace).buffer("b"), store(&(namespace + "x:")).buffer("a")];
    append(&one, "1").unwrap();
    assert_eq!(texts(&same), ["1"]);
    assert!(others.iter().all(|other| texts(other).is_empty()));
}

#[test]
fn a_buffer_is_no_cell() {
    use larder::store::{Cursor, Store as _};
    let server = Server::shared();
    let store = server.store();
    append(&store.buffer("a"), "1").unwrap();
    let (mut from, mut keys) = (Some(Cursor::START), Vec::new());
    while let Some(cursor) = from {
        let scanned = store.scan(b"", cursor).unwrap();
        keys.extend(scanned.keys);
        from = scanned.next;
    }
    assert_eq!(keys, []);
}

#[test]
fn a_killed_server_has_all_that_it_took_and_nothing_is_removed_by_an_old_place() {
    let mut server = durable();
    let buffer = server.store().buffer("test");
    for text in ["a", "b"] {
        append(&buffer, text).unwrap();
    }
    let read = buffer.read(1, None).unwrap();
    server.kill();
    assert!(matches!(append(&buffer, "c"), Err(AppendError::NotAppended(_) | AppendError::Unknown(_))));
    server.restart();
    let texts = || eventually("the server is back", || buffer.read(100, None).ok());
    let before: Vec<Bytes> = texts().into_iter().map(|entry| entry.bytes).collect();
    assert_eq!(before, ["a", "b"]);
    // What lies there might be another's by now.
    buffer.remove(&[read[0].id]).unwrap();
    assert_eq!(texts().len(), 2);
    assert!(
        buffer.read(1, Some(read[0].id)).unwrap_err().is_refused(),
        "something might be left out between two lives"
    );
    let again: Vec<_> = texts().into_iter().map(|entry| entry.id).collect();
    buffer.remove(&again).unwrap();
    assert!(texts().is_empty());
}

#[test]
fn a_server_that_can_not_be_reached_has_certainly_taken_nothing() {
    let mut server = Server::private(&[]);
    let buffer = server.store().buffer("test");
    append(&buffer, "a").unwrap();
    server.kill();
    // Who finds his connection broken can't know; those after him can.
    let error = eventually("it is certain", || append(&buffer, "b").err().filter(|error| !is_unknown(error)));
    assert!(matches!(error, AppendError::NotAppended(_)));
}

#[test]
fn a_server_that_does_not_answer_may_have_taken_it() {
    let server = Server::private(&[]);
    let buffer = server.builder().io_timeout(Duration::from_millis(50)).build().unwrap().buffer("test");
    append(&buffer, "a").unwrap();
    let frozen = server.freeze();
    assert!(is_unknown(&append(&buffer, "b").unwrap_err()));
    drop(frozen);
    eventually("it has taken it", || (texts(&buffer) == ["a", "b"]).then_some(()));
}

fn is_unknown(error: &AppendError) -> bool {
    matches!(error, AppendError::Unknown(_))
}

#[test]
fn a_server_that_may_evict_the_buffer_or_has_no_memory_takes_nothing() {
    for (policy, takes) in
        [("allkeys-lru", false), ("allkeys-random", false), ("volatile-lru", true), ("noeviction", true)]
    {
        let server = Server::private(&[("maxmemory", "50mb"), ("maxmemory-policy", policy)]);
        let appended = append(&server.store().buffer("test"), "a");
        assert_eq!(appended.is_ok(), takes, "{policy}: {appended:?}");
        if let Err(error) = appended {
            assert!(!is_unknown(&error));
        }
    }
    // What is changed while it runs is seen too.
    let server = Server::private(&[]);
    let buffer = server.store().buffer("test");
    append(&buffer, "a").unwrap();
    let set = |name: &str, value: &str| {
        redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec(&mut server.raw()).unwrap();
    };
    set("maxmemory-policy", "allkeys-lru");
    append(&buffer, "it has no limit").unwrap();
    set("maxmemory", "50mb");
    let error = eventually("it is asked", || append(&buffer, "b").err());
    let AppendError::NotAppended(error) = error else { panic!("{error:?}") };
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(reason, "maxmemory-policy is allkeys-lru, which may evict what waits");
    set("maxmemory-policy", "noeviction");
    append(&buffer, "it is asked at once while it is refused").unwrap();
    let server = Server::private(&[("maxmemory", "50mb"), ("maxmemory-policy", "noeviction")]);
    let buffer = server.store().buffer("test");
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").exec(&mut server.raw()).unwrap();
    assert!(!is_unknown(&append(&buffer, "a").unwrap_err()));
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("0").exec(&mut server.raw()).unwrap();
    append(&buffer, "b").unwrap();
    assert_eq!(texts(&buffer), ["b"]);
}

#[test]
fn what_is_no_stream_takes_nothing_and_what_others_have_added_is_nothing() {
    let server = Server::shared();
    let namespace = namespace();
    let store = server.builder().namespace(&namespace).build().unwrap();
    let key = |name: &str| format!("{namespace}#behind:{name}");
    let () = redis::cmd("SET").arg(key("text")).arg("x").query(&mut server.raw()).unwrap();
    let text = store.buffer("text");
    assert!(matches!(append(&text, "a"), Err(AppendError::NotAppended(error)) if error.is_refused()));
    assert!(text.read(1, None).is_err() && text.backlog().is_err());
    let foreign = store.buffer("foreign");
    let mut add = redis::cmd("XADD");
    add.arg(key("foreign")).arg("*").arg("one").arg("1").arg("two").arg("2").exec(&mut server.raw()).unwrap();
    append(&foreign, "a").unwrap();
    assert_eq!(texts(&foreign), ["", "a"]);
}

#[test]
fn the_permissions_that_are_documented_are_enough() {
    let server = Server::private(&[]);
    let rules = "~shop:* +hello +select +info +ping +client|setname +evalsha +script|load +get +set +xadd +xlen +xrange \
                 +xrevrange +xdel +time";
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("ada").arg("reset").arg("on").arg(">secret").arg(rules.split(' ').collect::<Vec<_>>());
    command.exec(&mut server.raw()).unwrap();
    let url = format!("redis://ada:secret@127.0.0.1:{}", server.port());
    let buffer = RedisStore::builder(&url).namespace("shop:").build().unwrap().buffer("test");
    append(&buffer, "a").unwrap();
    let entries = buffer.read(1, None).unwrap();
    buffer.backlog().unwrap();
    buffer.remove(&[entries[0].id]).unwrap();
    let denied: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query(&mut server.raw()).unwrap();
    assert_eq!(denied, []);
}

#[test]
fn a_server_that_has_forgotten_the_script_is_told_it_again() {
    let server = Server::private(&[]);
    let buffer = server.store().buffer("test");
    append(&buffer, "a").unwrap();
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut server.raw()).unwrap();
    append(&buffer, "b").unwrap();
    assert_eq!(texts(&buffer), ["a", "b"]);
}

/// What somebody has taken out by hand is not room for good: it is known again as soon as the buffer is empty.
#[test]
fn bytes_that_others_have_taken_out_are_made_up_for_when_it_is_empty() {
    let server = Server::shared();
    let namespace = namespace();
    let buffer = server.builder().namespace(&namespace).build().unwrap().buffer("test");
    for text in ["a", "b", "c"] {
        append(&buffer, text).unwrap();
    }
    let ids: Vec<_> = buffer.read(3, None).unwrap().into_iter().map(|entry| entry.id).collect();
    let place = format!("{}-{}", ids[0].place.0, ids[0].place.1);
    redis::cmd("XDEL").arg(format!("{namespace}#behind:test")).arg(place).exec(&mut server.raw()).unwrap();
    assert_eq!(buffer.backlog().unwrap().size, Size { n_entries: 2, n_bytes: 3 * 33 });
    buffer.remove(&ids).unwrap();
    assert_eq!(buffer.backlog().unwrap().size, Size::default());
    assert_eq!(append(&buffer, "d").unwrap(), Appended::All(Size { n_entries: 1, n_bytes: 33 }));
}
