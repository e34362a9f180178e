use larder::store::{Nonce, Recall, Store};
use larder_redis::{BuildError, RedisStore};

use crate::{
    cells::{LONG, begin, held, key, lease, put, read, whole},
    eventually::eventually,
    recorder::{Recorder, Told, every_10_ms},
    server::Server,
};

const PASSWORD: &str = "correct-horse";
const WRONG: &str = "battery-staple";

/// A server with a password, and with another one for the user `ada`.
fn guarded() -> Server {
    let server = Server::private(&[]);
    let mut raw = server.raw();
    let rules = ["on", &format!(">{PASSWORD}2"), "~*", "&*", "+@all"];
    redis::cmd("ACL").arg("SETUSER").arg("ada").arg(&rules).exec(&mut raw).unwrap();
    redis::cmd("CONFIG").arg("SET").arg("requirepass").arg(PASSWORD).exec(&mut raw).unwrap();
    server
}

fn at_raw(server: &Server) -> redis::Connection {
    let url = format!("redis://:{PASSWORD}@127.0.0.1:{}", server.port());
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

fn at(server: &Server, user_info: &str, path: &str) -> RedisStore {
    let url = format!("redis://{user_info}127.0.0.1:{}{path}", server.port());
    RedisStore::builder(&url).quarantine(std::time::Duration::ZERO).build().unwrap()
}

#[test]
fn the_right_password_and_database_are_taken_from_the_url() {
    let server = guarded();
    let key = key("a");
    for (user_info, path) in
        [(format!(":{PASSWORD}@"), ""), (format!("ada:{PASSWORD}2@"), "/"), (format!("default:{PASSWORD}@"), "/0")]
    {
        let store = at(&server, &user_info, path);
        read(&store, &key).unwrap();
    }
    put(&at(&server, &format!(":{PASSWORD}@"), "/2"), &key, b"two");
    assert_eq!(read(&at(&server, &format!("ada:{PASSWORD}2@"), "/2"), &key).unwrap(), held(b"two"));
    assert_ne!(read(&at(&server, &format!(":{PASSWORD}@"), "/1"), &key).unwrap(), held(b"two"));
}

#[test]
fn who_listens_gives_the_same_password_and_database() {
    let server = guarded();
    for (user_info, path) in
        [(format!(":{PASSWORD}@"), "/2"), (format!("ada:{PASSWORD}2@"), "/"), (format!("default:{PASSWORD}@"), "/0")]
    {
        let store = at(&server, &user_info, path);
        let place = store.begin(Nonce::fresh(), &[&key("a")], LONG, Recall::Announced).unwrap();
        let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
        assert_eq!(recorder.told()[0], Told::Joined(place), "the place is that of the database");
    }
    let store = at(&server, &format!("ada:{WRONG}@"), "");
    let recorder = Recorder::new();
    let subscription = store.listen(recorder.listener(), every_10_ms(false)).unwrap();
    let mut raw = at_raw(&server);
    eventually("it has been refused", || {
        let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut raw).unwrap();
        stats.lines().any(|line| line.starts_with("cmdstat_hello:") && !line.ends_with("failed_calls=0"))
    });
    drop(subscription);
    assert_eq!(recorder.told(), [Told::Lost], "it never was told of anything");
}

#[test]
fn a_wrong_password_is_refused_and_named_nowhere() {
    let (server, key) = (guarded(), key("a"));
    for user_info in [format!(":{WRONG}@"), format!("ada:{WRONG}@"), String::new()] {
        let store = at(&server, &user_info, "");

        for error in
            [read(&store, &key).unwrap_err(), lease(&store, &key).unwrap_err(), begin(&store, &key).unwrap_err()]
        {
            let text = format!("{} {error:?} {store:?}", whole(&error));
            assert!(error.is_refused(), "{text}");
            assert!(text.contains("assword") || text.contains("NOAUTH"), "{text}");
            assert!(!text.contains(WRONG) && !text.contains(PASSWORD), "{text}");
        }
    }
}

#[test]
fn a_password_that_is_changed_is_asked_for_with_the_next_connection() {
    let server = Server::private(&[]);
    let (store, key, mut raw) = (server.store(), key("a"), server.raw());
    put(&store, &key, b"one");
    redis::cmd("CONFIG").arg("SET").arg("requirepass").arg(PASSWORD).exec(&mut raw).unwrap();
    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").exec(&mut raw).unwrap();
    eventually("the server is closed", || read(&store, &key).is_err_and(|error| error.is_refused()));
    redis::cmd("AUTH").arg(PASSWORD).exec(&mut raw).unwrap();
    redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("").exec(&mut raw).unwrap();
    eventually("the server is open again", || read(&store, &key).is_ok());
}

#[test]
fn a_malformed_url_is_refused_at_once_without_its_password() {
    let urls = [
        String::new(),
        "localhost".to_owned(),
        "http://localhost".to_owned(),
        "redis://".to_owned(),
        format!("redis://:{WRONG}@"),
        format!("redis://:{WRONG}@localhost:notaport"),
        format!("redis://:{WRONG}@localhost:99999"),
        format!("redis://:{WRONG}@localhost/{WRONG}"),
        format!("redis://localhost/?protocol={WRONG}"),
        format!("postgres://:{WRONG}@localhost"),
    ];
    for url in urls {
        let error = RedisStore::connect(&url).unwrap_err();
        let text = format!("{} {error:?}", whole(&error));
        assert!(matches!(error, BuildError::InvalidUrl { .. }), "{url}: {text}");
        assert!(!text.contains(WRONG), "{text}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_url_with_tls_needs_its_feature() {
    let error = RedisStore::connect("rediss://localhost").unwrap_err();
    assert!(whole(&error).contains("feature `tls`"), "{}", whole(&error));
}

#[test]
fn settings_that_make_no_sense_are_refused_at_once() {
    use std::time::Duration;
    let builder = || RedisStore::builder("redis://localhost");
    for (error, name) in [
        (builder().pool_size(0).build().unwrap_err(), "pool_size"),
        (builder().pipelines(0).build().unwrap_err(), "pipelines"),
        (builder().io_timeout(Duration::ZERO).build().unwrap_err(), "io_timeout"),
        (builder().connect_timeout(Duration::ZERO).build().unwrap_err(), "connect_timeout"),
    ] {
        assert!(matches!(error, BuildError::Zero { setting } if setting == name), "{error:?}");
    }
    let debug = format!("{:?}", RedisStore::builder(&format!("redis://:{PASSWORD}@localhost")));
    assert!(!debug.contains(PASSWORD), "{debug}");
}
