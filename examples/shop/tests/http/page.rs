//! The page at `/`, in a real browser.

use std::{env, fs, path::PathBuf};

use serde_json::{Value, json};
use tests::{OwnRedis, eventually, psql};

use crate::{
    LONG,
    chromium::{Browser, Key},
    program::Shop,
    user,
};

fn is_live(browser: &Browser) -> bool {
    browser.text("status") == "Live"
}

#[track_caller]
fn complains_of_nothing(browser: &Browser) {
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// Tabs on until what has this id has the focus.
fn tab_to(browser: &Browser, id: &str) {
    for _ in 0..30 {
        browser.press(Key::Tab);
        if browser.run("return document.activeElement.id") == id {
            return;
        }
    }
    panic!("{id} is not reached by Tab");
}

fn number(text: &str) -> f64 {
    text.replace(',', "").parse().unwrap_or_default()
}

/// The first number of a text.
fn first_number(text: &str) -> f64 {
    text.split_whitespace().map(number).find(|number| *number > 0.0).unwrap_or_default()
}

#[test]
fn the_page_loads_without_complaints_and_asks_nobody_else_for_anything() {
    let shop = Shop::start();
    let browser = Browser::open(shop.url());
    eventually(LONG, || is_live(&browser));
    assert_eq!(browser.text("spared"), "–", "nothing was read");
    assert!(browser.text("spared-note").starts_with("Nothing was read yet"));
    assert!(browser.text("models").contains("Nothing was read or written yet"));
    assert_eq!(browser.run("return document.getElementById('demo').offsetHeight"), 0, "it shows what it can't do");
    eventually(LONG, || browser.text("announced") != "–");
    let mut asked_for = Vec::new();
    eventually(LONG, || {
        asked_for.extend(browser.asked_for());
        asked_for.iter().filter(|url| url.ends_with("/live")).count() > 2
    });
    let is_foreign = |url: &&String| !url.starts_with(shop.url()) && !url.starts_with("data:");
    let foreign: Vec<&String> = asked_for.iter().filter(is_foreign).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    complains_of_nothing(&browser);
    // A script that somebody has got into the page does not run, and can tell nobody.
    browser.run(
        "const made = document.createElement('script'); made.append('is_here = true'); document.body.append(made)",
    );
    assert_eq!(browser.run("return window.is_here"), Value::Null);
    let told = browser.run("return fetch('http://localhost:1/').then(() => 'told', () => 'not told')");
    assert_eq!(told, "not told");
    let complaints = Value::Array(browser.complaints()).to_string();
    for reason in ["requires 'TrustedScript'", "Content Security Policy directive: \\\"connect-src"] {
        assert!(complaints.contains(reason), "{reason}: {complaints}");
    }
}

#[test]
fn figures_move_with_what_is_read_and_written() {
    let shop = Shop::start();
    let browser = Browser::open(shop.url());
    let path = format!("/users/{}", user(&shop, "ada"));
    assert_eq!(shop.get(&format!("{path}?include=orders")).status, 200);
    eventually(LONG, || {
        let email = format!("{}@example.com", uuid::Uuid::new_v4());
        assert_eq!(shop.send("PATCH", &path, Some(json!({ "email": email }))).status, 200);
        assert_eq!(shop.get(&path).status, 200);
        assert_eq!(shop.get(&path).status, 200);
        ["reads", "writes", "sql"].iter().all(|id| number(&browser.text(id)) > 0.0)
    });
    eventually(LONG, || {
        assert_eq!(shop.get(&path).status, 200);
        number(&browser.text("spared")) > 0.0 && number(browser.text("share-near").trim_end_matches(" %")) > 0.0
    });
    let models = browser.text("models");
    assert!(models.starts_with("users") && models.contains("orders"), "what is asked for most comes first: {models}");
    let drawn = browser
        .run("return document.querySelectorAll('#layers polygon, #reads-spark polyline, #announced-bars rect').length");
    assert!(drawn.as_u64() > Some(4), "{drawn}");
    eventually(LONG, || browser.text("breaker") == "answers");
    assert_eq!([browser.text("relay"), browser.text("errors")], ["leads", "0"]);
    complains_of_nothing(&browser);
}

#[test]
fn redis_is_told_of_when_it_is_new_and_when_it_is_away() {
    let redis = OwnRedis::new();
    let shop = Shop::on(redis.url(), &[]);
    let browser = Browser::open(shop.url());
    let path = format!("/users/{}", user(&shop, "ada"));
    let shows = |id: &str, word: &str| {
        // Whatever nobody has yet is asked for.
        assert_eq!(shop.get(&format!("/users/{}", uuid::Uuid::new_v4())).status, 404);
        browser.text(id) == word
    };
    eventually(LONG, || shows("breaker", "new"));
    redis.kill();
    eventually(LONG, || shows("breaker", "away") && shows("near", "passed by"));
    let _ = psql(shop.database_url(), "UPDATE users SET email = 'new@example.com'");
    eventually(LONG, || shows("relay", "behind"));
    eventually(LONG, || shop.get(&path).text("email") == "new@example.com");
    redis.restart();
    eventually(LONG, || shows("relay", "leads") && !shows("breaker", "away") && !shows("near", "passed by"));
    assert_eq!(browser.text("errors"), "0", "nothing of it was an error");
    complains_of_nothing(&browser);
}

#[test]
fn a_service_that_keeps_nothing_is_shown_as_one() {
    let shop = Shop::with(&["--caches", "none"]);
    let browser = Browser::open(shop.url());
    let _ = user(&shop, "ada");
    eventually(LONG, || browser.text("models").starts_with("users"));
    assert_eq!(["breaker", "near", "relay"].map(|id| browser.text(id)), ["none"; 3]);
    complains_of_nothing(&browser);
}

#[test]
fn load_is_made_and_an_update_is_seen_after_some_milliseconds_by_keyboard_alone() {
    let shop = Shop::with(&["--demo"]);
    let browser = Browser::open(shop.url());
    eventually(LONG, || is_live(&browser));
    tab_to(&browser, "load-button");
    browser.press(Key::Enter);
    eventually(LONG, || number(&browser.text("reads")) > 10.0 && number(&browser.text("writes")) > 0.0);
    assert_eq!((browser.text("load-button"), browser.text("load-says")), ("Stop".to_owned(), "Running.".to_owned()));
    browser.press(Key::Space);
    let says = browser.text("load-says");
    assert!(says.starts_with("Stopped: ") && first_number(&says) > 10.0 && !says.contains("failed"), "{says}");
    // It has stopped: nothing is read any more.
    eventually(LONG, || browser.text("reads") == "0");
    tab_to(&browser, "update-button");
    // At first nothing may be near, since it is not known how long Redis has been there.
    eventually(LONG, || {
        browser.press(Key::Enter);
        eventually(LONG, || browser.run("return document.getElementById('update-button').ariaDisabled") != "true");
        let says = browser.text("update-says");
        assert!(says.starts_with("Seen after ") && first_number(&says) > 0.0, "{says}");
        says.contains("still had the old address")
    });
    assert!(browser.text("update-sql").contains("@shop.example"), "{}", browser.text("update-sql"));
    eventually(LONG, || number(&browser.text("relayed")) > 0.0);
    complains_of_nothing(&browser);
}

#[test]
fn all_that_can_be_used_is_reached_by_tab_in_order_and_shows_that_it_is() {
    let shop = Shop::with(&["--demo"]);
    let browser = Browser::open(shop.url());
    eventually(LONG, || browser.run("return document.getElementById('demo').offsetHeight").as_u64() > Some(0));
    let name = "const name = (of) => of.id || of.getAttribute('aria-label') || of.textContent;";
    let wanted = browser.run(&format!(
        "{name} return [...document.querySelectorAll('a, button, select, input, [tabindex=\"0\"]')].map(name)"
    ));
    let reached: Vec<Value> = (0..wanted.as_array().unwrap().len())
        .map(|_| {
            browser.press(Key::Tab);
            let outline = "getComputedStyle(document.activeElement).outlineStyle";
            assert_eq!(browser.run(&format!("return {outline}")), "solid", "the focus is not shown");
            browser.run(&format!("{name} return name(document.activeElement)"))
        })
        .collect();
    assert_eq!(Value::Array(reached), wanted);
    let unnamed = "[...document.querySelectorAll('button, select, svg')].filter((of) => !of.ariaLabel && !of.textContent.trim() && !of.labels?.length).length";
    assert_eq!(browser.run(&format!("return {unnamed}")), 0);
}

/// All texts that are hard to read on what is behind them: a contrast below 4.5 (WCAG 2.2, 1.4.3).
const HARD_TO_READ: &str = "
    const parts = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => {
        const [r, g, b] = parts(color).map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (of) => {
        const color = of ? getComputedStyle(of).backgroundColor : 'rgb(255, 255, 255)';
        return parts(color)[3] === 0 ? behind(of.parentElement) : color;
    };
    const is_text = (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim() !== '';
    const texts = [...document.body.querySelectorAll('*')].filter((of) => of.getClientRects().length > 0 && [...of.childNodes].some(is_text));
    const hard = texts.filter((of) => {
        const [one, other] = [light(getComputedStyle(of).color), light(behind(of))];
        return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) < 4.5;
    });
    return { n: texts.length, hard: hard.map((of) => of.outerHTML), ground: behind(document.body) };";

#[test]
fn light_and_dark_differ_and_can_be_read() {
    let shop = Shop::with(&["--demo"]);
    let browser = Browser::open(shop.url());
    eventually(LONG, || is_live(&browser));
    let grounds = ["light", "dark"].map(|scheme| {
        browser.prefer(scheme);
        let found = browser.run(HARD_TO_READ);
        assert!(found["n"].as_u64() > Some(40), "{found}");
        assert_eq!(found["hard"], json!([]), "{scheme}");
        found["ground"].clone()
    });
    assert_ne!(grounds[0], grounds[1]);
}

#[test]
fn it_fits_a_desk_and_a_telephone() {
    let shop = Shop::with(&["--demo"]);
    let browser = Browser::open(shop.url());
    let _ = shop.get(&format!("/users/{}", user(&shop, "ada")));
    eventually(LONG, || browser.text("models").starts_with("users"));
    for width in [1280, 768, 400, 320] {
        browser.resize(width, 900);
        let needed = browser.run("return document.documentElement.scrollWidth");
        assert!(needed.as_u64().is_some_and(|needed| needed <= width.into()), "{needed} of {width}");
    }
}

#[test]
fn a_lost_connection_is_said_and_made_again() {
    let shop = Shop::start();
    let browser = Browser::open(shop.url());
    eventually(LONG, || is_live(&browser));
    let process = browser.text("process");
    let address = shop.url().strip_prefix("http://").unwrap().to_owned();
    let next = shop.beside(&[]);
    assert!(shop.stop().success());
    eventually(LONG, || browser.text("status").starts_with("Connection lost"));
    let again = next.beside(&["--listen", &address]);
    eventually(LONG, || is_live(&browser));
    assert_ne!(browser.text("process"), process);
    assert_eq!(again.get("/healthz").status, 200);
}

/// `LARDER_PICTURE` says where to keep it, after a minute of load: docs/shop.md has the command.
#[test]
fn the_whole_page_can_be_pictured() {
    let kept = env::var_os("LARDER_PICTURE").map(PathBuf::from);
    let shop = Shop::with(&["--demo"]);
    let browser = Browser::open(shop.url());
    browser.prefer("light");
    eventually(LONG, || is_live(&browser));
    if kept.is_some() {
        // Quarantine is over, and something is near.
        eventually(LONG, || {
            browser.run("document.getElementById('update-button').click()");
            browser.text("update-says").contains("still had the old address")
        });
    }
    browser.run("document.getElementById('load-button').click()");
    let enough = if kept.is_some() { 55 } else { 3 };
    let drawn = "return (document.querySelector('#layers polygon')?.points.length ?? 0) / 2";
    eventually(2 * LONG, || browser.run(drawn).as_f64() >= Some(enough.into()));
    let n_updates = if kept.is_some() { 10 } else { 1 };
    eventually(LONG, || {
        browser.run("document.getElementById('update-button').click()");
        browser.run("return document.getElementById('update-list').children.length").as_u64() >= Some(n_updates)
    });
    let height = browser.run("return document.documentElement.scrollHeight").as_u64().unwrap();
    browser.resize(1280, height.try_into().unwrap());
    let picture = browser.picture();
    if let Some(kept) = kept {
        fs::write(&kept, &picture).unwrap();
    }
    let size = [16, 20].map(|at| u64::from(u32::from_be_bytes(picture[at..at + 4].try_into().unwrap())));
    assert_eq!(size, [1280, height]);
    assert!(picture.len() > 20_000, "it is empty");
}
