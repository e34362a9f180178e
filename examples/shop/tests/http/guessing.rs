//! Passwords that are guessed, and names that are no names.

use std::thread;

use serde_json::json;
use servers::{Redis, RedisOptions};
use tests::eventually;

use crate::{
    LONG,
    browser::{Browser, PASSWORD, Page},
    program::Shop,
};

const ADA: &str = "ada@example.com";

/// A refusal for a limit, which it has to be: after how many seconds it would pass.
fn refused(page: &Page, limit: &str) -> u64 {
    assert_eq!(page.problem(429), "/problems/too-many");
    assert!(page.body()["detail"].as_str().unwrap().contains(limit), "{page:?}");
    let after: u64 = page.header("retry-after").parse().unwrap();
    let item = format!("\"{limit}\";r=0;t={after}");
    assert!(page.all("ratelimit").iter().any(|line| line.contains(&item)), "{item}: {page:?}");
    assert!(page.all("ratelimit-policy").iter().any(|line| line.contains(&format!("\"{limit}\";q="))), "{page:?}");
    let three = ["ratelimit-remaining", "ratelimit-reset"].map(|name| page.all(name));
    assert_eq!(three, [vec!["0"], vec![page.header("retry-after")]]);
    after
}

#[test]
fn who_guesses_a_password_is_stopped_wherever_they_come_from() {
    let shop = Shop::with(&["--limit-sign-ins", "3", "--trust-proxy", "127.0.0.1"]);
    let browser = Browser::of(&shop);
    browser.register(ADA);
    let from = |address: &str| browser.clone().with("x-forwarded-for", address);
    for n in 1..=3 {
        assert_eq!(from(&format!("192.0.2.{n}")).try_password(ADA, "wrong").problem(401), "/problems/credentials");
    }
    for password in ["wrong", PASSWORD] {
        let after = refused(&from("192.0.2.4").try_password(ADA, password), "sign-in-email");
        assert!((200..=300).contains(&after), "one comes in each five minutes: {after}");
    }
    let mut eve = browser.clone();
    eve.register("eve@example.com");
    eve.sign_in("eve@example.com");
    assert_eq!(eve.who().as_deref(), Some("eve@example.com"), "another address is another matter");
}

#[test]
fn who_tries_many_addresses_is_stopped_where_they_come_from() {
    let shop = Shop::with(&["--limit-sign-ins", "1", "--trust-proxy", "127.0.0.0/8"]);
    let browser = Browser::of(&shop);
    let from = |address: &str| browser.clone().with("x-forwarded-for", address);
    for n in 0..10 {
        assert_eq!(from("192.0.2.1").try_password(&format!("{n}@example.com"), "wrong").status, 401);
    }
    let after = refused(&from("192.0.2.1").try_password("10@example.com", "wrong"), "sign-in-address");
    assert!((1..=90).contains(&after), "{after}");
    assert_eq!(from("192.0.2.2").try_password("10@example.com", "wrong").status, 401, "it was not counted for it");
    assert_eq!(from("192.0.2.1").get("/healthz").status, 200);
}

#[test]
fn new_passwords_are_counted_where_they_come_from() {
    let shop = Shop::with(&["--limit-sign-ins", "1"]);
    let browser = Browser::of(&shop);
    for n in 0..10 {
        browser.register(&format!("{n}@example.com"));
    }
    let register = |password| browser.send("POST", "/users", Some(&json!({ "email": ADA, "password": password })));
    refused(&register(Some(PASSWORD)), "sign-in-address");
    assert_eq!(register(None).status, 201, "who wants none has none hashed");
}

#[test]
fn of_all_guesses_at_once_exactly_so_many_are_compared() {
    let shop = Shop::with(&["--limit-sign-ins", "5"]);
    let browser = Browser::of(&shop);
    browser.register(ADA);
    let guess = || browser.try_password(ADA, "wrong").status;
    let mut statuses: Vec<u16> = thread::scope(|scope| {
        let all: Vec<_> = (0..40).map(|_| scope.spawn(guess)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![401; 5], vec![429; 35]].concat());
}

#[test]
fn who_signs_in_may_mistype_again_but_clears_no_more_than_their_own() {
    let shop = Shop::with(&["--limit-sign-ins", "2"]);
    let mut browser = Browser::of(&shop);
    browser.register(ADA);
    for _ in 0..9 {
        assert_eq!(browser.try_password(ADA, "wrong").status, 401);
        browser.sign_in(ADA);
    }
    // The account itself was the first of 20 that one address has.
    assert_eq!(browser.try_password("eve@example.com", "wrong").status, 401);
    refused(&browser.try_password(ADA, PASSWORD), "sign-in-address");
}

#[test]
fn names_of_hostile_characters_are_names_as_any() {
    let shop = Shop::with(&["--limit-sign-ins", "1", "--limit-per-second", "10000", "--trust-proxy", "127.0.0.1"]);
    let browser = Browser::of(&shop);
    let names = [
        "a\r\nset-cookie: session=1@example.com",
        "a%0d%0aset-cookie:%20b@example.com",
        "a}:{b@example.com",
        "a\u{0}@example.com",
        "a\";r=9@example.com",
        "a",
        "",
        &"a".repeat(60_000),
    ];
    for name in names {
        let page = browser.try_password(name, "wrong");
        assert_eq!(page.problem(401), "/problems/credentials", "{name:?}");
        assert!(page.all("set-cookie").is_empty(), "{name:?}: {page:?}");
        assert_eq!(page.all("ratelimit").concat().matches('"').count(), 2, "{name:?}: {page:?}");
        let again = browser.try_password(name, "wrong");
        assert_eq!(again.problem(429), "/problems/too-many", "{name:?}: each is counted for itself");
        assert!(again.all("set-cookie").is_empty() && again.all("ratelimit-policy").len() == 2, "{name:?}: {again:?}");
    }
    for body in
        [json!({}), json!([]), json!({ "email": 1, "password": 2 }), json!({ "email": "a@b", "password": null })]
    {
        assert_eq!(browser.send("POST", "/session", Some(&body)).problem(422), "/problems/invalid");
    }
    assert_eq!(browser.try_password(&"a".repeat(70_000), "wrong").problem(413), "about:blank");
    for address in ["a\\", "\"", "for=", "%0d%0a", "999.1.1.1", "::::", "[", &"1,".repeat(2_000)] {
        let page = browser.clone().with("x-forwarded-for", address).get("/users?email=no@example.com");
        assert_eq!(page.problem(404), "/problems/not-found", "{address}");
    }
    let split =
        b"GET /me HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-forwarded-for: 1.2.3.4\rset-cookie: a=b\r\n\r\n";
    let (status, answer) = browser.send_bytes(split);
    assert!(status == 400 && !answer.to_lowercase().contains("set-cookie"), "{answer}");
}

#[test]
fn without_redis_nobody_guesses_and_everybody_reads() {
    let mut redis = Redis::start(RedisOptions::default()).unwrap();
    let shop = Shop::on(redis.url(), &["--limit-per-second", "100"]);
    let mut browser = Browser::of(&shop);
    let id = browser.register(ADA);
    browser.sign_in(ADA);
    redis.kill().unwrap();
    eventually(LONG, || browser.get(&format!("/users/{id}")).header("ratelimit").is_empty());
    assert_eq!(browser.get(&format!("/users/{id}")).status, 200, "what protects from load lets through");
    for page in [browser.try_password(ADA, PASSWORD), browser.get("/me"), browser.send("DELETE", "/session", None)] {
        assert_eq!((page.problem(503), page.header("retry-after")), ("/problems/unavailable".to_owned(), "1"));
        assert!(page.all("set-cookie").is_empty(), "{page:?}");
    }
    redis.restart().unwrap();
    eventually(LONG, || browser.try_password(ADA, PASSWORD).status == 200);
}
