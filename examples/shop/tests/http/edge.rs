//! Two processes behind a Varnish, and what each route promises there.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use serde_json::json;
use servers::{Varnish, VarnishOptions};
use tests::eventually;

use super::{
    LONG,
    browser::Browser,
    crowd::Over,
    order, problem,
    program::{Answer, Shop, agent, ask},
    user,
};

const XKEY: &str = include_str!("../../../../crates/larder-http/varnish/xkey.vcl");
const SHOP: &str = include_str!("../../varnish/shop.vcl");

/// Two processes of one service, each of which tells the edge what to drop.
struct Site {
    one: Shop,
    two: Shop,
    edge: Varnish,
}

impl Site {
    fn new() -> Self {
        let nowhere = rules(["127.0.0.1:1", "127.0.0.1:1"]);
        // Stale answers are not served: only what is fresh for it is shown to be as it should be.
        let parameters = vec![("default_grace".to_owned(), "0".to_owned())];
        let mut edge = Varnish::start(VarnishOptions { vcl: nowhere, parameters }).unwrap();
        let url = edge.url();
        let one = Shop::with(&["--edge", &url]);
        let two = one.beside(&["--edge", &url]);
        edge.restart_with(rules([&one, &two].map(|shop| shop.url().strip_prefix("http://").unwrap()))).unwrap();
        Self { one, two, edge }
    }

    fn at_edge(&self, headers: &[(&str, &str)], path: &str) -> Answer {
        ask(&agent(), self.edge.url().trim_end_matches('/'), "GET", path, headers, None)
    }

    /// The tag by version of what is there now. What is being loaded has no version yet, and a tag of its body.
    fn tag(&self, path: &str) -> String {
        let mut tag = String::new();
        eventually(LONG, || {
            tag = self.one.get(path).header("etag").to_owned();
            [&self.one, &self.two].iter().all(|shop| {
                let answer = shop.send_under(&[("if-none-match", &tag)], "GET", path, None);
                answer.status == 304 && statements(&answer) == "0"
            })
        });
        tag
    }

    fn rename(&self, path: &str, email: &str) {
        let answer = self.one.send("PATCH", path, Some(json!({ "email": email })));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

fn rules(addresses: [&str; 2]) -> String {
    let mut rules = "vcl 4.1;\nacl larder_purgers { \"127.0.0.1\"; }\n".to_owned();
    for (name, address) in ["one", "two"].into_iter().zip(addresses) {
        let (host, port) = address.rsplit_once(':').unwrap();
        rules += &format!("backend {name} {{ .host = \"{host}\"; .port = \"{port}\"; }}\n");
    }
    rules + XKEY + SHOP
}

fn statements(answer: &Answer) -> &str {
    let timing = answer.header("server-timing");
    let sql = timing.split(", ").find(|part| part.starts_with("sql;")).unwrap_or_else(|| panic!("{answer:?}"));
    sql.rsplit_once("desc=").unwrap().1.trim_matches('"')
}

#[test]
fn what_is_written_on_one_is_seen_on_both_and_at_the_edge() {
    let site = Site::new();
    let path = format!("/users/{}", user(&site.one, "ada"));
    eventually(LONG, || site.at_edge(&[], &path).header("x-cache") == "edge");
    for n in 0..20 {
        // Have it near and at the edge before it changes.
        eventually(LONG, || site.at_edge(&[], &path).header("x-cache") == "edge");
        eventually(LONG, || site.two.get(&path).header("x-cache") == "near");
        let email = format!("{n}@example.com");
        site.rename(&path, &email);
        assert_eq!(site.one.get(&path).text("email"), email, "its own writes are seen at once");
        for asked in [
            site.two.send_under(&[("cache-control", "no-cache")], "GET", &path, None),
            site.at_edge(&[("cache-control", "no-cache")], &path),
        ] {
            assert_eq!(asked.text("email"), email, "who asks for what there is now gets it");
        }
        // Within a quarter of a second, and of one more at the edge.
        eventually(LONG, || site.two.get(&path).text("email") == email);
        eventually(LONG, || site.at_edge(&[], &path).text("email") == email);
    }
    let id = path.rsplit_once('/').unwrap().1;
    let (orders, tree) = (format!("{path}/orders"), format!("{path}?include=orders.items"));
    let n_orders = || [&orders, &tree].map(|path| site.at_edge(&[], path).raw.matches("total_amount").count());
    eventually(LONG, || n_orders() == [0, 0] && site.at_edge(&[], &orders).header("x-cache") == "edge");
    let placed = format!("/orders/{}", order(&site.two, id, 1));
    eventually(LONG, || n_orders() == [1, 1]);
    eventually(LONG, || site.at_edge(&[], &placed).header("x-cache") == "edge");
    assert_eq!(site.two.send("DELETE", &path, None).status, 204);
    eventually(LONG, || [&path, &orders, &tree, &placed].iter().all(|path| site.at_edge(&[], path).status == 404));
}

#[test]
fn what_a_client_has_costs_no_statement_wherever_it_asks() {
    let site = Site::new();
    let ada = user(&site.one, "ada");
    let placed = order(&site.one, &ada, 2);
    for path in [
        format!("/users/{ada}"),
        format!("/users/{ada}?include=orders"),
        format!("/users/{ada}?include=orders.items"),
        format!("/users/{ada}/orders"),
        format!("/users/{ada}/orders?status=pending&limit=5"),
        "/users?email=ada@example.com".to_owned(),
        format!("/orders/{placed}"),
        format!("/stats/users/{ada}"),
    ] {
        let tag = site.tag(&path);
        for shop in [&site.one, &site.two] {
            let answer = shop.send_under(&[("if-none-match", &tag)], "GET", &path, None);
            assert_eq!((answer.status, statements(&answer), &*answer.raw), (304, "0", ""), "{path}");
            let answer = shop.send_under(&[("if-none-match", "\"other\"")], "GET", &path, None);
            assert_eq!((answer.status, answer.header("etag")), (200, &*tag), "{path}");
        }
    }
    let path = format!("/users/{ada}");
    let tag = site.tag(&path);
    eventually(LONG, || {
        let near = site.one.send_under(&[("if-none-match", &tag)], "GET", &path, None);
        assert_eq!(near.status, 304);
        near.header("x-cache") == "near"
    });
    site.rename(&path, "countess@example.com");
    let answer = site.one.send_under(&[("if-none-match", &tag)], "GET", &path, None);
    assert_eq!((answer.status, answer.text("email")), (200, "countess@example.com".to_owned()));
}

#[test]
fn a_write_is_refused_if_what_it_was_made_for_has_changed() {
    let site = Site::new();
    let ada = user(&site.one, "ada");
    let (path, of_user) = (format!("/orders/{}", order(&site.one, &ada, 1)), format!("/users/{ada}"));
    let old = site.tag(&path);
    let paid = json!({ "status": "paid" });
    let pay = |condition: (&str, &str)| site.two.send_under(&[condition], "PATCH", &path, Some(paid.clone()));
    for condition in
        [("if-match", "\"other\""), ("if-match", "W/\"weak\""), ("if-match", "none"), ("if-none-match", "*")]
    {
        assert_eq!(problem(&pay(condition), 412), "/problems/changed", "{condition:?}");
    }
    let both = [("if-match", "*"), ("if-none-match", &*old)];
    assert_eq!(problem(&site.two.send_under(&both, "PATCH", &path, Some(paid.clone())), 412), "/problems/changed");
    assert_eq!(site.one.get(&path).text("status"), "pending");
    // Of all who have seen the same, one writes. Between a commit and what the store is told of it nobody knows the version: such come again.
    let insist = || {
        let mut status = 503;
        eventually(LONG, || {
            status = pay(("if-match", &old)).status;
            status != 503
        });
        status
    };
    let mut statuses: Vec<u16> = thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(insist)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1..].iter().all(|status| *status == 412)), (200, true), "{statuses:?}");
    assert_eq!(problem(&pay(("if-match", &old)), 412), "/problems/changed");
    let shipped = json!({ "status": "shipped" });
    assert_eq!(site.one.send_under(&[("if-match", "*")], "PATCH", &path, Some(shipped)).status, 200);
    let nobody = format!("/orders/{}", uuid::Uuid::nil());
    assert_eq!(site.one.send_under(&[("if-match", "*")], "PATCH", &nobody, Some(paid.clone())).status, 412);

    let old = site.tag(&of_user);
    site.rename(&of_user, "new@example.com");
    assert_eq!(site.two.send_under(&[("if-match", &old)], "DELETE", &of_user, None).status, 412);
    assert_eq!(site.two.send_under(&[("if-match", &site.tag(&of_user))], "DELETE", &of_user, None).status, 204);
}

#[test]
fn where_nobody_can_tell_a_version_a_write_under_one_is_told_to_come_again() {
    let shop = Shop::with(&["--caches", "none"]);
    let path = format!("/users/{}", user(&shop, "ada"));
    let tag = shop.get(&path).header("etag").to_owned();
    assert!(!tag.is_empty());
    let changes = Some(json!({ "email": "new@example.com" }));
    let refused = shop.send_under(&[("if-match", &tag)], "PATCH", &path, changes.clone());
    assert_eq!(problem(&refused, 503), "/problems/unavailable");
    assert_eq!(shop.get(&path).text("email"), "ada@example.com");
    assert_eq!(shop.send_under(&[("if-match", "*")], "PATCH", &path, changes).status, 200);
}

#[test]
fn nobody_gets_what_was_answered_to_somebody_else() {
    let site = Site::new();
    let edge = Browser::at(site.edge.url().trim_end_matches('/'));
    let users: Vec<(String, Browser)> = (0..4)
        .map(|n| {
            let (email, mut browser) = (format!("user{n}@example.com"), edge.clone());
            browser.register(&email);
            browser.sign_in(&email);
            (email, browser)
        })
        .collect();
    let asked = AtomicUsize::new(0);
    thread::scope(|scope| {
        for (email, browser) in &users {
            let (edge, asked) = (&edge, &asked);
            scope.spawn(move || {
                for _ in 0..50 {
                    assert_eq!(browser.who().as_ref(), Some(email));
                    // The same path, which the edge keeps for everybody, whoever asks with whatever cookie.
                    let path = format!("/users/{}", browser.get("/me").body()["id"].as_str().unwrap());
                    assert_eq!(edge.get(&path).body()["email"], **email);
                    assert_eq!(browser.get(&path).body()["email"], **email);
                    assert_eq!(edge.who(), None, "who has not signed in is nobody");
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(asked.load(Ordering::SeqCst), 200);
    let (email, browser) = &users[0];
    assert_eq!(browser.send("DELETE", "/session", None).status, 204);
    assert_eq!((browser.who(), users[1].1.who().is_some()), (None, true), "{email} has signed out");
}

#[test]
fn a_process_that_is_killed_under_load_costs_the_other_no_read_and_leaves_nothing_stale() {
    let mut site = Site::new();
    let paths: Vec<String> = (0..10).map(|n| format!("/users/{}", user(&site.one, &format!("user{n}")))).collect();
    let (is_over, n_read, n_written) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let (two, edge) = (site.two.url().to_owned(), site.edge.url().trim_end_matches('/').to_owned());
    let one = site.one.url().to_owned();
    thread::scope(|scope| {
        for base in [&two, &two, &edge, &edge, &edge, &edge] {
            let (paths, is_over, n_read) = (&paths, &is_over, &n_read);
            scope.spawn(move || {
                let (agent, _over) = (agent(), Over(is_over));
                while !is_over.load(Ordering::SeqCst) {
                    for path in paths {
                        let answer = ask(&agent, base, "GET", path, &[], None);
                        assert_eq!(answer.status, 200, "{base}: {answer:?}");
                        n_read.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        for worker in 0..2 {
            let (paths, n_written, one) = (&paths, &n_written, &one);
            scope.spawn(move || {
                let agent = agent();
                for n in 0.. {
                    let path = &paths[n % paths.len()];
                    let body = json!({ "email": format!("{worker}.{n}@example.com") }).to_string();
                    let request =
                        ureq::http::Request::patch(format!("{one}{path}")).header("content-type", "application/json");
                    // The one that writes is the one that is killed.
                    let Ok(_) = agent.run(request.body(body).unwrap()) else { break };
                    n_written.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let _over = Over(&is_over);
        eventually(LONG, || n_written.load(Ordering::SeqCst) > 100 || is_over.load(Ordering::SeqCst));
        let so_far = n_read.load(Ordering::SeqCst);
        site.one.kill();
        eventually(LONG, || n_read.load(Ordering::SeqCst) > so_far + 300 || is_over.load(Ordering::SeqCst));
    });
    // What a transaction had marked that nobody ended is let go after a while; nothing of it is stale in between.
    for path in &paths {
        let now = site.two.send_under(&[("cache-control", "no-cache")], "GET", path, None).text("email");
        let stored = stored_email(&site.two, path);
        assert_eq!(now, stored, "{path}");
        eventually(LONG, || site.two.get(path).text("email") == stored);
        // The purge of its last write may have died with it: then the edge keeps it for as long as it was told to.
        eventually(LONG * 2, || site.at_edge(&[], path).text("email") == stored);
    }
}

/// What the database has.
fn stored_email(shop: &Shop, path: &str) -> String {
    use diesel::prelude::*;
    use shop_core::schema::users::dsl;

    let id: uuid::Uuid = path.rsplit_once('/').unwrap().1.parse().unwrap();
    let mut connection = PgConnection::establish(shop.database_url()).unwrap();
    dsl::users.find(id).select(dsl::email).first(&mut connection).unwrap()
}
