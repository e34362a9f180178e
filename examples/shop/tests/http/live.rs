//! What the service says of itself at `/live`, and the routes of the demonstration.

use serde_json::{Value, json};
use tests::eventually;

use crate::{LONG, problem, program::Shop, user};

fn requests(shop: &Shop, of: &str) -> u64 {
    shop.get("/live").body["requests"][of].as_u64().unwrap()
}

#[test]
fn each_request_counts_once_by_the_farthest_source_that_it_needed() {
    let shop = Shop::start();
    let all = |shop: &Shop| ["near", "shared", "database", "writes", "failed"].map(|of| requests(shop, of));
    assert_eq!(all(&shop), [0; 5]);
    let path = format!("/users/{}?include=orders", user(&shop, "ada"));
    assert_eq!(all(&shop), [0, 0, 0, 1, 0]);
    assert_eq!(shop.get(&path).header("x-cache"), "database");
    assert_eq!(all(&shop), [0, 0, 1, 1, 0]);
    eventually(LONG, || shop.get(&path).header("x-cache") == "near");
    // What was near may be so no more for a moment.
    let counted = || {
        let [near, shared, rest @ ..] = all(&shop);
        assert!(near > 0);
        (near + shared, rest)
    };
    let (n_cached, [database, ..]) = counted();
    assert_eq!(shop.get(&path).status, 200);
    assert_eq!(counted(), (n_cached + 1, [database, 1, 0]));
    // Neither what can't be answered nor what is not of the data is a read.
    for path in ["/users/none", "/nowhere", "/healthz", "/", "/live"] {
        let _ = shop.get(path);
    }
    assert_eq!(shop.send("POST", "/users", Some(json!({ "email": "none" }))).status, 422);
    assert_eq!(counted(), (n_cached + 1, [database, 1, 0]));
}

#[test]
fn a_moment_tells_of_models_the_line_the_breaker_and_the_relay() {
    let shop = Shop::start();
    let ada = user(&shop, "ada");
    assert_eq!(shop.get(&format!("/users/{ada}")).status, 200);
    let moment = shop.get("/live");
    assert_eq!(moment.header("cache-control"), "no-store");
    let body = moment.body;
    let users = body["models"].as_array().unwrap().iter().find(|model| model["name"] == "users").unwrap();
    assert_eq!((&users["rows_written"], users["statements"].as_u64() > Some(0)), (&json!(1), true), "{body}");
    assert_eq!((&body["breaker"]["state"], &body["demo"]), (&json!("closed"), &json!(false)), "{body}");
    eventually(LONG, || {
        let body = shop.get("/live").body;
        !body["delays"]["announced"].as_array().unwrap().is_empty() && body["relay"]["waiting"] == 0
    });
    assert_ne!(shop.get("/live").body["process"]["id"], shop.beside(&[]).get("/live").body["process"]["id"]);
}

#[test]
fn the_demonstration_is_there_on_request_only() {
    let shop = Shop::start();
    for path in ["/demo/users", "/demo/update"] {
        let _ = problem(&shop.send("POST", path, Some(json!({}))), 404);
    }
    let demo = shop.beside(&["--demo"]);
    assert_eq!(demo.get("/live").body["demo"], true);
    let ada = user(&shop, "ada");
    let people = |()| demo.send("POST", "/demo/users", Some(json!({}))).body;
    let first = people(());
    assert_eq!((first.as_array().unwrap().len(), &people(())), (20, &first), "they are made once");
    let update = |id: &Value| demo.send("POST", "/demo/update", Some(json!({ "id": id })));
    let path = format!("/users/{}", first[0]["id"].as_str().unwrap());
    eventually(LONG, || demo.get(&path).header("x-cache") == "near");
    let updated = update(&first[0]["id"]);
    assert_eq!(updated.status, 200, "{updated:?}");
    assert_ne!(updated.text("email"), first[0]["email"]);
    eventually(LONG, || demo.get(&path).text("email") == updated.text("email"));
    eventually(LONG, || {
        let moment = demo.get("/live").body;
        // Whichever of the two relays has the figure.
        let of = if moment["relay"]["leads"] == true { moment } else { shop.get("/live").body };
        !of["delays"]["relayed"].as_array().unwrap().is_empty()
    });
    assert_eq!(problem(&update(&json!(ada)), 404), "/problems/not-found", "it changes nobody else");
    // What a page of another origin may send unasked.
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let body = json!({ "id": first[0]["id"] }).to_string();
        let _ = problem(&demo.send_text("POST", "/demo/update", kind, &body), 415);
    }
}
