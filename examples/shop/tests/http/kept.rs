//! Answers that the service keeps itself.

use tests::eventually;

use super::{LONG, order, problem, program::Shop, user};

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
    let known = shop.send_under(&[("if-none-match", kept.header("etag"))], "GET", "/stats/top?limit=1", None);
    assert_eq!((known.status, &*known.raw), (304, ""), "{known:?}");
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
