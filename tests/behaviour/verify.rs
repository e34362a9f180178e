//! Cells that are wrong on purpose are found, and a write in flight is none.

mod load;

use std::collections::BTreeSet;

use diesel::{connection::SimpleConnection as _, pg::Pg};
use larder::{
    Models,
    verify::{Difference, Report},
};
use redis::Commands as _;
use shop_core::{Order, OrderItem, Status, User, UserChanges};
use tests::{Cost, Counts, Operation, Shop, nobody, redis_url};

pub(super) fn models() -> Models<Pg> {
    Models::new().with::<User>().with::<Order>().with::<OrderItem>()
}

fn wrong(report: &Report) -> BTreeSet<(String, Difference)> {
    assert!(report.is_complete, "{report:?}");
    report.mismatches.iter().map(|mismatch| (mismatch.key.to_string(), mismatch.difference)).collect()
}

fn found(shop: &Shop) -> BTreeSet<(String, Difference)> {
    wrong(&shop.larder.verify(&models()).run().unwrap())
}

fn expected<const N: usize>(differences: [(String, Difference); N]) -> BTreeSet<(String, Difference)> {
    differences.into()
}

/// Writes past larder.
fn past(shop: &Shop, sql: &str) {
    shop.database.connect().batch_execute(sql).unwrap();
}

/// Two users with an order each, another one of the first, a line, and every cell of them filled.
fn filled(shop: &Shop) -> (User, User, Order) {
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let order = shop.order(&ada, Status::Paid, 100, 1);
    let (second, others) = (shop.order(&ada, Status::Paid, 200, 2), shop.order(&bob, Status::Paid, 300, 3));
    let _ = shop.item(&order, 1);
    let (users, orders) = (User::repository(&shop.larder), Order::repository(&shop.larder));
    users.find_many(&[ada.id, bob.id]).unwrap();
    users.find_by_email_many(&[ada.email.clone(), bob.email.clone()]).unwrap();
    orders.find_many(&[order.id, second.id, others.id]).unwrap();
    orders.list_by_user_id_many(&[ada.id, bob.id]).unwrap();
    orders.list_by_user_id_and_status_many(&[(ada.id, Status::Paid), (bob.id, Status::Paid)]).unwrap();
    let items = OrderItem::repository(&shop.larder);
    items.find_many(&[(order.id, 1)]).unwrap();
    items.list_by_order_id_many(&[order.id, second.id]).unwrap();
    (ada, bob, order)
}

#[test]
fn what_is_right_costs_two_round_trips_a_batch_and_is_not_told_of() {
    let shop = Shop::new();
    filled(&shop);
    // Other tests' keys are in the same Redis, so a scan has more pages than ours would need.
    shop.meter.reset();
    let report = shop.larder.verify(&models()).run().unwrap();
    assert_eq!(wrong(&report), BTreeSet::new());
    // One cell of the fourteen is the list that has no row, which is known again from the row that was drawn.
    assert_eq!((report.n_found, report.n_keyless, report.n_rows), (14, 1, 6));
    assert_eq!(report.n_values, 13);
    let counts = shop.meter.counts();
    let (batches_found, batches_drawn, tables) = (7, 0, 3);
    assert_eq!((counts.inspects, counts.sql), (batches_found + batches_drawn, batches_found + batches_drawn + tables));
    assert_eq!(
        Counts { inspects: 0, scans: 0, sql: 0, session: 0, ..counts },
        Counts::default(),
        "{}",
        shop.meter.log()
    );
    assert_eq!(shop.events.take(), [] as [&str; 0]);
}

#[test]
fn rows_that_were_changed_past_larder_are_found_by_key_and_age() {
    let shop = Shop::new();
    let (ada, bob, order) = filled(&shop);
    past(&shop, &format!("UPDATE orders SET total_amount = 7 WHERE id = '{}'", order.id));
    past(&shop, &format!("DELETE FROM users WHERE id = '{}'", bob.id));
    let report = shop.larder.verify(&models()).run().unwrap();
    let (ada, bob_id) = (ada.id, bob.id);
    let gone = |key: String| (key, Difference::Gone);
    let bobs = report.mismatches.iter().filter(|mismatch| mismatch.key.to_string().starts_with("orders:id:"));
    let bobs = bobs.filter(|mismatch| mismatch.difference == Difference::Gone).map(|mismatch| mismatch.key.to_string());
    let bobs: Vec<String> = bobs.collect();
    assert_eq!(bobs.len(), 1, "the cascade took one order along");
    assert_eq!(
        wrong(&report),
        expected([
            (format!("orders:id:{}", order.id), Difference::Outdated),
            (format!("orders:user_id:{ada}"), Difference::Outdated),
            (format!("orders:user_id,status:{ada},Paid"), Difference::Outdated),
            gone(bobs[0].clone()),
            gone(format!("users:id:{bob_id}")),
            gone("users:email:bob@example.com".to_owned()),
            gone(format!("orders:user_id:{bob_id}")),
            gone(format!("orders:user_id,status:{bob_id},Paid")),
        ])
    );
    for mismatch in &report.mismatches {
        let (age, left) = (mismatch.at_most_age.unwrap(), mismatch.expires_in.unwrap());
        let ttl = if mismatch.model == "users" { 600 } else { 300 };
        assert_eq!((age + left).as_secs(), ttl, "{mismatch:?}");
        assert!(left.as_secs() > ttl * 8 / 10, "{mismatch:?}");
    }
    let told = shop.events.take();
    assert_eq!(told.len(), report.mismatches.len());
    assert!(told.contains(&format!("mismatch: orders:id:{} outdated", order.id)), "{told:?}");
}

#[test]
fn rows_that_were_inserted_past_larder_are_missing_where_they_were_absent() {
    let shop = Shop::new();
    let (ada, _, _) = filled(&shop);
    let (new, eve) = (nobody(), "eve@example.com");
    assert_eq!(User::repository(&shop.larder).find(new).unwrap(), None);
    assert_eq!(User::repository(&shop.larder).find_by_email(eve).unwrap(), None);
    past(&shop, &format!("INSERT INTO users (id, email) VALUES ('{new}', '{eve}')"));
    past(&shop, &format!("INSERT INTO orders (user_id, status, total_amount) VALUES ('{}', 'paid', 9)", ada.id));
    let missing = |key: String| (key, Difference::Missing);
    assert_eq!(
        found(&shop),
        expected([
            missing(format!("users:id:{new}")),
            missing(format!("users:email:{eve}")),
            missing(format!("orders:user_id:{}", ada.id)),
            missing(format!("orders:user_id,status:{},Paid", ada.id)),
        ])
    );
}

/// Behind tag, fence, layout and stamp of a cell in Redis comes its value.
const HEADER_BYTES: usize = 33;

/// Puts a value behind the header of another cell.
fn spoil(shop: &Shop, key: &str, value: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let mut redis = redis::Client::open(redis_url()).unwrap().get_connection().unwrap();
    let key = format!("{}:{key}", shop.namespace.as_str());
    let old: Vec<u8> = redis.get(&key).unwrap();
    assert_eq!(old[0], b'V');
    let (head, payload) = old.split_at(HEADER_BYTES);
    let new = [head, &value(payload.to_vec())].concat();
    let options = redis::SetOptions::default().with_expiration(redis::SetExpiry::KEEPTTL);
    let _: () = redis.set_options(&key, new, options).unwrap();
}

fn payload(shop: &Shop, key: &str) -> Vec<u8> {
    let mut redis = redis::Client::open(redis_url()).unwrap().get_connection().unwrap();
    let cell: Vec<u8> = redis.get(format!("{}:{key}", shop.namespace.as_str())).unwrap();
    cell[HEADER_BYTES..].to_vec()
}

#[test]
fn bytes_that_were_spoiled_by_hand_are_found() {
    let shop = Shop::new();
    let (ada, bob, order) = filled(&shop);
    let key = |user: &User| format!("users:id:{}", user.id);
    let list = format!("orders:user_id:{}", ada.id);
    spoil(&shop, &key(&ada), |_| payload(&shop, &key(&bob)));
    spoil(&shop, &format!("orders:id:{}", order.id), |_| payload(&shop, &key(&bob)));
    // Two rows of one length behind two bytes change places.
    spoil(&shop, &list, |payload| {
        let (head, rows) = payload.split_at(2);
        let (one, other) = rows.split_at(rows.len() / 2);
        [head, other, one].concat()
    });
    spoil(&shop, &format!("users:email:{}", bob.email), |_| vec![0]);
    spoil(&shop, &format!("orders:user_id:{}", bob.id), |_| vec![2, 0]);
    assert_eq!(
        found(&shop),
        expected([
            (key(&ada), Difference::Misplaced),
            (format!("orders:id:{}", order.id), Difference::Unreadable),
            (list, Difference::Reordered),
            (format!("users:email:{}", bob.email), Difference::Missing),
            (format!("orders:user_id:{}", bob.id), Difference::Missing),
        ])
    );
    // It heals them, and then all is well.
    let report = shop.larder.verify(&models()).heal(true).run().unwrap();
    assert_eq!((report.mismatches.len(), report.mismatches.iter().all(|mismatch| mismatch.healed)), (5, true));
    assert_eq!(found(&shop), BTreeSet::new());
    assert_eq!(User::repository(&shop.larder).find(ada.id).unwrap().as_ref(), Some(&ada));
}

#[test]
fn a_write_between_the_first_look_and_the_query_is_no_mismatch() {
    let shop = Shop::new();
    let (ada, other) = (shop.user("ada"), shop.branch());
    User::repository(&shop.larder).get(ada.id).unwrap();
    let changes = UserChanges { email: Some("eda@example.com".to_owned()), ..Default::default() };
    shop.faults.after(Operation::Inspect).nth(1).run(move || {
        User::repository(&other.larder).update(ada.id, &changes).unwrap();
    });
    shop.meter.reset();
    let models = Models::new().with::<User>();
    let report = shop.larder.verify(&models).run().unwrap();
    assert_eq!(wrong(&report), BTreeSet::new());
    assert_eq!(report.n_changed, 1, "{report:?}");
    // The row and the address that were drawn are looked at besides, and are what the writer has stored.
    assert_eq!(report.n_values, 1, "{report:?}");
    let scans = shop.meter.counts().scans;
    // A look and a query; the second look; the rows that are drawn; a look and a query at what is new.
    shop.meter.expect(Cost { sql: 3, store_reads: scans + 3, store_writes: 0 });
}

#[test]
fn a_write_after_the_query_is_no_mismatch_either_and_an_older_one_is() {
    let shop = Shop::new();
    let (ada, other) = (shop.user("ada"), shop.branch());
    User::repository(&shop.larder).get(ada.id).unwrap();
    let set = |name: &str| format!("UPDATE users SET email = '{name}@example.com' WHERE id = '{}'", ada.id);
    past(&shop, &set("past"));
    let models = Models::new().with::<User>();
    // The cell was wrong for a while; when it is looked at again, it is another one, and nothing can be proven any more.
    shop.faults.before(Operation::Inspect).nth(2).run(move || {
        let changes = UserChanges { email: Some("eda@example.com".to_owned()), ..Default::default() };
        User::repository(&other.larder).update(ada.id, &changes).unwrap();
    });
    let report = shop.larder.verify(&models).run().unwrap();
    assert_eq!((wrong(&report), report.n_changed), (BTreeSet::new(), 1));
    past(&shop, &set("again"));
    assert_eq!(found(&shop).len(), 2, "by id and by the address that it had");
}

#[test]
fn rows_are_drawn_from_pages_of_a_large_table_and_from_partitions() {
    let shop = Shop::new();
    past(
        &shop,
        "INSERT INTO users (email) SELECT 'user-' || n || '@example.com' FROM generate_series(1, 50000) AS n; ANALYZE users",
    );
    shop.meter.reset();
    let models = Models::new().with::<User>();
    let drawn = || shop.larder.verify(&models).sample(100).run().unwrap();
    let report = drawn();
    assert_eq!((report.n_rows, report.n_cells, report.n_vacant), (100, 200, 200));
    let statements = shop.meter.statements();
    assert_eq!(statements.len(), 1, "{statements:?}");
    // What it reads is a small part of the 500 pages or so.
    past(&shop, "VACUUM ANALYZE users");
    let sql = statements[0].split("-- binds").next().unwrap().replace("$1", "'users'").replace("$2", "100");
    let plan = explain(&shop, &sql);
    let n_read = buffers(&plan);
    assert!(n_read < 150, "{n_read} pages\n{plan}");
    // Never analyzed, it is drawn from all the same.
    past(
        &shop,
        "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey; \
         ALTER TABLE users RENAME TO old; \
         CREATE TABLE users (LIKE old INCLUDING DEFAULTS) PARTITION BY HASH (id); \
         CREATE TABLE users_0 PARTITION OF users FOR VALUES WITH (MODULUS 2, REMAINDER 0); \
         CREATE TABLE users_1 PARTITION OF users FOR VALUES WITH (MODULUS 2, REMAINDER 1); \
         INSERT INTO users SELECT * FROM old",
    );
    assert_eq!(drawn().n_rows, 100);
    let plan = explain(&shop, &sql);
    assert!(buffers(&plan) < 300, "{plan}");
}

fn explain(shop: &Shop, sql: &str) -> String {
    use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::Text};
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
        line: String,
    }
    let query = sql_query(format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {sql}"));
    let lines: Vec<Line> = query.load(&mut shop.database.connect()).unwrap();
    lines.into_iter().map(|line| line.line).collect::<Vec<_>>().join("\n")
}

/// The pages that all of a plan has touched: its first line about that is the whole.
fn buffers(plan: &str) -> u64 {
    let line = plan.lines().find(|line| line.contains("Buffers: shared")).expect("the plan tells pages");
    let numbers = line.split_whitespace().filter_map(|word| word.split_once('=')?.1.parse::<u64>().ok());
    numbers.sum()
}
