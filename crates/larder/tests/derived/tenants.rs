//! Rows of several tenants in one table, of which each sees its own.

mod many;
mod models;
mod random;

use diesel::{dsl::sql, prelude::*, sql_types::Bool};
use larder::{Dependencies, Error};

use self::models::{Card, Country, Customer, Order, OrderChanges, Setting, Shop, Total, countries, orders};

const ORGS: [i64; 2] = [1, 2];

fn order(org: i64, id: i64) -> Order {
    Order { org, id, customer_id: 1, status: "open".into(), total: org * 100 + id }
}

fn totals(orders: &[Order]) -> Vec<i64> {
    orders.iter().map(|order| order.total).collect()
}

/// What is really in the table.
fn rows(shop: &Shop) -> Vec<Order> {
    orders::table.order((orders::org, orders::id)).load(&mut *shop.connection()).unwrap()
}

#[test]
fn each_finder_gives_the_tenants_own_rows() {
    let shop = Shop::open();
    // Twice: from the database, and from what it left in the caches.
    for org in [1, 2, 1, 2] {
        let tenant = shop.larder.tenant(org);
        let orders = Order::repository(&tenant);
        assert_eq!(orders.get(1).unwrap().total, org * 100 + 1);
        let many = orders.find_many(&[3, 9, 1]).unwrap();
        assert_eq!(
            many.iter().map(|order| order.as_ref().map(|order| order.total)).collect::<Vec<_>>(),
            [Some(org * 100 + 3), None, Some(org * 100 + 1)]
        );
        assert!(orders.exists(1).unwrap() && !orders.exists(9).unwrap());
        assert_eq!(totals(&orders.list_by_status("paid").load().unwrap()), [org * 100 + 3, org * 100 + 1]);
        assert_eq!(orders.count_by_status("paid").unwrap(), 2);
        assert_eq!(orders.list_by_customer_id(1).load().unwrap().len(), 2);
        assert_eq!(orders.list_by_customer_id_many(&[2, 1]).unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(orders.list_by_org().load().unwrap().len(), 3);
        assert_eq!(orders.count_by_org().unwrap(), 3);
        assert_eq!(orders.list_by_status("paid").max(orders::total).unwrap(), Some(org * 100 + 3));
        let ada = Customer::repository(&tenant).find_by_email("ada@x").unwrap().unwrap();
        assert_eq!((ada.org, ada.id), (org, 1));
        assert_eq!(Setting::repository(&tenant).get(()).unwrap().theme, format!("theme of {org}"));
        assert_eq!(orders.select::<Total>().get(2).unwrap().total, org * 100 + 2);
    }
    assert_eq!(Order::repository(&shop.larder.tenant(3_i64)).find(1).unwrap(), None);
}

#[test]
fn relations_lead_to_rows_of_the_same_tenant() {
    let shop = Shop::open();
    for org in [1, 2, 1, 2] {
        let tenant = shop.larder.tenant(org);
        let (ada, orders, country) = Customer::repository(&tenant)
            .with(Customer::orders().with(Order::tags()).with(Order::customer()))
            .with(Customer::country())
            .find(1)
            .unwrap()
            .unwrap();
        assert_eq!((ada.org, orders.len(), country.unwrap().code.as_str()), (org, 2, "at"));
        for (order, tags, customer) in orders {
            assert_eq!((order.org, &customer), (org, &ada));
            assert!(tags.iter().all(|tag| tag.label == format!("tag of {org}")));
            assert_eq!(tags.len(), usize::from(order.id == 1));
        }
        let card = Customer::repository(&tenant).select::<Card>().get(1).unwrap();
        assert_eq!(card.totals.iter().map(|order| order.total).collect::<Vec<_>>(), [org * 100 + 2, org * 100 + 1]);
        assert_eq!((card.n_orders, card.country.map(|country| country.name)), (2, Some("Austria".to_owned())));
        // A model without a tenant is found on the session of one as on any other.
        assert_eq!(Country::repository(&tenant).get("ch").unwrap().name, "Switzerland");
    }
}

#[test]
fn a_query_can_not_be_widened_to_other_tenants() {
    let shop = Shop::open();
    for org in ORGS {
        let tenant = shop.larder.tenant(org);
        let orders = Order::repository(&tenant);
        let found = orders.query(|query| query.order(orders::id)).unwrap();
        assert_eq!(totals(&found), [1, 2, 3].map(|id| org * 100 + id));
        let or = |query: <Order as larder::Table<_>>::Query<'static>| {
            query.filter(orders::total.lt(0)).or_filter(orders::total.gt(0)).or_filter(sql::<Bool>("true"))
        };
        assert!(orders.query(or).unwrap().iter().all(|order| order.org == org));
        assert!(orders.cached("all").load(or).unwrap().iter().all(|order| order.org == org));
        // Raw SQL that gets around the condition is seen by what comes of it, also where the tenant is not selected.
        let raw = |query: <Order as larder::Table<_>>::Query<'static>| query.filter(sql::<Bool>("true OR true"));
        assert!(matches!(orders.query(raw), Err(Error::WrongTenant { table: "orders" })));
        assert!(matches!(orders.cached("raw").load(raw), Err(Error::WrongTenant { .. })));
        assert!(matches!(orders.select::<Total>().query(raw), Err(Error::WrongTenant { .. })));
    }
}

#[test]
fn kept_results_of_one_name_are_each_tenants_own() {
    let shop = Shop::open();
    for org in [1, 2, 1, 2] {
        let tenant = shop.larder.tenant(org);
        let orders = Order::repository(&tenant);
        let largest = orders.cached("largest").params(&1).load(|query| query.order(orders::total.desc()).limit(1));
        assert_eq!(totals(&largest.unwrap()), [org * 100 + 3]);
        let sum =
            tenant.query("sum").params(&"all").depends_on::<Order>().load(|connection| {
                orders::table.filter(orders::org.eq(org)).select(orders::total).load::<i64>(connection)
            });
        assert_eq!(sum.unwrap().len(), 3);
        assert_eq!(tenant.query("org").load(|_| Ok(org)).unwrap(), org);
    }
    assert_eq!(shop.larder.query("org").load(|_| Ok(0_i64)).unwrap(), 0, "nor is a tenant's what is nobody's");
    // What depends on the rows of a key goes with those of its own tenant only.
    let [mine, theirs] = ORGS.map(|org| shop.larder.tenant(org));
    let version = |tenant: &larder::Tenanted<'_, _, i64>| {
        let orders = Order::repository(tenant);
        let of = Dependencies::new().key(orders.key_by_status("open")).key(orders.key_of(1));
        shop.larder.version(&of).unwrap()
    };
    let before = (version(&mine), version(&theirs));
    assert_ne!(before.0, before.1);
    Order::repository(&mine).insert(&order(1, 7)).unwrap();
    assert_ne!(version(&mine), before.0);
    assert_eq!(version(&theirs), before.1);
}

#[test]
fn writes_change_the_tenants_own_rows() {
    let shop = Shop::open();
    let other = shop.other();
    let [mine, theirs] = ORGS.map(|org| shop.larder.tenant(org));
    let orders = Order::repository(&mine);
    orders.update(1, &OrderChanges { total: Some(7), ..OrderChanges::default() }).unwrap();
    orders.upsert(4, &order(1, 4), &OrderChanges::default()).unwrap();
    orders.upsert(2, &order(1, 2), &OrderChanges { total: Some(8), ..OrderChanges::default() }).unwrap();
    assert_eq!(orders.delete(3).unwrap().unwrap().total, 103);
    assert_eq!(totals(&orders.query(|query| query.order(orders::id)).unwrap()), [7, 8, 104]);
    orders.update_where(orders::id.lt(0).or(orders::id.gt(0)), orders::status.eq("sent")).unwrap();
    assert_eq!(orders.count_by_status("sent").unwrap(), 3);
    let elsewhere = other.tenant(2_i64);
    for theirs in [Order::repository(&theirs), Order::repository(&elsewhere)] {
        assert_eq!(totals(&theirs.query(|query| query.order(orders::id)).unwrap()), [201, 202, 203]);
        assert_eq!(theirs.count_by_status("sent").unwrap(), 0);
    }
    // What a parent takes with it is its own tenant's.
    Customer::repository(&mine).delete(1).unwrap();
    assert_eq!(orders.list_by_customer_id(1).load().unwrap(), []);
    assert_eq!(Order::repository(&theirs).list_by_customer_id(1).load().unwrap().len(), 2);
    assert_eq!(orders.delete_where(orders::id.eq_any([1, 2, 3])).unwrap(), []);
    assert_eq!(rows(&shop).iter().filter(|order| order.org == 2).count(), 3);
}

#[test]
fn a_row_of_another_tenant_is_not_committed() {
    let shop = Shop::open();
    let customer = Customer { org: 3, id: 1, email: "ada@x".into(), country: None };
    shop.larder.all_tenants().repository::<Customer>().insert(&customer).unwrap();
    let before = rows(&shop);
    let tenant = shop.larder.tenant(1_i64);
    let orders = Order::repository(&tenant);
    let give_away = OrderChanges { org: Some(2), total: Some(666), ..OrderChanges::default() };
    let wrong = |written: larder::Result<usize>| {
        assert!(matches!(written, Err(Error::WrongTenant { table: "orders" })), "{written:?}");
        assert_eq!(rows(&shop), before);
    };
    wrong(orders.insert(&order(2, 9)).map(|_| 1));
    wrong(orders.insert_many(&[order(1, 8), order(2, 9)]).map(|rows| rows.len()));
    wrong(orders.insert_missing(&[order(1, 8), order(2, 9)]).map(|rows| rows.len()));
    wrong(orders.upsert(9, &order(2, 9), &OrderChanges::default()).map(|_| 1));
    let moved = OrderChanges { org: Some(3), ..OrderChanges::default() };
    wrong(orders.update(1, &moved).map(|_| 1));
    wrong(orders.update_where(orders::id.eq(1), &moved).map(|rows| rows.len()));
    wrong(orders.upsert(1, &order(1, 1), &moved).map(|_| 1));
    // The key of this one is there already.
    assert!(matches!(orders.update(1, &give_away), Err(Error::Database(_))));
    wrong(orders.update_where(sql::<Bool>("true) OR (true"), orders::total.eq(666)).map(|rows| rows.len()));
    wrong(orders.delete_where(sql::<Bool>("true) OR (true")).map(|rows| rows.len()));
    // Nor by who does not listen.
    let doomed = tenant.transaction(|t| {
        assert!(Order::repository(t).insert(&order(2, 9)).is_err());
        Ok(0)
    });
    assert!(matches!(doomed, Err(Error::Doomed)), "{doomed:?}");
    assert_eq!(rows(&shop), before);
    // What was rolled back to a savepoint is over.
    tenant
        .transaction(|t| {
            assert!(t.transaction(|t| Order::repository(t).insert(&order(2, 9))).is_err());
            Order::repository(t).insert(&order(1, 9))
        })
        .unwrap();
    assert_eq!(rows(&shop).len(), before.len() + 1);
}

#[test]
fn a_cursor_of_another_tenant_is_refused() {
    let shop = Shop::open();
    let [mine, theirs] = ORGS.map(|org| shop.larder.tenant(org));
    let page = |tenant| Order::repository(tenant).list_by_status("paid").page(1).unwrap();
    let cursor = page(&mine).next.unwrap();
    let go_on = |tenant| Order::repository(tenant).list_by_status("paid").after(&cursor).page(1);
    assert_eq!(totals(&go_on(&mine).unwrap().rows), [101]);
    assert!(matches!(go_on(&theirs), Err(Error::Cursor(_))));
}

#[test]
fn transactions_and_scopes_have_tenants_too() {
    let shop = Shop::open();
    let scope = shop.larder.scope();
    for org in ORGS {
        assert_eq!(Order::repository(&scope.tenant(org)).get(1).unwrap().total, org * 100 + 1);
        shop.larder
            .transaction(|tx| {
                Order::repository(&tx.tenant(org)).insert(&order(org, 9))?;
                Country::repository(tx).update("at", countries::name.eq(format!("Austria {org}")))
            })
            .unwrap();
        assert!(Order::repository(&shop.larder.tenant(org)).exists(9).unwrap());
    }
    // Rows changed by Diesel are told of by the tenant's own keys.
    let tenant = shop.larder.tenant(1_i64);
    let sum = || -> i64 { Order::repository(&tenant).list_by_org().load().unwrap().iter().map(|row| row.total).sum() };
    let before = sum();
    tenant
        .transaction(|t| {
            let update = diesel::update(orders::table.find((1_i64, 1_i64))).set(orders::total.eq(orders::total + 1));
            t.touching::<Order, _>(&[1], |connection| update.execute(connection))
        })
        .unwrap();
    assert_eq!(sum(), before + 1);
}

#[test]
fn whoever_looks_after_all_tenants_says_so() {
    let shop = Shop::open();
    let all = shop.larder.all_tenants();
    let orders = all.repository::<Order>();
    assert_eq!(orders.get((2_i64, 1_i64)).unwrap().total, 201);
    assert_eq!(orders.query(|query| query).unwrap().len(), 6);
    orders.update((2_i64, 1_i64), orders::total.eq(0)).unwrap();
    assert_eq!(Order::repository(&shop.larder.tenant(2_i64)).get(1).unwrap().total, 0, "the caches are told as ever");
    assert_eq!(Order::repository(&shop.larder.tenant(1_i64)).get(1).unwrap().total, 101);
}
