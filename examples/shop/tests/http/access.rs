//! The log, as those who run the service read it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::eventually;
use ureq::{Agent, http};

use crate::{LONG, order, site::Site, user};

#[test]
fn each_request_has_a_name_and_a_line_in_the_log_that_tells_no_secret() {
    let site = Site::new(&["--log-json"]);
    let shop = site.start();
    let ada = user(&shop, "ada");
    let _ = order(&shop, &ada, 1);
    let agent: Agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
    let send = |name: &str, path: &str| {
        let request = http::Request::get(format!("http://{}{path}", shop.address()))
            .header("x-request-id", name)
            .header("cookie", "session=cookie-secret")
            .header("authorization", "Bearer bearer-secret")
            .body(());
        let answer = agent.run(request.unwrap()).unwrap();
        answer.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(send("mine-1", &format!("/users/{ada}?include=orders")), "mine-1");
    assert_eq!(send("mine-2", "/users?email=secret@example.com"), "mine-2");
    let mut made_up = BTreeSet::new();
    for not_a_name in ["", "two words", "{\"a\":1}", &"x".repeat(129)] {
        let name = send(not_a_name, "/nowhere");
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        assert!(is_plain && (1..=128).contains(&name.len()), "{not_a_name:?} became {name}");
        assert!(made_up.insert(name), "each has a name of its own: {made_up:?}");
    }
    let taken = shop.send("POST", "/users", Some(json!({ "email": "ada@example.com" })));
    assert_eq!(taken.status, 409);
    let line = |name: &str| {
        let log = site.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.into_iter().find(|line| line["span"]["id"] == name && line["fields"]["message"] == "answered")
    };
    eventually(LONG, || line(taken.header("x-request-id")).is_some());
    let read = line("mine-1").unwrap();
    assert_eq!((&read["span"]["route"], &read["span"]["method"]), (&json!("/users/{id}"), &json!("GET")));
    let fields = &read["fields"];
    assert_eq!((&fields["status"], &fields["from"]), (&json!(200), &json!("database")), "{read}");
    assert!(fields["sql"].as_u64() > Some(0) && fields["redis"].as_u64() > Some(0), "{read}");
    assert!(fields["millis"].as_f64() > Some(0.0), "{read}");
    assert_eq!(line("mine-2").unwrap()["fields"]["status"], 404);
    let log = site.log();
    for secret in ["secret", "ada@example.com", &ada, "two words"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}
