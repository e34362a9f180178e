//! The service as its clients have it: the program itself, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that fails here should")]

mod access;
mod bad_days;
mod browser;
mod chromium;
mod crowd;
mod document;
mod edge;
mod ending;
mod events;
mod guessing;
mod kept;
mod limits;
mod listener;
mod live;
mod outside;
mod page;
mod program;
mod rough;
mod sessions;
mod site;
mod slow;
mod watched;

use std::{thread, time::Duration};

use serde_json::{Value, json};
use tests::eventually;

use self::program::{Answer, Shop};

const LONG: Duration = Duration::from_secs(60);

fn user(shop: &Shop, name: &str) -> String {
    let answer = shop.send("POST", "/users", Some(json!({ "email": format!("{name}@example.com") })));
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text("id")
}

fn order(shop: &Shop, user: &str, quantity: i32) -> String {
    let items = json!([{ "sku": "cd", "quantity": quantity, "unit_price": "11.50" }]);
    let answer = shop.send("POST", "/orders", Some(json!({ "user_id": user, "items": items })));
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text("id")
}

/// A problem's kind, which has to be one.
fn problem(answer: &Answer, status: u16) -> String {
    assert_eq!((answer.status, answer.header("content-type")), (status, "application/problem+json"), "{answer:?}");
    assert_eq!(answer.body["status"], status);
    answer.text("type")
}

#[test]
fn users_come_change_and_go() {
    let shop = Shop::start();
    let created = shop.send("POST", "/users", Some(json!({ "email": "ada@example.com" })));
    let id = created.text("id");
    assert_eq!((created.status, created.header("location")), (201, &*format!("/users/{id}")));
    let path = format!("/users/{id}");
    assert_eq!(shop.get(&path).body, created.body);
    assert_eq!(shop.get("/users?email=ada@example.com").body, created.body);
    let taken = shop.send("POST", "/users", Some(json!({ "email": "ada@example.com" })));
    assert_eq!(problem(&taken, 409), "/problems/taken");
    let changed = shop.send("PATCH", &path, Some(json!({ "email": "countess@example.com" })));
    assert_eq!((changed.status, changed.text("email")), (200, "countess@example.com".to_owned()));
    assert_eq!(problem(&shop.get("/users?email=ada@example.com"), 404), "/problems/not-found");
    assert_eq!(shop.send("DELETE", &path, None).status, 204);
    for method in ["GET", "DELETE"] {
        assert_eq!(problem(&shop.send(method, &path, None), 404), "/problems/not-found");
    }
    assert_eq!(problem(&shop.send("PATCH", &path, Some(json!({}))), 404), "/problems/not-found");
}

#[test]
fn an_order_goes_from_pending_to_paid_to_shipped_and_no_other_way() {
    let shop = Shop::start();
    let ada = user(&shop, "ada");
    let id = order(&shop, &ada, 3);
    let path = format!("/orders/{id}");
    let shown = shop.get(&path);
    assert_eq!((&shown.body["status"], &shown.body["total_amount"]), (&json!("pending"), &json!("34.50")));
    assert_eq!(shown.body["items"][0]["line_number"], 1);
    let step = |status: &str| shop.send("PATCH", &path, Some(json!({ "status": status })));
    for (status, is_taken) in
        [("shipped", false), ("pending", false), ("paid", true), ("paid", false), ("shipped", true), ("paid", false)]
    {
        let answer = step(status);
        if is_taken {
            assert_eq!((answer.status, answer.text("status")), (200, status.to_owned()));
        } else {
            assert_eq!(problem(&answer, 409), "/problems/step");
        }
    }
    assert_eq!(shop.get(&path).body["status"], "shipped");
    let whole = shop.get(&format!("/users/{ada}?include=orders.items"));
    assert_eq!(whole.body["orders"][0]["items"][0]["quantity"], 3);
    assert!(shop.get(&format!("/users/{ada}?include=orders")).body["orders"][0].get("items").is_none());
}

#[test]
fn of_two_who_take_the_same_step_one_does() {
    let shop = Shop::start();
    let id = order(&shop, &user(&shop, "ada"), 1);
    let step = || shop.send("PATCH", &format!("/orders/{id}"), Some(json!({ "status": "paid" }))).status;
    let mut statuses: Vec<u16> = thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(step)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
}

#[test]
fn a_list_is_read_page_by_page() {
    let shop = Shop::start();
    let ada = user(&shop, "ada");
    let all: Vec<String> = (0..5).map(|_| order(&shop, &ada, 1)).collect();
    let (mut seen, mut path) = (Vec::new(), format!("/users/{ada}/orders?limit=2"));
    loop {
        let page = shop.get(&path);
        seen.extend(page.body["rows"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["next"].as_str() else { break };
        path = format!("/users/{ada}/orders?limit=2&after={next}");
    }
    let (mut sorted, mut wanted) = (seen.clone(), all);
    sorted.sort();
    wanted.sort();
    assert_eq!((sorted, seen.len()), (wanted, 5));
    let pending = shop.get(&format!("/users/{ada}/orders?status=pending"));
    assert_eq!(pending.body["rows"].as_array().unwrap().len(), 5);
    let cursor = path.rsplit_once('=').unwrap().1.to_owned();
    let eve = user(&shop, "eve");
    let forged = format!("{}{}", &cursor[..cursor.len() - 2], if cursor.ends_with("AA") { "BB" } else { "AA" });
    for path in [format!("/users/{eve}/orders?after={cursor}"), format!("/users/{ada}/orders?after={forged}")] {
        assert_eq!(problem(&shop.get(&path), 400), "/problems/cursor");
    }
    assert_eq!(shop.get(&format!("/users/{}/orders", uuid::Uuid::nil())).status, 404);
}

#[test]
fn a_response_says_where_it_came_from_and_what_that_took() {
    let shop = Shop::start();
    let ada = user(&shop, "ada");
    let path = format!("/users/{ada}?include=orders");
    let cold = shop.get(&path);
    assert_eq!(cold.header("x-cache"), "database");
    assert!(cold.header("server-timing").contains("sql;dur="), "{cold:?}");
    eventually(LONG, || shop.get(&path).header("x-cache") == "near");
    let near = shop.get(&path);
    assert!(near.header("server-timing").contains("desc=\"0\", redis"), "{near:?}");
    assert_eq!(shop.send("PATCH", &format!("/users/{ada}"), Some(json!({ "email": "new@example.com" }))).status, 200);
    assert_eq!(shop.get(&path).text("email"), "new@example.com");
}

#[test]
fn numbers_follow_the_orders_within_seconds() {
    let shop = Shop::start();
    let (ada, bob) = (user(&shop, "ada"), user(&shop, "bob"));
    order(&shop, &ada, 2);
    order(&shop, &bob, 10);
    let stats = |id: &str| shop.get(&format!("/stats/users/{id}")).body["order_count"].clone();
    eventually(LONG, || stats(&ada) == 1 && stats(&bob) == 1);
    eventually(LONG, || {
        let top = shop.get("/stats/top?limit=2").body;
        top[0]["user_id"] == *bob && top[0]["total_spent"] == "115.00" && top[1]["user_id"] == *ada
    });
    assert_eq!(problem(&shop.get(&format!("/stats/users/{}", uuid::Uuid::nil())), 404), "/problems/not-found");
}

#[test]
fn whatever_is_sent_is_answered_with_what_is_wrong_with_it() {
    let shop = Shop::start();
    let ada = user(&shop, "ada");
    let lines = |items: Value| Some(json!({ "user_id": ada, "items": items }));
    let line =
        |sku: &str, quantity: i64, price: &str| json!([{ "sku": sku, "quantity": quantity, "unit_price": price }]);
    for (method, path, body, status) in [
        ("GET", "/nowhere", None, 404),
        ("PUT", "/users", None, 405),
        ("GET", "/users/none", None, 404),
        ("GET", "/users?email=a&else=b", None, 400),
        ("GET", "/users", None, 400),
        ("GET", "/users?email=a%00@b", None, 404),
        ("POST", "/users", None, 415),
        ("POST", "/users", Some(json!({})), 422),
        ("POST", "/users", Some(json!({ "email": "nobody" })), 422),
        ("POST", "/users", Some(json!({ "email": "a\u{0}@b" })), 422),
        ("POST", "/users", Some(json!({ "email": "a@b", "is_admin": true })), 422),
        ("POST", "/users", Some(json!({ "email": "x".repeat(70_000) })), 413),
        ("POST", "/orders", lines(json!([])), 422),
        ("POST", "/orders", lines(line("cd", 0, "1")), 422),
        ("POST", "/orders", lines(line("cd", 1, "1e999999999")), 422),
        ("POST", "/orders", lines(line("cd", 1, "-1")), 422),
        ("POST", "/orders", lines(line("", 1, "1")), 422),
        ("POST", "/orders", lines(line("cd", 1, "10000")), 422),
        ("POST", "/orders", lines(json!([["cd", 1, "1"]])), 422),
        ("POST", "/orders", lines(json!([{ "sku": "cd", "quantity": 1, "unit_price": 11.5 }])), 422),
        ("POST", "/orders", lines(json!([{ "sku": "cd", "quantity": 1.5, "unit_price": "1" }])), 422),
        ("POST", "/orders", Some(json!({ "user_id": uuid::Uuid::nil(), "items": line("cd", 1, "1") })), 409),
        ("PATCH", &*format!("/users/{ada}"), Some(json!({ "email": null })), 422),
        ("GET", "/stats/top?limit=0", None, 400),
        ("GET", "/stats/top?limit=101", None, 400),
        ("GET", &*format!("/users/{ada}/orders?limit=501"), None, 400),
        ("GET", &*format!("/users/{ada}/orders?limit=1&limit=2"), None, 400),
    ] {
        let answer = shop.send(method, path, body.clone());
        let _ = problem(&answer, status);
    }
    let cut = shop.send_text("POST", "/users", "application/json", "{\"email\":");
    let _ = problem(&cut, 400);
    assert_eq!(shop.get("/users?email=ada@example.com").status, 200, "it goes on");
}

#[test]
fn those_who_run_it_are_told_how_it_is() {
    let shop = Shop::start();
    let ada = user(&shop, "ada");
    assert_eq!(shop.get(&format!("/users/{ada}")).status, 200);
    assert_eq!((shop.get("/healthz").status, shop.get("/readyz").status), (200, 200));
    let metrics = shop.get("/metrics");
    assert!(metrics.raw.contains("larder_") && metrics.raw.contains("users"), "{}", metrics.raw);
    assert!(shop.stop().success(), "it ends when it is told to");
}
