//! `GET /events`.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::Duration,
};

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
use larder_redis::RedisStore;
use serde::Serialize;
use serde_json::{Value, json};
use tests::{eventually, redis_url};

use crate::{LONG, listener::Listener, order, problem, program::Shop, site::Site, user, watched::resident_bytes};

/// A listener who certainly hears what comes from now on.
fn listen(shop: &Shop, path: &str, buyer: &str) -> Listener {
    let listener = Listener::at(shop, path);
    assert_eq!(listener.status, 200, "{:?}", listener.head);
    // The process may have no connection to the topic yet, and what is told before that is told to nobody.
    eventually(LONG, || {
        let _ = order(shop, buyer, 1);
        listener.within(Duration::from_millis(50)).is_some_and(|told| !told.id.is_empty())
    });
    let mark = order(shop, buyer, 1);
    let _ = listener.until(&mark);
    listener
}

fn step(shop: &Shop, order: &str, status: &str) -> u16 {
    shop.send("PATCH", &format!("/orders/{order}"), Some(json!({ "status": status }))).status
}

fn change(told: &crate::listener::Told) -> (String, Value) {
    (told.event.clone(), told.json())
}

#[test]
fn what_happens_to_orders_is_told_to_listeners_of_all_processes_once_and_in_order() {
    let site = Site::new(&[]);
    let (one, other) = (site.start(), site.start());
    let (ada, bob) = (user(&one, "ada"), user(&one, "bob"));
    let listeners = [listen(&one, "/events", &ada), listen(&other, "/events", &ada)];
    let of_bob = listen(&other, &format!("/events?user={bob}"), &bob);
    // What the third has waited for came to the first two as well.
    for listener in &listeners {
        let _ = listener.until(&order(&one, &ada, 1));
    }
    // Each is heard before the next one: of what two processes publish at once, either may come first.
    let of_ada = order(&one, &ada, 1);
    for listener in &listeners {
        // The mark of the other listener may still come.
        let told = listener.until(&of_ada);
        assert_eq!(told.id, format!("{of_ada}:created"));
        assert_eq!(change(&told), ("created".into(), json!({ "id": of_ada, "user_id": ada, "status": "pending" })));
    }
    for (shop, status) in [(&other, "paid"), (&one, "shipped")] {
        assert_eq!(step(shop, &of_ada, status), 200);
        for listener in &listeners {
            let told = listener.change();
            assert_eq!(told.id, format!("{of_ada}:{status}"));
            assert_eq!(change(&told), (status.into(), json!({ "id": of_ada, "user_id": ada, "status": status })));
        }
    }
    let of_his = order(&other, &bob, 1);
    for listener in &listeners {
        assert_eq!(listener.change().id, format!("{of_his}:created"));
    }
    assert_eq!(of_bob.change().id, format!("{of_his}:created"), "of others he is told nothing");
}

#[test]
fn a_stream_begins_with_a_gap_and_says_that_it_is_kept_nowhere_and_that_it_is_alive() {
    let shop = Site::new(&["--heartbeat", "1"]).start();
    let listener = Listener::at(&shop, "/events");
    for header in ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
        assert!(listener.head.iter().any(|line| line == header), "{header}: {:?}", listener.head);
    }
    let first = listener.next();
    assert_eq!((first.event.as_str(), first.retry.as_str(), first.id.as_str()), ("gap", "2000", ""));
    eventually(LONG, || listener.next().is_comment);
    let head = shop.send("HEAD", "/events", None);
    assert_eq!((head.status, head.header("content-type"), head.raw.as_str()), (200, "text/event-stream", ""));
    assert_eq!(head.header("cache-control"), "no-store");
    assert_eq!(problem(&shop.get("/events?user=none"), 400), "/problems/query");
}

#[test]
fn so_many_listen_as_may_and_who_leaves_makes_room() {
    let shop = Site::new(&["--listeners", "2"]).start();
    let (first, _second) = (Listener::at(&shop, "/events"), Listener::at(&shop, "/events"));
    let refused = shop.get("/events");
    assert_eq!(problem(&refused, 503), "/problems/unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(shop.send("HEAD", "/events", None).status, 200, "it takes no place");
    drop(first);
    eventually(LONG, || Listener::at(&shop, "/events").status == 200);
}

/// What is rolled back after all statements went well, and what waits in its COMMIT.
#[test]
fn what_is_not_committed_is_told_to_nobody() {
    let site = Site::new(&[]);
    let (shop, other) = (site.start(), site.start());
    let (ada, bob) = (user(&shop, "ada"), user(&shop, "bob"));
    let listener = listen(&other, "/events", &ada);
    let mut psql = PgConnection::establish(site.database()).unwrap();
    psql.batch_execute(
        "CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.total_amount = 115 THEN RAISE unique_violation; END IF;
            IF NEW.total_amount = 23 THEN PERFORM pg_advisory_xact_lock(1); END IF;
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION at_commit();
        SELECT pg_advisory_lock(1);",
    )
    .unwrap();
    let items = |quantity: i32| json!([{ "sku": "cd", "quantity": quantity, "unit_price": "11.50" }]);
    let refused = shop.send("POST", "/orders", Some(json!({ "user_id": bob, "items": items(10) })));
    assert_eq!(refused.status, 409, "{refused:?}");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| order(&shop, &bob, 2));
        // It has come to its COMMIT.
        let mut eyes = PgConnection::establish(site.database()).unwrap();
        eventually(LONG, || waits_for_a_lock(&mut eyes));
        let mark = order(&shop, &ada, 1);
        assert!(listener.change().id.starts_with(&mark), "neither is told before it");
        psql.batch_execute("SELECT pg_advisory_unlock(1)").unwrap();
        let told = listener.change();
        // Whoever is told finds it there.
        assert_eq!(other.get(&format!("/orders/{}", told.json()["id"].as_str().unwrap())).status, 200);
        assert_eq!(told.id, format!("{}:created", waiting.join().unwrap()));
    });
    assert_eq!(step(&shop, &order(&shop, &bob, 1), "shipped"), 409);
    let mark = order(&shop, &ada, 1);
    let _placed = listener.change();
    assert!(listener.change().id.starts_with(&mark), "a step that is not taken is not told");
}

fn waits_for_a_lock(connection: &mut PgConnection) -> bool {
    use diesel::{RunQueryDsl as _, dsl::sql, select, sql_types::Bool};
    let waits = "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
    select(sql::<Bool>(waits)).get_result(connection).unwrap()
}

/// What a process publishes, as another release of it would.
#[derive(Serialize)]
enum Told {
    Changed { id: uuid::Uuid, user_id: uuid::Uuid, status: &'static str },
}

#[test]
fn who_does_not_read_is_told_of_a_gap_and_costs_no_memory() {
    let site = Site::new(&[]);
    let shop = site.start();
    let ada = user(&shop, "ada");
    let quick = listen(&shop, "/events", &ada);
    let mut slow = TcpStream::connect(shop.address()).unwrap();
    slow.write_all(b"GET /events HTTP/1.1\r\nhost: shop\r\n\r\n").unwrap();
    slow.read_exact(&mut [0]).unwrap();
    let before = resident_bytes(shop.id());
    let store = RedisStore::builder(&redis_url()).namespace(format!("{}:", site.namespace())).build().unwrap();
    let topic = store.topic::<Told>("orders");
    let mut id = 0;
    let mut publish = |n: u128| {
        for _ in 0..n {
            id += 1;
            let id = uuid::Uuid::from_u128(id);
            topic.publish(&Told::Changed { id, user_id: id, status: "paid" }).unwrap();
        }
        uuid::Uuid::from_u128(id).to_string()
    };
    // More than the buffers of both ends of a connection have room for.
    let last = publish(60_000);
    let _ = quick.until(&last);
    let grown = resident_bytes(shop.id()).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    slow.set_read_timeout(Some(LONG)).unwrap();
    let (mut text, mut bytes) = (String::new(), [0; 65_536]);
    eventually(LONG, || {
        let n = slow.read(&mut bytes).unwrap();
        text.push_str(&String::from_utf8_lossy(&bytes[..n]));
        text.contains(&format!("{last}:paid"))
    });
    let (told, gaps) = (text.matches("event: paid").count(), text.matches("event: gap").count());
    assert!(told < 60_000 && gaps >= 2, "{told} were told, and {gaps} gaps");
    assert!(text.rfind("event: gap") < text.rfind("event: paid"), "what comes after a gap is told again");
}
