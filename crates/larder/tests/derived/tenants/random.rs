//! Random reads and writes of three tenants with equal ids, through two handles with near caches, against plain maps.

use std::{collections::BTreeMap, ops::ControlFlow::Continue};

use diesel::prelude::*;
use larder::Consistency;

use super::models::{Customer, Order, OrderChanges, Shop, Total, orders};

type Rows = BTreeMap<(i64, i64), Order>;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % n).unwrap()
    }
}

fn own(rows: &Rows, org: i64, status: &str) -> Vec<Order> {
    let mut own: Vec<Order> =
        rows.values().filter(|order| order.org == org && order.status == status).cloned().collect();
    own.sort_by_key(|order| (-order.total, order.id));
    own
}

#[test]
fn no_tenant_ever_sees_anothers_row() {
    let shop = Shop::open();
    shop.larder
        .transaction(|tx| {
            for org in 1..=3 {
                tx.tenant(org).transaction(|t| Order::repository(t).delete_where(orders::id.gt(0)))?;
            }
            Ok(())
        })
        .unwrap();
    shop.larder
        .all_tenants()
        .repository::<Customer>()
        .insert_missing(&[Customer { org: 3, id: 1, email: "ada@x".into(), country: None }])
        .unwrap();
    let handles = [shop.larder.clone(), shop.other()];
    let (mut rows, mut dice) = (Rows::new(), Dice(20_261_123));
    let (mut n_found, mut n_refused) = (0, 0);
    for _ in 0..3_000 {
        let (org, id) = (1 + dice.roll(3), 1 + dice.roll(4));
        let tenant = handles[usize::try_from(dice.roll(2)).unwrap()].tenant(org);
        let of = Order::repository(&tenant).reading(Consistency::Shared);
        let status = ["open", "paid"][usize::try_from(dice.roll(2)).unwrap()];
        let new = Order { org, id, customer_id: 1, status: status.into(), total: dice.roll(5) };
        let changes = OrderChanges { status: Some(status), total: Some(new.total), ..OrderChanges::default() };
        match dice.roll(13) {
            0 => {
                of.upsert(id, &new, &changes).unwrap();
                rows.insert((org, id), new);
            }
            1 => assert_eq!(of.delete(id).unwrap(), rows.remove(&(org, id))),
            2 => {
                let condition = orders::status.eq(status).or(orders::id.eq(id));
                let n = of.update_where(condition, orders::total.eq(9)).unwrap().len();
                let met = |order: &&mut Order| order.org == org && (order.status == status || order.id == id);
                let met: Vec<_> = rows.values_mut().filter(met).map(|order| order.total = 9).collect();
                assert_eq!(n, met.len());
            }
            3 => {
                // Into another tenant's hands.
                let (thief, theirs) = (1 + org % 3, Order { org: 1 + org % 3, ..new });
                let taken = tenant.transaction(|t| {
                    let of = Order::repository(t);
                    let _ = of.insert(&theirs);
                    let _ = of.update(id, orders::org.eq(thief));
                    Err::<(), _>(larder::Error::other("it was only tried"))
                });
                assert!(taken.is_err());
                let inserted = of.insert(&theirs);
                assert!(inserted.is_err(), "{inserted:?}");
                n_refused += 1;
            }
            4 => {
                let found = of.find(id).unwrap();
                n_found += i64::from(found.is_some());
                assert_eq!(found.as_ref(), rows.get(&(org, id)));
            }
            5 => assert_eq!(of.list_by_status(status).load().unwrap(), own(&rows, org, status)),
            6 => {
                let found = of.find_many(&[1, 2, 3, 4]).unwrap();
                let expected = (1..=4).map(|id| rows.get(&(org, id)).cloned()).collect::<Vec<_>>();
                assert_eq!(found, expected);
            }
            7 => {
                let found = of.select::<Total>().query(|query| query.or_filter(orders::id.gt(0))).unwrap().len();
                assert_eq!(found, rows.keys().filter(|(of, _)| *of == org).count());
            }
            8 => {
                let kept = of.cached("by-status").params(&status);
                let found = kept
                    .load(|query| query.filter(orders::status.eq(status)).order((orders::total.desc(), orders::id)));
                assert_eq!(found.unwrap(), own(&rows, org, status));
            }
            9 => {
                let values = [(id, new.total), (9, 9), (1 + id % 4, 8)];
                let changed = of.update_each(orders::total, &values).unwrap();
                for ((id, total), changed) in values.iter().zip(changed) {
                    let row = rows.get_mut(&(org, *id));
                    assert_eq!(changed.is_some(), row.is_some());
                    row.into_iter().for_each(|row| row.total = *total);
                }
            }
            10 => {
                let mut found = Vec::new();
                let n_rows = of.batches(2).after(id).for_each(|batch| {
                    found.extend(batch.rows);
                    assert_eq!(found.last().map(|order: &Order| order.id), Some(batch.last));
                    Ok(Continue(()))
                });
                let behind = (org, id + 1)..(org + 1, 0);
                assert_eq!(found, rows.range(behind).map(|(_, order)| order.clone()).collect::<Vec<_>>());
                assert_eq!(n_rows.unwrap(), found.len() as u64);
            }
            11 => {
                let mut found = Vec::new();
                let all = |query: <Order as larder::Table<_>>::Query<'static>| {
                    query.filter(orders::total.lt(0)).or_filter(orders::id.gt(0)).order(orders::id)
                };
                let take = |order| {
                    found.push(order);
                    Ok(Continue(()))
                };
                of.stream(all, take).unwrap();
                assert_eq!(found, rows.range((org, 0)..(org + 1, 0)).map(|(_, row)| row.clone()).collect::<Vec<_>>());
            }
            // What is near may be as old as its horizon, and is never another's.
            _ => {
                let near = Order::repository(&tenant);
                let found = near.clone().with(Order::customer()).list_by_status(status).load().unwrap();
                assert!(found.iter().all(|(order, customer)| (order.org, customer.org) == (org, org)));
                assert!(near.find(id).unwrap().is_none_or(|order| order.org == org));
            }
        }
    }
    assert!(n_found > 100 && n_refused > 100, "{n_found} rows were found, {n_refused} refused");
}
