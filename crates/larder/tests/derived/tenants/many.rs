//! Many rows of a tenant at once: of each, the tenant's own and no others.

use std::ops::ControlFlow::{Break, Continue};

use diesel::{dsl::sql, prelude::*, sql_types::Bool};
use larder::Error;

use super::{
    ORGS,
    models::{Note, Order, Shop, Total, notes, orders},
    rows, totals,
};

/// Both tenants have the notes 1 to 4, of which 3 and 4 are deleted.
fn shop() -> Shop {
    let shop = Shop::open();
    for org in ORGS {
        let tenant = shop.larder.tenant(org);
        let of = Note::repository(&tenant);
        of.insert_many(&[1, 2, 3, 4].map(|id| Note { org, id, text: format!("{org}/{id}"), gone_at: None })).unwrap();
        assert_eq!(of.delete_where(notes::id.gt(2)).unwrap().len(), 2);
    }
    shop
}

/// What is really in the table.
fn texts(shop: &Shop) -> Vec<String> {
    notes::table.select(notes::text).order((notes::org, notes::id)).load(&mut *shop.connection()).unwrap()
}

#[test]
fn a_walk_is_over_the_tenants_rows_and_goes_on_by_its_own_keys() {
    let shop = shop();
    for org in ORGS {
        let tenant = shop.larder.tenant(org);
        let (orders, mut seen) = (Order::repository(&tenant), Vec::new());
        let n_rows = orders.for_each_batch(2, |batch| {
            seen.push((totals(&batch.rows), batch.n_rows, batch.last));
            Ok(Continue(()))
        });
        let of = |ids: &[i64]| ids.iter().map(|id| org * 100 + id).collect::<Vec<_>>();
        assert_eq!(n_rows.unwrap(), 3);
        assert_eq!(seen, [(of(&[1, 2]), 2, 2), (of(&[3]), 3, 3)]);
        // A view without the tenant's column, and a relation.
        let mut rest = Vec::new();
        let walk = orders.clone().select::<Total>().with(Order::customer()).batches(1).after(1);
        let take = |batch: larder::Batch<_, i64>| {
            rest.extend(batch.rows);
            Ok(if batch.last == 2 { Break(()) } else { Continue(()) })
        };
        assert_eq!(walk.for_each(take).unwrap(), 1);
        let [(total, customer)] = &rest[..] else { panic!("{rest:?}") };
        assert_eq!((total.total, customer.org), (org * 100 + 2, org));
        let ids = |repository: larder::TenantRepository<'_, _, _, Note>| {
            let mut ids = Vec::new();
            repository.for_each_batch(3, |batch| {
                ids.extend(batch.rows.iter().map(|note: &Note| note.id));
                Ok(Continue(()))
            })?;
            Ok::<_, Error>(ids)
        };
        assert_eq!(ids((*Note::repository(&tenant)).clone()).unwrap(), [1, 2]);
        assert_eq!(ids((*Note::repository(&tenant)).clone().with_deleted()).unwrap(), [1, 2, 3, 4]);
        // In a transaction, where the tenant's own rows are.
        let n_rows = tenant.transaction(|t| {
            Note::repository(t).restore(4)?;
            Note::repository(t).for_each_batch(10, |_| Ok(Continue(())))
        });
        assert_eq!(n_rows.unwrap(), 3);
    }
}

#[test]
fn a_stream_has_the_tenants_rows_and_ends_at_anothers() {
    let shop = shop();
    for org in ORGS {
        let tenant = shop.larder.tenant(org);
        let (orders, mut seen) = (Order::repository(&tenant), Vec::new());
        let n_rows = orders.stream(
            |query| query.filter(orders::total.lt(0)).or_filter(orders::id.gt(1)).order(orders::id.desc()),
            |order| {
                seen.push(order.total);
                Ok(Continue(()))
            },
        );
        assert_eq!((n_rows.unwrap(), &seen[..]), (2, &[org * 100 + 3, org * 100 + 2][..]));
        let mut given = Vec::new();
        let widened = orders.stream(
            |query| query.filter(sql::<Bool>("true OR true")),
            |order| {
                given.push(order.org);
                Ok(Continue(()))
            },
        );
        assert!(matches!(widened, Err(Error::WrongTenant { table: "orders" })), "{widened:?}");
        assert!(given.iter().all(|of| *of == org), "{given:?}");
        let stopped = orders.stream(|query| query, |_| Ok(Break(())));
        assert_eq!(stopped.unwrap(), 1);
    }
}

#[test]
fn values_of_their_own_are_written_into_the_tenants_rows() {
    let shop = shop();
    let tenant = shop.larder.tenant(1_i64);
    let orders = Order::repository(&tenant);
    let changed = orders.update_each(orders::total, &[(2, 20), (9, 90), (1, 10)]).unwrap();
    let seen: Vec<_> = changed.iter().map(|order| order.as_ref().map(|order| (order.org, order.total))).collect();
    assert_eq!(seen, [Some((1, 20)), None, Some((1, 10))]);
    let values = [(3, ("sent".to_owned(), 30))];
    let changed = orders.update_each_of((orders::status, orders::total), &values).unwrap();
    assert_eq!(
        changed.iter().flatten().map(|order| (&order.status[..], order.total)).collect::<Vec<_>>(),
        [("sent", 30)]
    );
    assert_eq!(orders.update_each(orders::total, &[] as &[(i64, i64)]).unwrap(), []);
    assert_eq!(totals(&rows(&shop)), [10, 20, 30, 201, 202, 203]);
    assert_eq!(Order::repository(&shop.larder.tenant(2_i64)).get(1).unwrap().total, 201);
    assert!(matches!(orders.update_each(orders::org, &[(1, 2)]), Err(Error::Database(_))), "rows don't change hands");
    assert_eq!(totals(&rows(&shop)), [10, 20, 30, 201, 202, 203]);
}

#[test]
fn what_is_deleted_for_good_is_the_tenants() {
    let shop = shop();
    let tenant = shop.larder.tenant(1_i64);
    let of = Note::repository(&tenant);
    let widened = of.delete_forever_where(sql::<Bool>("true) OR (true"));
    assert!(matches!(widened, Err(Error::WrongTenant { table: "notes" })), "{widened:?}");
    assert_eq!(texts(&shop).len(), 8);
    let long_ago = notes::gone_at.is_not_null().or(notes::id.eq(1));
    assert_eq!(of.delete_forever_where(long_ago).unwrap().len(), 3);
    assert_eq!(texts(&shop), ["1/2", "2/1", "2/2", "2/3", "2/4"]);
    assert_eq!(of.find(1).unwrap(), None);
    assert_eq!(Note::repository(&shop.larder.tenant(2_i64)).get(1).unwrap().text, "2/1");
}
