//! How much anybody may ask.

use std::collections::BTreeSet;

use crate::{
    browser::{Browser, Page},
    program::Shop,
};

/// Asks until it is refused, which it has to be: no machine is so slow that none of so many is too soon.
fn until_refused(mut ask: impl FnMut(usize) -> Page) -> Page {
    let (mut n, mut page) = (0, ask(0));
    while page.status != 429 {
        n += 1;
        assert!(n < 100, "{page:?}");
        page = ask(n);
    }
    page
}

#[test]
fn an_address_that_asks_too_much_is_told_when_to_ask_again() {
    let shop = Shop::with(&["--limit-per-second", "1"]);
    let browser = Browser::of(&shop);
    let first = browser.get("/stats/top");
    assert_eq!((first.status, first.header("ratelimit-policy")), (200, "\"address\";q=2;w=2"));
    assert_eq!((first.header("ratelimit"), first.header("ratelimit-limit")), ("\"address\";r=1;t=1", "2"));
    let refused = until_refused(|_| browser.get("/nowhere"));
    assert_eq!(refused.problem(429), "/problems/too-many");
    assert_eq!(refused.body()["detail"], "over the limit: address");
    assert_eq!((refused.header("ratelimit"), refused.header("retry-after")), ("\"address\";r=0;t=1", "1"));
    assert_eq!((refused.header("cache-control"), refused.header("x-cache")), ("no-store", ""));
    let statuses: BTreeSet<u16> = (0..20).map(|_| browser.get("/healthz").status).collect();
    assert_eq!(statuses, BTreeSet::from([200]), "whether it lives may always be asked");
}

#[test]
fn what_a_client_says_of_itself_is_believed_only_where_a_proxy_is_trusted() {
    let ask =
        |shop: &Shop, n: usize| Browser::of(shop).with("x-forwarded-for", &format!("192.0.2.{n}")).get("/nowhere");
    let open = Shop::with(&["--limit-per-second", "1"]);
    until_refused(|n| ask(&open, n));
    let behind = Shop::with(&["--limit-per-second", "1", "--trust-proxy", "127.0.0.1"]);
    for n in 0..20 {
        assert_eq!(ask(&behind, n).header("ratelimit"), "\"address\";r=1;t=1", "each is another one");
    }
    until_refused(|n| {
        Browser::of(&behind).with("x-forwarded-for", &format!("10.0.0.{n}, 198.51.100.7")).get("/nowhere")
    });
    let forwarded =
        Shop::with(&["--limit-per-second", "1", "--trust-proxy", "127.0.0.1", "--trust-header", "forwarded"]);
    until_refused(|n| ask(&forwarded, n));
    for n in 0..20 {
        let browser = Browser::of(&forwarded).with("forwarded", &format!("for=\"[2001:db8:0:{n}::1]:80\";proto=http"));
        assert_eq!(browser.get("/nowhere").header("ratelimit"), "\"address\";r=1;t=1");
    }
}

#[test]
fn a_user_has_one_limit_wherever_they_ask_from() {
    let shop =
        Shop::with(&["--limit-per-second", "1000", "--limit-user-per-second", "1", "--trust-proxy", "127.0.0.1"]);
    let mut browser = Browser::of(&shop);
    browser.register("ada@example.com");
    browser.sign_in("ada@example.com");
    let refused = until_refused(|n| browser.clone().with("x-forwarded-for", &format!("192.0.2.{n}")).get("/stats/top"));
    assert_eq!(refused.body()["detail"], "over the limit: user");
    assert_eq!(refused.header("ratelimit-policy"), "\"address\";q=2000;w=2, \"user\";q=2;w=2");
    assert!(refused.header("ratelimit").ends_with(", \"user\";r=0;t=1"), "{refused:?}");
    let nobody = Browser::of(&shop).get("/stats/top");
    assert_eq!((nobody.status, nobody.header("ratelimit-policy")), (200, "\"address\";q=2000;w=2"));
    let made_up = browser.with_cookie(&format!("session={}", "0".repeat(32)));
    assert_eq!(made_up.get("/stats/top").header("ratelimit-policy"), "\"address\";q=2000;w=2");
}

#[test]
fn without_limits_nothing_is_counted() {
    let shop = Shop::with(&["--limit-per-second", "0", "--limit-user-per-second", "0", "--limit-sign-ins", "0"]);
    let mut browser = Browser::of(&shop);
    browser.register("ada@example.com");
    for _ in 0..15 {
        browser.sign_in("ada@example.com");
    }
    let me = browser.get("/me");
    assert_eq!((me.status, me.header("ratelimit"), me.header("ratelimit-limit")), (200, "", ""));
}
