//! Answers that the service keeps itself.

use tests::eventually;

use super::{
    LONG,
    browser::{Browser, Page},
    order, problem,
    program::Shop,
    user,
};

#[test]
fn the_best_are_told_without_asking_for_them_until_they_are_others() {
    let shop = Shop::start();
    let other = shop.beside(&[]);
    let (ada, bob) = (user(&shop, "ada"), user(&shop, "bob"));
    order(&shop, &ada, 2);
    let best = |shop: &Shop| shop.get("/stats/top?limit=1");
    eventually(LONG, || best(&shop).body[0]["user_id"] == *ada);
    let mut kept = best(&shop);
    // A refresh of the view may come between any two.
    eventually(LONG, || {
        let _ = best(&shop);
        kept = best(&other);
        kept.header("cache-status") == "larder; hit"
    });
    assert_eq!(kept.header("x-cache"), "shared");
    assert!(kept.header("server-timing").contains("sql;dur=0.000;desc=\"0\", redis"), "{kept:?}");
    assert_eq!(kept.body[0]["user_id"], *ada);
    // Another refresh may give it another tag, and a process whose store is slow knows of no tag for a moment.
    eventually(LONG, || {
        let tag = best(&other).header("etag").to_owned();
        let known = shop.send_under(&[("if-none-match", &tag)], "GET", "/stats/top?limit=1", None);
        (known.status, &*known.raw) == (304, "")
    });
    order(&other, &bob, 10);
    eventually(LONG, || [&shop, &other].iter().all(|shop| best(shop).body[0]["user_id"] == *bob));
}

#[test]
fn what_is_kept_is_for_those_it_is_kept_for() {
    let shop = Shop::start();
    order(&shop, &user(&shop, "ada"), 2);
    eventually(LONG, || shop.get("/stats/top").header("cache-status") == "larder; hit");
    for (headers, path) in [
        (&[("authorization", "Bearer x")][..], "/stats/top"),
        (&[("cookie", "a=b")], "/stats/top"),
        (&[("cache-control", "no-cache")], "/stats/top"),
        (&[], "/stats/top?limit=0"),
        (&[], "/stats/top?else=1"),
    ] {
        for _ in 0..2 {
            let answer = shop.send_under(headers, "GET", path, None);
            assert_ne!(answer.header("cache-status"), "larder; hit", "{headers:?} {path}");
        }
    }
    let wants_kept = shop.send_under(&[("cache-control", "only-if-cached")], "GET", "/stats/top?limit=7", None);
    let _ = problem(&wants_kept, 504);
}

fn n_orders(page: &Page) -> usize {
    assert_eq!(page.status, 200, "{page:?}");
    page.body()["rows"].as_array().unwrap().len()
}

fn is_hit(page: &Page) -> bool {
    page.header("cache-status") == "larder; hit"
}

#[test]
fn each_user_is_given_what_is_kept_for_them_and_never_anything_else() {
    let shop = Shop::start();
    let other = shop.beside(&[]);
    let (mut ada, mut bob) = (Browser::of(&shop), Browser::of(&other));
    let ids = [ada.register("ada@example.com"), bob.register("bob@example.com")];
    for (browser, email) in [(&mut ada, "ada@example.com"), (&mut bob, "bob@example.com")] {
        browser.sign_in(email);
    }
    let nobody = Browser::of(&shop);
    for n in 1..6 {
        let _ = order(&shop, &ids[0], 1);
        let _ = order(&other, &ids[1], 1);
        let _ = order(&other, &ids[1], 1);
        // Strictly: what was written is seen by whoever asks, wherever; and nobody is seen anything of anybody else.
        assert_eq!((n_orders(&ada.get("/me/orders")), n_orders(&bob.get("/me/orders"))), (n, 2 * n));
        eventually(LONG, || [&ada, &bob].iter().all(|browser| is_hit(&browser.get("/me/orders"))));
        for (browser, id, n) in [(&ada, &ids[0], n), (&bob, &ids[1], 2 * n)] {
            let page = browser.get("/me/orders");
            assert_eq!((n_orders(&page), is_hit(&page)), (n, true));
            assert!(page.body()["rows"].as_array().unwrap().iter().all(|row| row["user_id"] == **id), "{page:?}");
            assert_eq!((page.header("cache-control"), page.header("x-cache")), ("no-store", "shared"));
        }
        assert_eq!(nobody.get("/me/orders").problem(401), "/problems/not-signed-in");
    }
    let first = bob.get("/me/orders?limit=3");
    let next = format!("/me/orders?limit=3&after={}", first.body()["next"].as_str().unwrap());
    eventually(LONG, || is_hit(&bob.get(&next)));
    assert_eq!(ada.get(&next).problem(400), "/problems/cursor", "it is another user's");
    assert_eq!(bob.get("/me/orders?limit=0").problem(400), "/problems/query");
    let cookie = bob.cookie.clone().unwrap();
    assert_eq!(bob.send("DELETE", "/session", None).status, 204);
    assert_eq!(bob.with_cookie(&cookie).get("/me/orders").problem(401), "/problems/not-signed-in");
}
