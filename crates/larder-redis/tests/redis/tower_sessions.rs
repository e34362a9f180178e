//! The store for tower-sessions, on a real server, below the layer that it is for.

use std::{convert::Infallible, sync::Arc};

use http::{HeaderValue, Request, Response, StatusCode};
use larder::asynchronous::Options;
use larder_redis::sessions::TowerSessions;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_sessions::{
    Expiry, Session, SessionManagerLayer, SessionStore as _,
    cookie::time::{Duration, OffsetDateTime},
    session::{Id, Record},
};

use crate::{
    eventually::eventually,
    server::{Server, namespace},
};

/// Sessions in a namespace of their own.
struct Site {
    server: Arc<Server>,
    namespace: String,
    store: TowerSessions,
}

impl Site {
    fn new() -> Self {
        let (server, namespace) = (Server::shared(), namespace());
        let store = server.patient().namespace(&namespace).build().unwrap();
        Self { server, namespace, store: store.tower_sessions("test", Options::default()) }
    }

    fn keys(&self) -> Vec<String> {
        self.server.keys(&self.namespace)
    }

    /// What lies under the one key there is.
    fn raw(&self) -> String {
        let keys = self.keys();
        assert_eq!(keys.len(), 1, "{keys:?}");
        redis::cmd("GET").arg(&keys[0]).query(&mut self.server.raw()).unwrap()
    }
}

fn record(note: &str, lasts: Duration) -> Record {
    let data = [("note".to_owned(), note.into())].into();
    Record { id: Id::default(), data, expiry_date: OffsetDateTime::now_utc().saturating_add(lasts) }
}

const HOUR: Duration = Duration::hours(1);

#[tokio::test]
async fn a_record_is_loaded_as_it_was_created_and_saved() {
    let site = Site::new();
    let mut one = record("a\r\n\u{0}é", HOUR);
    one.data.insert("n".to_owned(), serde_json::json!([u64::MAX, -1.5, null, { "deep": true }]));
    let id = one.id;
    site.store.create(&mut one).await.unwrap();
    assert_eq!((one.id, site.store.load(&id).await.unwrap()), (id, Some(one.clone())));
    one.data.remove("n");
    site.store.save(&one).await.unwrap();
    assert_eq!(site.store.load(&id).await.unwrap(), Some(one));
    site.store.delete(&id).await.unwrap();
    site.store.delete(&id).await.unwrap();
    assert_eq!((site.store.load(&id).await.unwrap(), site.keys().len()), (None, 0));
}

#[tokio::test]
async fn a_record_is_never_put_over_another_ones() {
    let site = Site::new();
    let mut first = record("first", HOUR);
    site.store.create(&mut first).await.unwrap();
    let mut second = Record { id: first.id, ..record("second", HOUR) };
    site.store.create(&mut second).await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(site.store.load(&first.id).await.unwrap(), Some(first));
    assert_eq!(site.store.load(&second.id).await.unwrap(), Some(second));
}

#[tokio::test]
async fn no_save_brings_back_what_is_over() {
    let site = Site::new();
    let mut one = record("one", HOUR);
    site.store.create(&mut one).await.unwrap();
    site.store.delete(&one.id).await.unwrap();
    site.store.save(&one).await.unwrap();
    assert_eq!((site.store.load(&one.id).await.unwrap(), site.keys().len()), (None, 0));
}

#[tokio::test]
async fn a_record_ends_when_it_says_and_leaves_nothing() {
    let site = Site::new();
    let mut past = record("past", -HOUR);
    site.store.create(&mut past).await.unwrap();
    assert_eq!((site.store.load(&past.id).await.unwrap(), site.keys().len()), (None, 0));
    let mut ends = record("ends", HOUR);
    site.store.create(&mut ends).await.unwrap();
    let left = |site: &Site| -> i64 { redis::cmd("PTTL").arg(&site.keys()[0]).query(&mut site.server.raw()).unwrap() };
    assert!((3_500_000..=3_600_000).contains(&left(&site)), "{}", left(&site));
    ends.expiry_date = OffsetDateTime::now_utc() + Duration::milliseconds(50);
    site.store.save(&ends).await.unwrap();
    eventually("it has gone", || site.keys().is_empty());
    ends.expiry_date =
        OffsetDateTime::new_utc(tower_sessions::cookie::time::Date::MAX, tower_sessions::cookie::time::Time::MIDNIGHT);
    site.store.create(&mut ends).await.unwrap();
    assert_eq!(site.store.load(&ends.id).await.unwrap(), Some(ends.clone()), "the end of the calendar is far");
    ends.expiry_date = OffsetDateTime::now_utc() - Duration::seconds(1);
    site.store.save(&ends).await.unwrap();
    assert!(site.keys().is_empty(), "what is saved as over is over at once");
    // A server whose clock is behind has it still.
    let mut late = record("late", HOUR);
    site.store.create(&mut late).await.unwrap();
    let ended = Record { expiry_date: OffsetDateTime::now_utc() - Duration::seconds(1), ..late.clone() };
    let bytes = serde_json::to_vec(&ended).unwrap();
    redis::cmd("SET").arg(&site.keys()[0]).arg(bytes).exec(&mut site.server.raw()).unwrap();
    assert_eq!(site.store.load(&late.id).await.unwrap(), None);
}

#[tokio::test]
async fn nobody_reads_an_id_in_redis() {
    let site = Site::new();
    let mut one = record("one", HOUR);
    site.store.create(&mut one).await.unwrap();
    let text = site.keys().concat() + &site.raw();
    for id in [one.id.to_string(), one.id.0.to_string()] {
        assert!(!text.contains(&id), "{id} in {text}");
    }
    assert!(text.contains("one") && text.contains("#sessions:{:test}:t:"), "{text}");
}

#[tokio::test]
async fn what_is_no_record_is_an_error_and_not_a_session() {
    let site = Site::new();
    let mut one = record("one", HOUR);
    site.store.create(&mut one).await.unwrap();
    redis::cmd("SET").arg(&site.keys()[0]).arg("no record").exec(&mut site.server.raw()).unwrap();
    let error = site.store.load(&one.id).await.unwrap_err();
    assert!(error.to_string().starts_with("Decoding"), "{error}");
    redis::cmd("DEL").arg(&site.keys()[0]).exec(&mut site.server.raw()).unwrap();
    redis::cmd("HSET").arg(format!("{}x", site.namespace)).arg("a").arg("b").exec(&mut site.server.raw()).unwrap();
    assert_eq!(site.store.load(&one.id).await.unwrap(), None);
}

#[tokio::test]
async fn no_worker_waits_for_a_server_that_stands_still_and_its_absence_is_told() {
    let server = Server::private(&[]);
    let store = server.patient().build().unwrap().tower_sessions("test", Options::default().threads(1).queue(0));
    let mut one = record("one", HOUR);
    store.create(&mut one).await.unwrap();
    let frozen = server.freeze();
    let loading = tokio::spawn({
        let (store, id) = (store.clone(), one.id);
        async move { store.load(&id).await }
    });
    tokio::task::yield_now().await;
    assert!(!loading.is_finished(), "it waits, and this goes on");
    let error = store.load(&one.id).await.unwrap_err();
    assert!(error.to_string().contains("too many"), "there is no thread for another: {error}");
    drop(frozen);
    assert_eq!(loading.await.unwrap().unwrap(), Some(one));
}

#[tokio::test]
async fn the_permissions_that_are_documented_are_enough() {
    let server = Server::private(&[]);
    let rules = "~shop:* +hello +select +info +ping +client|setname +set +get +unlink";
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("ada").arg("reset").arg("on").arg(">secret");
    command.arg(rules.split(' ').collect::<Vec<_>>()).exec(&mut server.raw()).unwrap();
    let url = format!("redis://ada:secret@127.0.0.1:{}", server.port());
    let store = larder_redis::RedisStore::builder(&url).namespace("shop:").build().unwrap();
    let store = store.tower_sessions("test", Options::default());
    let mut one = record("one", HOUR);
    store.create(&mut one).await.unwrap();
    store.save(&one).await.unwrap();
    assert_eq!(store.load(&one.id).await.unwrap(), Some(one.clone()));
    store.delete(&one.id).await.unwrap();
    let denied: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query(&mut server.raw()).unwrap();
    assert_eq!(denied, []);
}

/// What a client of a service with sessions gets: the answer, and the cookie that it was given.
async fn visit(store: &TowerSessions, path: &str, cookie: Option<&str>) -> (StatusCode, String, Option<String>) {
    let served = service_fn(async |request: Request<()>| {
        let session: Session = request.extensions().get::<Session>().unwrap().clone();
        let n: u64 = session.get("n").await.unwrap().unwrap_or_default();
        match request.uri().path() {
            "/count" => session.insert("n", n + 1).await.unwrap(),
            "/sign-in" => session.cycle_id().await.unwrap(),
            "/sign-out" => session.flush().await.unwrap(),
            _ => {}
        }
        Ok::<_, Infallible>(Response::new(n.to_string()))
    });
    let layer = SessionManagerLayer::new(store.clone()).with_name("id").with_expiry(Expiry::OnInactivity(HOUR));
    let mut request = Request::builder().uri(path).body(()).unwrap();
    if let Some(cookie) = cookie {
        request.headers_mut().insert("cookie", HeaderValue::from_str(&format!("id={cookie}")).unwrap());
    }
    let (head, body) = layer.layer(served).oneshot(request).await.unwrap().into_parts();
    let set = head.headers.get("set-cookie").map(|value| value.to_str().unwrap());
    let given = set.map(|set| set.split(';').next().unwrap().strip_prefix("id=").unwrap().to_owned());
    (head.status, body, given)
}

#[tokio::test]
async fn the_layer_keeps_a_visitors_data_gives_another_id_at_the_sign_in_and_ends_it() {
    let site = Site::new();
    let (_, body, first) = visit(&site.store, "/count", None).await;
    let first = first.unwrap();
    assert_eq!(body, "0");
    visit(&site.store, "/count", Some(&first)).await;
    assert_eq!(visit(&site.store, "/", Some(&first)).await.1, "2");
    let second = visit(&site.store, "/sign-in", Some(&first)).await.2.unwrap();
    assert_ne!(first, second);
    assert_eq!(visit(&site.store, "/", Some(&second)).await.1, "2", "the data goes along");
    assert_eq!(visit(&site.store, "/", Some(&first)).await.1, "0", "whoever has planted the old id has nothing");
    let (status, ..) = visit(&site.store, "/sign-out", Some(&second)).await;
    assert_eq!((status, visit(&site.store, "/", Some(&second)).await.1), (StatusCode::OK, "0".to_owned()));
    assert_eq!(site.keys(), [""; 0]);
    let planted = visit(&site.store, "/count", Some(&Id(7).to_string())).await.2.unwrap();
    assert_ne!(planted, Id(7).to_string(), "an id that nobody was given becomes none");
}
