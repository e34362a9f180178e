//! What clients see while a server is away, and when it is back.

use std::{
    cell::Cell,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::{Connection as _, PgConnection, QueryDsl as _, RunQueryDsl as _, connection::SimpleConnection as _};
use serde_json::json;
use servers::RedisOptions;
use shop_core::schema::users;
use tests::{EMPTY, OwnPostgres, OwnRedis, eventually, redis_url};

use crate::{
    LONG,
    crowd::{Over, Tally, allow_many_descriptors, crowd},
    listener::Listener,
    order, problem,
    program::Shop,
    site::Site,
    user,
    watched::{n_connections, resident_bytes, visits},
};

/// One that has all that it had when it comes back.
fn redis() -> OwnRedis {
    OwnRedis::with(RedisOptions { persistent: true, ..RedisOptions::default() })
}

fn rename(shop: &Shop, user: &str, name: &str) -> u16 {
    let email = format!("{name}@example.com");
    shop.send("PATCH", &format!("/users/{user}"), Some(json!({ "email": email }))).status
}

#[test]
fn while_redis_is_away_reads_and_writes_go_on_and_then_all_is_as_before() {
    for is_killed in [true, false] {
        let (database, redis) = (EMPTY.database(), redis());
        let site = Site::on(database.url(), &redis.url(), &[]);
        let (shop, other) = (site.start(), site.start());
        let (ada, eve) = (user(&shop, "ada"), user(&shop, "eve"));
        let (path, n_seen) = (format!("/users/{ada}"), Cell::new(0));
        let see = |shop: &Shop| {
            let seen = shop.get(&path);
            assert_eq!(seen.status, 200, "{seen:?}");
            n_seen.set(n_seen.get() + 1);
            seen
        };
        eventually(LONG, || see(&shop).header("x-cache") == "near");
        let listener = Listener::at(&other, "/events");
        eventually(LONG, || order_is_told(&shop, &eve, &listener));
        if is_killed {
            redis.kill()
        } else {
            redis.pause()
        }
        let begun = Instant::now();
        let (mut longest, mut n_reads) = (Duration::ZERO, 0);
        for n in 0..12 {
            let name = format!("ada-{n}");
            for shop in [&shop, &other] {
                let asked = Instant::now();
                let _ = see(shop);
                (longest, n_reads) = (longest.max(asked.elapsed()), n_reads + 1);
            }
            assert_eq!(rename(&shop, &ada, &name), 200, "{}", site.log());
            assert_eq!(see(&shop).text("email"), format!("{name}@example.com"), "its own write");
            n_reads += 1;
        }
        let placed = order(&shop, &ada, 1);
        assert_eq!(shop.send("PATCH", &format!("/orders/{placed}"), Some(json!({ "status": "paid" }))).status, 200);
        assert_eq!((shop.get("/healthz").status, shop.get("/readyz").status), (200, 200));
        println!("killed {is_killed}: {n_reads} reads in {:?}, the longest {longest:?}", begun.elapsed());
        assert!(longest < Duration::from_secs(5), "{longest:?}");
        // Each has given its connection up: what comes next when it has another is that something was missed.
        eventually(LONG, || site.log().matches("not told of a topic").count() >= 2);
        while listener.within(Duration::ZERO).is_some() {}
        if is_killed {
            redis.restart()
        } else {
            redis.resume()
        }
        // A server that stood still may first do what it was sent.
        listener.gap();
        eventually(LONG, || order_is_told(&shop, &eve, &listener));
        eventually(LONG, || see(&other).text("email") == "ada-11@example.com");
        eventually(LONG, || see(&shop).header("x-cache") == "near" && see(&other).header("x-cache") == "near");
        assert_eq!(rename(&other, &ada, "countess"), 200);
        eventually(LONG, || see(&shop).text("email") == "countess@example.com");
        for shop in [shop, other] {
            assert_eq!(shop.stop().code(), Some(0), "{}", site.log());
        }
        assert_eq!(visits(&site, &ada), n_seen.get(), "each was counted once, whatever was away then");
    }
}

/// Redis takes no writes for a while, and is read from all the time: nobody who listens loses their connection.
#[test]
fn a_change_that_could_not_be_published_is_a_gap_for_all_who_listen() {
    let (database, redis) = (EMPTY.database(), redis());
    let site = Site::on(database.url(), &redis.url(), &[]);
    let shop = site.start();
    let ada = user(&shop, "ada");
    let listener = Listener::at(&shop, "/events");
    eventually(LONG, || order_is_told(&shop, &ada, &listener));
    let mut admin = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    let mut tell = |command: &str| {
        let mut answer = [0; 5];
        admin.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        admin.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+OK\r\n", "{command}");
    };
    tell("CLIENT PAUSE 600000 WRITE");
    let lost = order(&shop, &ada, 1);
    eventually(LONG, || site.log().contains("listeners are not told of changes of orders"));
    tell("CLIENT UNPAUSE");
    listener.gap();
    assert_eq!(shop.get(&format!("/orders/{lost}")).status, 200);
    assert!(!site.log().contains("not told of a topic"), "{}", site.log());
    // And from then on all is told.
    let _ = listener.until(&order(&shop, &ada, 1));
}

/// Places an order, and tells whether the listener is told of it soon.
fn order_is_told(shop: &Shop, buyer: &str, listener: &Listener) -> bool {
    let placed = order(shop, buyer, 1);
    let until = Instant::now() + Duration::from_millis(500);
    while let Some(told) = listener.within(until.saturating_duration_since(Instant::now())) {
        if told.id.starts_with(&placed) {
            return true;
        }
    }
    false
}

#[test]
fn while_postgres_is_away_what_is_cached_is_served_and_all_else_is_told_to_come_again() {
    for is_killed in [true, false] {
        let (postgres, url) = (OwnPostgres::new(), redis_url());
        let site = Site::on(&postgres.url(), &url, &[]);
        let shop = site.start();
        let (ada, bob) = (user(&shop, "ada"), user(&shop, "bob"));
        let path = format!("/users/{ada}");
        eventually(LONG, || shop.get(&path).header("x-cache") == "near");
        // So that many connections are lost. All change one row: who has waited too long for a connection asks again.
        thread::scope(|scope| {
            for n in 0..40 {
                let (shop, bob) = (&shop, &bob);
                scope.spawn(move || eventually(LONG, || rename(shop, bob, &format!("bob-{n}")) == 200));
            }
        });
        if is_killed {
            postgres.kill()
        } else {
            postgres.pause()
        }
        let uncached = format!("/users/{bob}?include=orders.items");
        thread::scope(|scope| {
            let asks: Vec<_> = (0..40)
                .map(|n| {
                    let (shop, uncached, bob, is_write) = (&shop, &uncached, &bob, n % 2 == 1);
                    let body = json!({ "email": "b@example.com" });
                    let ask = scope.spawn(move || match is_write {
                        true => shop.send("PATCH", &format!("/users/{bob}"), Some(body)),
                        false => shop.get(uncached),
                    });
                    (is_write, ask)
                })
                .collect();
            for _ in 0..200 {
                let near = shop.get(&path);
                assert_eq!(near.status, 200, "{near:?}");
                assert!(["near", "shared"].contains(&near.header("x-cache")), "{near:?}");
            }
            for (is_write, ask) in asks {
                let refused = ask.join().unwrap();
                assert_eq!(refused.status, 503, "{refused:?}: {}", site.log());
                match (&*problem(&refused, 503), refused.header("retry-after")) {
                    ("/problems/unavailable", "1") => {}
                    // One that stands still may have been sent it: who repeats it may do it twice.
                    ("/problems/unknown", "") => assert!(is_write && !is_killed, "{refused:?}"),
                    _ => panic!("{refused:?}"),
                }
            }
        });
        let not_ready = shop.get("/readyz");
        assert_eq!((problem(&not_ready, 503), shop.get("/healthz").status), ("/problems/unavailable".to_owned(), 200));
        if is_killed {
            postgres.restart()
        } else {
            postgres.resume()
        }
        eventually(LONG, || shop.get("/readyz").status == 200);
        eventually(LONG, || shop.get(&uncached).status == 200);
        assert_eq!(rename(&shop, &bob, "robert"), 200, "{}", site.log());
        assert_eq!(shop.get(&format!("/users/{bob}")).text("email"), "robert@example.com");
        // Those that were counted while it was away, too.
        let visits = || shop.get(&format!("/users/{ada}/visits")).body["n"].as_u64();
        eventually(LONG, || visits() > Some(200));
        assert_eq!(shop.stop().code(), Some(0), "{}", site.log());
    }
}

/// How many connections there are at once, of which the pool has sixteen.
const CROWD: usize = 1_000;

#[test]
fn a_thousand_connections_get_answers_or_are_told_to_come_again_and_the_pool_is_never_exceeded() {
    // Before the service starts, which has as many as who starts it.
    allow_many_descriptors();
    let site = Site::new(&[]);
    let shop = site.start();
    let mut psql = PgConnection::establish(site.database()).unwrap();
    psql.batch_execute("INSERT INTO users (email) SELECT n || '@example.com' FROM generate_series(1, 4000) AS n")
        .unwrap();
    let ids: Vec<uuid::Uuid> = users::table.select(users::id).load(&mut psql).unwrap();
    let before = resident_bytes(shop.id());
    let (tally, most) = (Tally::default(), AtomicUsize::new(0));
    thread::scope(|scope| {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Over(&is_over);
        let crowd = {
            let (address, is_over, tally) = (shop.address().to_owned(), Arc::clone(&is_over), &tally);
            let path = move |n: usize| format!("/users/{}?include=orders", ids[n % ids.len()]);
            scope.spawn(move || crowd(&address, CROWD, path, &is_over, tally))
        };
        let watch = {
            let (is_over, most) = (Arc::clone(&is_over), &most);
            let mut eyes = PgConnection::establish(site.database()).unwrap();
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    most.fetch_max(n_connections(&mut eyes), Ordering::SeqCst);
                }
            })
        };
        eventually(LONG, || tally.of(200) > CROWD);
        // Nothing can be read for longer than anybody waits.
        psql.batch_execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE").unwrap();
        eventually(LONG, || tally.of(503) > CROWD);
        assert_eq!(shop.get("/healthz").status, 200);
        psql.batch_execute("COMMIT").unwrap();
        let answered = tally.of(200);
        eventually(LONG, || tally.of(200) > answered + CROWD);
        drop(over);
        crowd.join().unwrap();
        watch.join().unwrap();
    });
    let (grown, most) = (resident_bytes(shop.id()).saturating_sub(before), most.into_inner());
    println!("{tally:?}, {most} connections to the database, {} KiB more", grown >> 10);
    // The pool's, the relay's, and the two of this test.
    assert!((10..=16 + 2 + 2).contains(&most), "{most}");
    assert!(grown < 192 << 20, "{grown} bytes");
    assert_eq!(tally.others(&[200, 503]), 0, "{tally:?}");
    assert_eq!(shop.stop().code(), Some(0), "{}", site.log().lines().last().unwrap_or_default());
}
