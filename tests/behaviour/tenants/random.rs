//! Random reads and writes of tenants with equal ids, through two handles with near caches on one Redis, against plain maps.

use std::collections::BTreeMap;

use diesel::prelude::*;
use larder::{Consistency, NearOptions};
use tests::Shop;
use uuid::Uuid;

use super::tables::{Client, Invoice, invoice, invoices};

type Rows = BTreeMap<(Uuid, i64), Invoice>;

fn own(rows: &Rows, tenant: Uuid, status: &str) -> Vec<Invoice> {
    rows.values().filter(|row| row.tenant_id == tenant && row.status == status).cloned().collect()
}

#[test]
fn no_tenant_ever_sees_anothers_row() {
    let (first, second): (Shop, _) = {
        let shop = super::shop();
        let handles = [(); 2].map(|()| shop.branch_built(|builder| builder.near(NearOptions::bytes(1 << 20))));
        (shop, handles)
    };
    let tenants = [1, 2, 3].map(Uuid::from_u128);
    for tenant in tenants {
        let of_tenant = first.larder.tenant(tenant);
        let client = Client { tenant_id: tenant, id: 1, email: "ada@x".into() };
        Client::repository(&of_tenant).insert_missing(&[client]).unwrap();
        Invoice::repository(&of_tenant).delete_where(invoices::id.gt(0)).unwrap();
    }
    let seed = fastrand::u64(..);
    let (mut dice, mut rows) = (fastrand::Rng::with_seed(seed), Rows::new());
    let (mut n_found, mut n_refused) = (0, 0);
    for step in 0..1_500 {
        let (tenant, id) = (tenants[dice.usize(0..3)], dice.i64(1..5));
        let of_tenant = second[dice.usize(0..2)].larder.tenant(tenant);
        let status = ["open", "paid"][dice.usize(0..2)];
        let new = Invoice { cents: dice.i64(0..100), ..invoice(tenant, id, status) };
        let at_hand = Invoice::repository(&of_tenant);
        let shared = at_hand.clone().reading(Consistency::Shared);
        let why = format!("seed {seed}, step {step}");
        match dice.u8(0..9) {
            0 | 1 => {
                let changes = (invoices::status.eq(status), invoices::cents.eq(new.cents));
                assert_eq!(shared.upsert(id, &new, changes).unwrap(), new, "{why}");
                rows.insert((tenant, id), new);
            }
            2 => assert_eq!(shared.delete(id).unwrap(), rows.remove(&(tenant, id)), "{why}"),
            3 => {
                let thief = Invoice { tenant_id: tenants[dice.usize(0..3)], ..new };
                if thief.tenant_id != tenant {
                    assert!(shared.insert(&thief).is_err(), "{why}");
                    assert!(shared.update(id, invoices::tenant_id.eq(thief.tenant_id)).is_err(), "{why}");
                    n_refused += 1;
                }
            }
            4 => {
                let found = shared.find(id).unwrap();
                n_found += u32::from(found.is_some());
                assert_eq!(found.as_ref(), rows.get(&(tenant, id)), "{why}");
            }
            5 => assert_eq!(shared.list_by_status(status).load().unwrap(), own(&rows, tenant, status), "{why}"),
            6 => {
                let kept = shared.cached("by-status").params(&status).depends_on_key(shared.key_by_status(status));
                let kept = kept.load(|query| query.filter(invoices::status.eq(status)).order(invoices::id));
                assert_eq!(kept.unwrap(), own(&rows, tenant, status), "{why}");
            }
            7 => {
                let found = shared.query(|query| query.or_filter(invoices::id.gt(0)).order(invoices::id)).unwrap();
                let mut all: Vec<Invoice> = own(&rows, tenant, "open");
                all.extend(own(&rows, tenant, "paid"));
                all.sort_by_key(|row| row.id);
                assert_eq!(found, all, "{why}");
            }
            // What is near may be as old as its horizon, and is never another's.
            _ => {
                let found = at_hand.clone().with(Invoice::client()).list_by_status(status).load().unwrap();
                assert!(
                    found.iter().all(|(row, client)| (row.tenant_id, client.tenant_id) == (tenant, tenant)),
                    "{why}"
                );
                assert!(at_hand.find(id).unwrap().is_none_or(|row| row.tenant_id == tenant), "{why}");
            }
        }
    }
    assert!(n_found > 40 && n_refused > 40, "{n_found} rows were found, {n_refused} refused");
}
