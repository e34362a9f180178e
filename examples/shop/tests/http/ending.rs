//! How a service ends, and what it has counted until then.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use diesel::{Connection as _, PgConnection, RunQueryDsl as _, connection::SimpleConnection as _};
use serde_json::json;
use tests::eventually;

use crate::{LONG, crowd::Over, listener::Listener, program::Shop, site::Site, user, watched::visits};

/// A request on a connection of its own: the status, or `None` if it was not answered.
fn status(address: &str, path: &str) -> Option<u16> {
    let mut connection = TcpStream::connect(address).ok()?;
    write!(connection, "GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    // Whole, or it was not answered.
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    (length == Some(body.len())).then(|| head.split(' ').nth(1)?.parse().ok())?
}

/// Looks at a user's page with all the threads, again and again until `while_it_goes` is done: how often it was answered, and how often not.
fn under_load(shop: &Shop, user: &str, while_it_goes: impl FnOnce(&AtomicU64)) -> (u64, u64) {
    let (answered, unanswered, is_over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let (address, path) = (shop.address().to_owned(), format!("/users/{user}"));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    // Connections that are refused were never taken.
                    match TcpStream::connect(&address).is_ok().then(|| status(&address, &path)) {
                        Some(Some(status)) => {
                            assert_eq!(status, 200);
                            answered.fetch_add(1, Ordering::SeqCst);
                        }
                        Some(None) => _ = unanswered.fetch_add(1, Ordering::SeqCst),
                        None => return,
                    }
                }
            });
        }
        let _over = Over(&is_over);
        while_it_goes(&answered);
    });
    (answered.into_inner(), unanswered.into_inner())
}

#[test]
fn visits_are_counted_exactly_by_several_processes_that_are_told_to_end_under_load() {
    let site = Site::new(&[]);
    let shops = [site.start(), site.start()];
    let ada = user(&shops[0], "ada");
    let mut total = 0;
    for shop in shops {
        let (answered, unanswered) = under_load(&shop, &ada, |answered| {
            eventually(LONG, || answered.load(Ordering::SeqCst) > 300);
            shop.signal("TERM");
            eventually(LONG, || TcpStream::connect(shop.address()).is_err());
        });
        assert_eq!(shop.wait().code(), Some(0), "{}", site.log());
        // Whoever was answered was counted before the process had ended. Who came just then found the door closed, and was not.
        assert_eq!(visits(&site, &ada), total + answered, "{unanswered} were not answered");
        total += answered;
    }
    let again = site.start();
    assert_eq!(again.get(&format!("/users/{ada}/visits")).body["n"], json!(total));
    let log = site.log();
    let steps = [
        "ending: not ready any more",
        "ending: no request is taken any more",
        "ending: all requests are answered",
        "ending: visits are written",
        "ending: changes of orders are published",
        "ended",
    ];
    let found: Vec<usize> =
        steps.iter().map(|step| log.find(step).unwrap_or_else(|| panic!("{step}: {log}"))).collect();
    assert!(found.is_sorted(), "{log}");
}

/// What has been sent to the buffer is written once, and of what has not at most all is lost.
#[test]
fn a_process_that_is_killed_loses_no_visit_that_it_has_sent_and_none_is_counted_twice() {
    let site = Site::new(&[]);
    let (shop, other) = (site.start(), site.start());
    let ada = user(&shop, "ada");
    // Nothing is written while this has the row, so that it waits in the buffer.
    let mut psql = PgConnection::establish(site.database()).unwrap();
    psql.batch_execute("BEGIN; SELECT FROM user_visits FOR UPDATE").unwrap();
    for _ in 0..100 {
        assert_eq!(shop.get(&format!("/users/{ada}")).status, 200);
    }
    // What is sent second from now on is taken when the first has been, and so has all of them before it.
    let sent = || {
        let is_sent = |line: &&str| line.starts_with("larder_behind_calls") && line.contains("buffered");
        let figures = shop.get("/metrics").raw;
        figures.lines().find(is_sent).and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    for _ in 0..2 {
        let before = sent();
        assert_eq!(shop.get(&format!("/users/{ada}")).status, 200);
        eventually(LONG, || sent() > before);
    }
    let (answered, unanswered) = under_load(&shop, &ada, |answered| {
        eventually(LONG, || answered.load(Ordering::SeqCst) > 200);
        shop.signal("KILL");
        eventually(LONG, || TcpStream::connect(shop.address()).is_err());
    });
    assert!(!shop.wait().success());
    psql.batch_execute("COMMIT").unwrap();
    assert_eq!(other.stop().code(), Some(0), "it drains what the other has left: {}", site.log());
    let counted = visits(&site, &ada);
    assert!((100..=102 + answered + unanswered).contains(&counted), "{counted} of {answered} and {unanswered}");
}

#[test]
fn it_says_that_it_is_not_ready_before_it_closes_and_lets_requests_and_streams_end() {
    let site = Site::new(&["--grace-seconds", "5"]);
    let shop = site.start();
    let ada = user(&shop, "ada");
    let listener = Listener::at(&shop, "/events");
    let mut psql = PgConnection::establish(site.database()).unwrap();
    psql.batch_execute("BEGIN; SELECT FROM users FOR UPDATE").unwrap();
    let path = format!("/users/{ada}");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| shop.send("PATCH", &path, Some(json!({ "email": "new@example.com" }))).status);
        eventually(LONG, || waits_for_a_row(&site));
        shop.signal("TERM");
        eventually(LONG, || shop.get("/readyz").status == 503);
        assert_eq!((shop.get("/healthz").status, shop.get(&path).status), (200, 200), "it goes on during the grace");
        listener.ended();
        eventually(LONG, || TcpStream::connect(shop.address()).is_err());
        psql.batch_execute("COMMIT").unwrap();
        assert_eq!(waiting.join().unwrap(), 200, "what was begun is answered");
    });
    assert_eq!(shop.wait().code(), Some(0), "{}", site.log());
}

fn waits_for_a_row(site: &Site) -> bool {
    use diesel::{dsl::sql, select, sql_types::Bool};
    let waits = "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())";
    let mut eyes = PgConnection::establish(site.database()).unwrap();
    select(sql::<Bool>(waits)).get_result(&mut eyes).unwrap()
}

#[test]
fn it_ends_in_time_whatever_hangs_and_says_that_something_was_left() {
    let site = Site::new(&["--drain-seconds", "2"]);
    let shop = site.start();
    let ada = user(&shop, "ada");
    let path = format!("/users/{ada}");
    let mut psql = PgConnection::establish(site.database()).unwrap();
    psql.batch_execute("BEGIN; SELECT FROM users FOR UPDATE; SELECT FROM user_visits FOR UPDATE").unwrap();
    assert_eq!(shop.get(&path).status, 200);
    let mut hanging = TcpStream::connect(shop.address()).unwrap();
    write!(
        hanging,
        "PATCH {path} HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
    )
    .unwrap();
    let begun = Instant::now();
    assert_eq!(shop.stop().code(), Some(3), "{}", site.log());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    psql.batch_execute("COMMIT").unwrap();
    assert_eq!(site.start().stop().code(), Some(0));
    assert_eq!(visits(&site, &ada), 1, "it waited in the buffer for the next one");
}

#[test]
fn told_twice_it_ends_at_once() {
    let site = Site::new(&["--grace-seconds", "600"]);
    let shop = site.start();
    shop.signal("TERM");
    eventually(LONG, || shop.get("/readyz").status == 503);
    let begun = Instant::now();
    shop.signal("INT");
    assert_eq!(shop.wait().code(), Some(130), "{}", site.log());
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert!(site.log().contains("ending at once"));
}
