//! Who is signed in, and who can't be made to be.

use std::{thread, time::Instant};

use serde_json::json;

use crate::{
    browser::{Browser, PASSWORD},
    program::Shop,
};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";

/// A service with two users, and a browser.
fn two_users(arguments: &[&str]) -> (Shop, Browser) {
    let shop = Shop::with(arguments);
    let browser = Browser::of(&shop);
    browser.register(ADA);
    browser.register(EVE);
    (shop, browser)
}

#[test]
fn who_has_a_password_signs_in_and_out() {
    let (_shop, mut browser) = two_users(&[]);
    assert_eq!(browser.who(), None);
    let page = browser.sign_in(ADA);
    assert_eq!((page.body()["email"].as_str(), page.header("cache-control")), (Some(ADA), "no-store"));
    let cookie = page.header("set-cookie");
    let (value, rest) = cookie.split_once(';').unwrap();
    let id = value.strip_prefix("session=").unwrap();
    assert!(id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{cookie}");
    assert_eq!(rest, " HttpOnly; SameSite=Lax; Path=/; Max-Age=604800");
    let me = browser.get("/me");
    assert_eq!((me.status, me.header("cache-control"), me.body()), (200, "private, no-store", page.body()));
    assert!(!me.raw.contains("argon2") && !me.raw.contains("password"), "{me:?}");

    let out = browser.send("DELETE", "/session", None);
    assert_eq!((out.status, out.header("cache-control"), &*out.raw), (204, "no-store", ""));
    assert_eq!(out.header("set-cookie"), "session=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    assert_eq!(browser.who(), None, "the cookie that was kept is worth nothing");
    assert_eq!(browser.send("DELETE", "/session", None).status, 204, "what is over may be ended");
    let refused = browser.get("/me");
    assert_eq!(
        (refused.header("www-authenticate"), refused.header("cache-control")),
        ("Cookie realm=\"shop\"", "no-store")
    );
}

#[test]
fn secure_cookies_are_of_this_host_and_go_over_https_only() {
    let (_shop, mut browser) = two_users(&["--secure-cookies"]);
    let cookie = browser.sign_in(ADA).header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=604800"), "{cookie}");
    assert_eq!(browser.who().as_deref(), Some(ADA));
    let plain = browser.cookie.clone().unwrap().replace("__Host-", "");
    assert_eq!(browser.with_cookie(&plain).who(), None, "one of another name may have been planted");
}

#[test]
fn an_id_that_was_planted_is_nothing_after_the_sign_in() {
    let (_shop, browser) = two_users(&[]);
    let made_up = format!("session={}", "ab".repeat(16));
    let mut eve = browser.clone();
    eve.sign_in(EVE);
    for planted in [made_up, eve.cookie.clone().unwrap()] {
        let mut victim = browser.with_cookie(&planted);
        victim.sign_in(ADA);
        assert_ne!(victim.cookie.as_ref(), Some(&planted));
        assert_eq!(browser.with_cookie(&planted).who(), None, "{planted}");
        assert_eq!(victim.who().as_deref(), Some(ADA));
    }
}

#[test]
fn each_sign_in_gives_another_id_and_ends_the_one_before() {
    let (_shop, mut browser) = two_users(&[]);
    let mut before: Vec<Browser> = Vec::new();
    for email in [ADA, ADA, EVE, ADA] {
        browser.sign_in(email);
        assert_eq!(browser.who().as_deref(), Some(email));
        for old in &before {
            assert_ne!(old.cookie, browser.cookie);
            assert_eq!(old.who(), None);
        }
        before.push(browser.clone());
    }
}

#[test]
fn all_sessions_of_a_user_end_at_once_and_none_of_others() {
    let (_shop, browser) = two_users(&[]);
    let signed_in = |email| {
        let mut one = browser.clone();
        one.sign_in(email);
        one
    };
    let (here, there, eve) = (signed_in(ADA), signed_in(ADA), signed_in(EVE));
    assert_eq!(browser.send("DELETE", "/session?all=true", None).problem(401), "/problems/not-signed-in");
    assert_eq!(here.send("DELETE", "/session?all=maybe", None).problem(400), "/problems/query");
    assert_eq!(here.who().as_deref(), Some(ADA));
    assert_eq!(here.send("DELETE", "/session?all=true", None).status, 204);
    assert_eq!((here.who(), there.who(), eve.who().as_deref()), (None, None, Some(EVE)));
    assert_eq!(here.send("DELETE", "/session?all=true", None).problem(401), "/problems/not-signed-in");
    assert_eq!(signed_in(ADA).who().as_deref(), Some(ADA), "who comes back may");
}

#[test]
fn a_deleted_user_is_signed_in_nowhere() {
    let (_shop, mut browser) = two_users(&[]);
    let id = browser.sign_in(ADA).body()["id"].as_str().unwrap().to_owned();
    let mut other = browser.clone();
    other.cookie = None;
    other.sign_in(ADA);
    assert_eq!(browser.send("DELETE", &format!("/users/{id}"), None).status, 204);
    assert_eq!(other.send("DELETE", "/session?all=true", None).problem(401), "/problems/not-signed-in");
    assert_eq!((browser.who(), other.who()), (None, None));
    assert_eq!(browser.try_password(ADA, PASSWORD).problem(401), "/problems/credentials");
    browser.register(ADA);
    assert_eq!((browser.who(), other.who()), (None, None), "another account is another one");
}

#[test]
fn a_new_password_is_neither_short_nor_endless_and_who_has_none_does_not_sign_in() {
    let shop = Shop::start();
    let browser = Browser::of(&shop);
    let register =
        |email: &str, password| browser.send("POST", "/users", Some(&json!({ "email": email, "password": password })));
    for password in ["", "1234567", &"x".repeat(129)] {
        let refused = register(ADA, json!(password));
        assert_eq!(
            (&*refused.problem(422), refused.body()["pointer"].as_str()),
            ("/problems/invalid", Some("/password"))
        );
        assert!(password.is_empty() || !refused.raw.contains(password), "it is not sent back");
    }
    assert_eq!(browser.get(&format!("/users?email={ADA}")).status, 404, "nobody was made");
    for (n, password) in ["ääääääää", "\u{0}\r\n%0d\";=", &"é".repeat(128)].into_iter().enumerate() {
        let email = format!("{n}@example.com");
        let made = register(&email, json!(password));
        assert!(made.status == 201 && !made.raw.contains("password"), "{made:?}");
        assert_eq!(browser.try_password(&email, password).status, 200);
        assert_eq!(browser.try_password(&email, &password[..password.len() - 2]).problem(401), "/problems/credentials");
    }
    assert_eq!(register(EVE, json!(null)).status, 201);
    for password in ["", "nobody's", "null"] {
        assert_eq!(browser.try_password(EVE, password).problem(401), "/problems/credentials");
    }
}

#[test]
fn an_address_that_nobody_has_and_a_wrong_password_look_alike_and_take_as_long() {
    let (_shop, browser) = two_users(&["--limit-sign-ins", "0"]);
    let (wrong, unknown) =
        (browser.try_password(ADA, "wrong password"), browser.try_password("no@example.com", "wrong password"));
    assert_eq!((wrong.problem(401), &wrong.raw, wrong.names()), (unknown.problem(401), &unknown.raw, unknown.names()));
    // The shortest of some: whatever else runs on the machine only adds to it.
    let shortest = |email: &str| {
        let once = |_| {
            let begun = Instant::now();
            assert_eq!(browser.try_password(email, "wrong password").status, 401);
            begun.elapsed()
        };
        (0..9).map(once).min().unwrap()
    };
    let (wrong, unknown, malformed) = (shortest(ADA), shortest("no@example.com"), shortest("no\u{0}body"));
    for other in [unknown, malformed] {
        let ratio = other.as_secs_f64() / wrong.as_secs_f64();
        assert!((0.5..2.0).contains(&ratio), "{wrong:?}, {unknown:?}, {malformed:?}");
    }
}

#[test]
fn whatever_is_in_a_cookie_is_nobody_and_breaks_nothing() {
    let (_shop, mut browser) = two_users(&[]);
    browser.sign_in(ADA);
    let own = browser.cookie.clone().unwrap();
    let id = own.strip_prefix("session=").unwrap();
    let flipped = format!("session={}{}", if id.starts_with('0') { '1' } else { '0' }, &id[1..]);
    for cookie in [
        &*flipped,
        &format!("session={}", id.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")),
        &format!("session={}", &id[1..]),
        &format!("{own}0"),
        &format!("session=\"{id}\""),
        &format!("session={id}; session={}", "0".repeat(32)),
        &format!("session=%00{id}"),
        "session=../../etc/passwd",
        "session=$argon2id$",
        "session=*",
        "=;=;;",
        &format!("session={}", "a".repeat(4_000)),
    ] {
        assert_eq!(browser.with_cookie(cookie).who(), None, "{cookie}");
        assert_eq!(browser.with_cookie(cookie).send("DELETE", "/session", None).status, 204, "{cookie}");
    }
    for n_bytes in [9_000, 60_000] {
        let large = browser.with_cookie(&format!("{own}; a={}", "b".repeat(n_bytes)));
        for path in ["/me", "/nowhere", "/users"] {
            assert_eq!(large.get(path).problem(431), "about:blank");
        }
    }
    let raw = |cookie: &[u8]| {
        let head = [b"GET /me HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncookie: ", cookie, b"\r\n\r\n"].concat();
        browser.send_bytes(&head).0
    };
    assert_eq!(raw(b"session=\xff\xfe"), 401);
    assert_eq!(raw(b"session=\x00"), 400);
    assert!([400, 431].contains(&raw(&b"a".repeat(2 << 20))), "more than is read of a head");
    assert_eq!(raw(own.as_bytes()), 200, "it goes on");
    assert_eq!(browser.who().as_deref(), Some(ADA), "all that was of others");
}

#[test]
fn each_of_those_who_ask_at_once_is_told_of_themselves() {
    const USERS: usize = 4;
    let shop = Shop::start();
    let browser = Browser::of(&shop);
    thread::scope(|scope| {
        for n in 0..USERS {
            let mut browser = browser.clone();
            scope.spawn(move || {
                let email = format!("user-{n}@example.com");
                browser.register(&email);
                browser.sign_in(&email);
                for round in 0..50 {
                    assert_eq!(browser.who().as_deref(), Some(&*email));
                    if round % 10 == 9 {
                        browser.sign_in(&email);
                    }
                }
            });
        }
    });
}
