//! What is written past larder is seen through its caches, by triggers, outbox and relay.

use std::time::Duration;

use larder::relay::Relay;
use tests::{Shop, eventually, psql};

use super::shop::{N, answers, id, models, relay, told_shop, truth};

const LONG: Duration = Duration::from_secs(60);

/// A user and two orders with a line each.
fn stock(shop: &Shop) {
    let (one, two) = (id(1), id(2));
    let _ = psql(
        shop.database.url(),
        &format!(
            "INSERT INTO users (id, email) VALUES ('{one}', '1@x'), ('{two}', '2@x');
             INSERT INTO orders (id, user_id, status, total_amount) VALUES ('{one}', '{one}', 'paid', 1), ('{two}', '{one}', 'paid', 2);
             INSERT INTO order_items VALUES ('{one}', 1, 'A', 1, 1), ('{two}', 1, 'B', 1, 1)"
        ),
    );
}

#[test]
fn whatever_is_typed_into_psql_is_seen_through_warm_caches() {
    let shop = told_shop();
    stock(&shop);
    let _relay = Relay::builder(&shop.larder).models(models()).start().unwrap();
    let [one, two, three] = [1, 2, 3].map(id);
    for statement in [
        format!("UPDATE users SET created_at = 'epoch' WHERE id = '{one}'"),
        // It was known that there is none.
        format!("INSERT INTO users (id, email) VALUES ('{three}', '3@x')"),
        format!("UPDATE users SET email = '4@x' WHERE id = '{three}'"),
        format!("UPDATE orders SET user_id = '{two}' WHERE id = '{one}'"),
        format!("UPDATE orders SET status = 'shipped' WHERE id = '{two}'"),
        format!("UPDATE order_items SET order_id = '{two}', line_number = 2 WHERE order_id = '{one}'"),
        format!("INSERT INTO users (id, email) VALUES ('{one}', 'x') ON CONFLICT (id) DO UPDATE SET email = '3@x'"),
        format!("COPY users (id, email) FROM PROGRAM 'printf \"{}\\t1@x\\n\"'", id(4)),
        // Two levels of cascades.
        format!("DELETE FROM users WHERE id = '{one}'"),
        "TRUNCATE users CASCADE".to_owned(),
    ] {
        let warm = answers(&shop.larder);
        let _ = psql(shop.database.url(), &statement);
        let truth = truth(&shop);
        assert_ne!(warm, truth, "{statement}");
        eventually(LONG, || answers(&shop.larder) == truth);
    }
}

#[test]
fn any_mixture_of_writes_is_seen_once_the_relay_has_been_there() {
    let shop = told_shop();
    let relay = relay(&shop.larder);
    for seed in 0..150 {
        let mut dice = fastrand::Rng::with_seed(seed);
        answers(&shop.larder);
        let n_statements = dice.usize(1..4);
        let mut statements: Vec<String> = (0..n_statements).map(|_| statement(&mut dice)).collect();
        if dice.u8(..4) == 0 {
            let at = dice.usize(..=statements.len());
            statements.insert(at, format!("SAVEPOINT s; {}; ROLLBACK TO s", statement(&mut dice)));
        }
        let end = if dice.u8(..5) == 0 { "ROLLBACK" } else { "COMMIT" };
        let script = format!("BEGIN; {}; {end}", statements.join("; "));
        let _ = psql(shop.database.url(), &script);
        while relay.run_once().unwrap() > 0 {}
        assert_eq!(answers(&shop.larder), truth(&shop), "seed {seed}: {script}");
    }
}

/// A statement that can't fail.
fn statement(dice: &mut fastrand::Rng) -> String {
    let mut any = || id(dice.u128(1..=N));
    let (one, other) = (any(), any());
    let (number, line) = (dice.u128(1..=N), dice.i32(1..=2));
    let status = *dice.choice(&["pending", "paid", "shipped"]).expect("there are some");
    match dice.u8(..12) {
        0 | 1 => format!("INSERT INTO users (id, email) VALUES ('{one}', '{number}@x') ON CONFLICT DO NOTHING"),
        2 => format!(
            "UPDATE users SET email = '{number}@x' WHERE id = '{one}' AND NOT EXISTS (SELECT FROM users WHERE email = '{number}@x')"
        ),
        3 => format!("UPDATE users SET created_at = created_at + interval '1 day' WHERE id >= '{one}'"),
        4 | 5 => format!(
            "INSERT INTO orders (id, user_id, status, total_amount) SELECT '{other}', id, '{status}', {number} FROM users
             WHERE id = '{one}' ON CONFLICT (id) DO UPDATE SET status = excluded.status, user_id = excluded.user_id"
        ),
        6 => format!("UPDATE orders SET status = '{status}' WHERE id = '{one}'"),
        7 => format!("UPDATE orders SET user_id = (SELECT min(id::text)::uuid FROM users) WHERE id = '{one}'"),
        8 => format!(
            "INSERT INTO order_items SELECT id, {line}, 'S', 1, {number} FROM orders WHERE id = '{one}'
             ON CONFLICT (order_id, line_number) DO UPDATE SET unit_price = excluded.unit_price"
        ),
        9 => format!("DELETE FROM users WHERE id = '{one}'"),
        10 => format!("DELETE FROM orders WHERE status = '{status}'"),
        _ => format!("TRUNCATE {}", if dice.bool() { "order_items" } else { "orders CASCADE" }),
    }
}

#[test]
fn two_hundred_thousand_rows_swell_nothing_and_hold_up_nobody_for_long() {
    let shop = told_shop();
    stock(&shop);
    let url = shop.database.url();
    let _ = psql(
        url,
        &format!(
            "ALTER TABLE orders DISABLE TRIGGER larder_orders_insert;
             INSERT INTO orders (user_id, status, total_amount) SELECT '{}', 'paid', 1 FROM generate_series(1, 200000);
             ALTER TABLE orders ENABLE ALWAYS TRIGGER larder_orders_insert; TRUNCATE larder_outbox",
            id(2)
        ),
    );
    let n_keys = || shop.namespace.keys().len();
    answers(&shop.larder);
    let n_before = n_keys();
    let _ = psql(url, "UPDATE orders SET status = 'shipped'");
    let _ = psql(url, &format!("UPDATE users SET email = '4@x' WHERE id = '{}'", id(2)));
    assert_eq!(
        psql(url, "SELECT model || ' ' || (rows IS NULL) FROM larder_outbox ORDER BY id"),
        "orders true\nusers false"
    );
    let relay = relay(&shop.larder);
    while relay.run_once().unwrap() > 0 {}
    assert!(n_keys() <= n_before);
    assert_eq!(answers(&shop.larder), truth(&shop));
}
