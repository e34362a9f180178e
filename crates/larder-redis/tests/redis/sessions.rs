//! Sessions on a real server.

mod races;
mod revoked;

use std::{sync::Arc, time::Duration};

use larder_redis::{
    RedisStore,
    sessions::{SessionError, SessionId, SessionOptions, Sessions},
};
use serde::{Deserialize, Serialize};

use crate::{
    eventually::eventually,
    server::{Server, namespace},
};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Visit {
    basket: Vec<u32>,
    note: String,
}

fn visit(note: &str) -> Visit {
    Visit { basket: vec![1], note: note.to_owned() }
}

/// Sessions in a namespace of their own.
struct Site {
    server: Arc<Server>,
    namespace: String,
}

impl Site {
    fn new() -> Self {
        Self { server: Server::shared(), namespace: namespace() }
    }

    fn store(&self) -> RedisStore {
        self.server.patient().namespace(&self.namespace).build().unwrap()
    }

    fn sessions(&self) -> Sessions<Visit> {
        self.with(SessionOptions::default())
    }

    fn with(&self, options: SessionOptions) -> Sessions<Visit> {
        self.store().sessions("test", options)
    }

    fn keys(&self) -> Vec<String> {
        self.server.keys(&self.namespace)
    }

    /// The milliseconds after which a key expires.
    fn left(&self, key: &str) -> u64 {
        redis::cmd("PTTL").arg(key).query(&mut self.server.raw()).unwrap()
    }
}

fn options(idle: Duration, life: Duration) -> SessionOptions {
    SessionOptions::default().idle(idle).life(life)
}

fn is_live(sessions: &Sessions<Visit>, id: &SessionId) -> bool {
    sessions.load(id).unwrap().is_some()
}

fn data(sessions: &Sessions<Visit>, id: &SessionId) -> Visit {
    sessions.load(id).unwrap().unwrap().data
}

const LONG: Duration = Duration::from_secs(3_600);

#[test]
fn a_session_is_loaded_as_it_was_created_and_saved() {
    let site = Site::new();
    let sessions = site.sessions();
    let mut session = sessions.create(None, visit("new")).unwrap();
    let loaded = sessions.load(session.id()).unwrap().unwrap();
    assert_eq!((&loaded.data, loaded.user(), loaded.id()), (&visit("new"), None, session.id()));
    session.data.basket.push(2);
    sessions.save(&mut session).unwrap();
    session.data.basket.push(3);
    sessions.save(&mut session).unwrap();
    assert_eq!(data(&sessions, session.id()).basket, [1, 2, 3]);
    for name in ["ada", ""] {
        let session = sessions.create(Some(name), visit("of a user")).unwrap();
        assert_eq!(sessions.load(session.id()).unwrap().unwrap().user(), Some(name));
    }
}

#[test]
fn an_id_that_nobody_was_given_is_no_session_and_makes_none() {
    let site = Site::new();
    let sessions = site.sessions();
    let id: SessionId = "0123456789abcdef0123456789abcdef".parse().unwrap();
    assert!(!is_live(&sessions, &id));
    assert!(sessions.rotate(&id).unwrap().is_none() && sessions.sign_in(&id, "ada").unwrap().is_none());
    assert!(matches!(sessions.update(&id, |_| ()), Err(SessionError::Gone)));
    assert!(!sessions.revoke(&id).unwrap() && !sessions.revoke_others(&id).unwrap());
    assert_eq!(site.keys(), [""; 0]);
}

#[test]
fn a_session_that_is_used_lasts_and_one_that_is_not_ends_after_its_idle_time() {
    const IDLE: Duration = Duration::from_millis(300);
    let site = Site::new();
    let sessions = site.with(options(IDLE, LONG));
    let unused = sessions.create(None, visit("")).unwrap();
    let used = sessions.create(None, visit("")).unwrap();
    let (mut last, mut n_micros) = (site.server.now(), 0);
    // For as long as three idle times; a machine that stood still has not used it, and begins anew.
    while n_micros < 900_000 {
        let before = site.server.now();
        if is_live(&sessions, used.id()) {
            n_micros += before - last;
            last = before;
        } else {
            assert!(site.server.now() - last >= 300_000, "it ended though it was used");
            return a_session_that_is_used_lasts_and_one_that_is_not_ends_after_its_idle_time();
        }
    }
    assert!(!is_live(&sessions, unused.id()));
    eventually("nothing of it is left", || site.keys().is_empty());
    assert!(site.server.now() - last >= 300_000, "it ended too early");
}

#[test]
fn a_session_ends_with_its_life_however_much_it_is_used() {
    const LIFE: Duration = Duration::from_millis(200);
    let site = Site::new();
    let sessions = site.with(options(LONG, LIFE));
    let before = site.server.now();
    let session = sessions.create(Some("ada"), visit("")).unwrap();
    // Another process has a longer life set, which is not that of sessions that are there already.
    let others = site.with(options(LONG, LONG));
    let Some(mut rotated) = others.rotate(session.id()).unwrap() else {
        assert!(site.server.now() - before >= 200_000, "it was over too early");
        return a_session_ends_with_its_life_however_much_it_is_used();
    };
    eventually("its life is over", || {
        let loaded = others.load(rotated.id()).unwrap();
        if let Some(session) = &loaded {
            assert!(session.ends_in() <= LIFE);
        }
        loaded.is_none()
    });
    // The life counts from the millisecond that has begun.
    assert!(site.server.now() - before >= 199_000, "it was over too early");
    assert!(matches!(others.save(&mut rotated), Err(SessionError::Gone)));
}

#[test]
fn nothing_lies_in_redis_for_good_or_tells_an_id() {
    let site = Site::new();
    let sessions = site.with(options(Duration::from_secs(60), Duration::from_secs(600)));
    let session = sessions.create(Some("ada"), visit("")).unwrap();
    let id = session.id().text();
    let keys = site.keys();
    assert_eq!(keys.len(), 2);
    for key in &keys {
        assert!(!key.contains(&id) && !key.contains("ada"), "{key}");
        let left = site.left(key);
        let most = if key.contains(":s:") { 60_000 } else { 601_000 };
        assert!((most - 30_000..=most).contains(&left), "{key}: {left} ms");
        // They lie in one slot of a cluster, whatever the name is.
        assert!(key.starts_with(&format!("{}#sessions:{{:test}}:", site.namespace)), "{key}");
    }
    let key = keys.iter().find(|key| key.contains(":s:")).unwrap();
    let short = site.with(options(LONG, Duration::from_secs(6))).create(None, visit("")).unwrap();
    let shorts = site.keys().into_iter().find(|key| !keys.contains(key)).unwrap();
    assert!(site.left(&shorts) <= 6_000, "it lies there for longer than it lives");
    let rotated = site.with(options(LONG, LONG)).rotate(short.id()).unwrap();
    let still = site.keys().into_iter().find(|key| !keys.contains(key));
    assert!(rotated.is_none() || still.is_none_or(|key| site.left(&key) <= 6_000));
    let held: Vec<Vec<u8>> = redis::cmd("HGETALL").arg(key).query(&mut site.server.raw()).unwrap();
    assert!(held.iter().all(|part| !String::from_utf8_lossy(part).contains(&id)));
}

#[test]
fn a_users_key_outlives_the_longest_of_their_sessions() {
    let site = Site::new();
    let (long, short) = (site.with(options(LONG, 2 * LONG)), site.with(options(LONG, LONG)));
    let users_left = || site.left(site.keys().iter().find(|key| key.contains(":u:")).unwrap());
    short.create(Some("ada"), visit("")).unwrap();
    assert!(users_left() <= 3_601_000);
    let anonymous = long.create(None, visit("")).unwrap();
    long.sign_in(anonymous.id(), "ada").unwrap().unwrap();
    assert!(users_left() > 7_100_000);
    short.create(Some("ada"), visit("")).unwrap();
    assert!(users_left() > 7_100_000, "a shorter one does not shorten it");
}

#[test]
fn data_is_bounded_and_what_can_not_be_read_is_said_so() {
    let site = Site::new();
    let sessions = site.with(SessionOptions::default().max_bytes(100));
    let large = visit(&"x".repeat(100));
    assert!(matches!(
        sessions.create(None, large.clone()),
        Err(SessionError::TooLarge { n_bytes: 101.., max_bytes: 100 })
    ));
    assert_eq!(site.keys(), [""; 0]);
    let mut session = sessions.create(None, visit("small")).unwrap();
    session.data = large;
    assert!(matches!(sessions.save(&mut session), Err(SessionError::TooLarge { .. })));
    assert_eq!(data(&sessions, session.id()), visit("small"));
    let others = site.store().sessions::<u32>("test", SessionOptions::default());
    assert!(matches!(others.load(session.id()), Err(SessionError::Unreadable { .. })));
    assert!(matches!(others.update(session.id(), |_| ()), Err(SessionError::Unreadable { .. })));
    assert_eq!(data(&sessions, session.id()), visit("small"));
    let wrong = site.store().sessions::<Refusing>("test", SessionOptions::default());
    assert!(matches!(wrong.create(None, Refusing), Err(SessionError::Unwritable { .. })));
}

/// Its `Serialize` refuses.
#[derive(Deserialize)]
struct Refusing;

impl Serialize for Refusing {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

#[test]
fn sessions_are_those_of_a_name_and_a_namespace_and_no_cells() {
    use larder::store::{Cursor, Store as _};
    let server = Server::private(&[]);
    let store = server.patient().namespace("n:").build().unwrap();
    let sessions = store.sessions::<Visit>("a", SessionOptions::default());
    let session = sessions.create(Some("ada"), visit("")).unwrap();
    let others = [
        store.sessions::<Visit>("b", SessionOptions::default()),
        server.store().sessions("a", SessionOptions::default()),
    ];
    assert!(is_live(&sessions, session.id()));
    for other in others {
        assert!(!is_live(&other, session.id()));
        assert!(!other.revoke_all("ada").unwrap());
    }
    assert!(is_live(&sessions, session.id()));
    assert_eq!(store.scan(b"", Cursor::START).unwrap().keys, []);
}

#[test]
fn the_permissions_that_are_documented_are_enough() {
    let server = Server::private(&[]);
    let rules = "~shop:* +hello +select +info +ping +client|setname +evalsha +script|load +time +hmget +hset +get +set \
                 +pexpire +pexpireat +pttl +rename +unlink";
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("ada").arg("reset").arg("on").arg(">secret").arg(rules.split(' ').collect::<Vec<_>>());
    command.exec(&mut server.raw()).unwrap();
    let url = format!("redis://ada:secret@127.0.0.1:{}", server.port());
    let store = RedisStore::builder(&url).namespace("shop:").build().unwrap();
    let sessions = store.sessions::<Visit>("test", SessionOptions::default());
    let session = sessions.create(None, visit("")).unwrap();
    let session = sessions.rotate(session.id()).unwrap().unwrap();
    let session = sessions.sign_in(session.id(), "ada").unwrap().unwrap();
    let longer = store.sessions::<Visit>("test", options(LONG, 1_000 * LONG));
    longer.create(Some("ada"), visit("")).unwrap();
    sessions.update(session.id(), |visit| visit.basket.clear()).unwrap();
    assert!(sessions.revoke_others(session.id()).unwrap());
    assert!(sessions.revoke_all("ada").unwrap());
    assert!(!is_live(&sessions, session.id()));
    let denied: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query(&mut server.raw()).unwrap();
    assert_eq!(denied, []);
}
