//! Rows of several tenants in one table, through Redis, and with policies of PostgreSQL's own.

mod random;
mod search;
mod security;
mod tables;

use diesel::prelude::*;
use larder::Error;
use tests::{Cost, Shop};

use self::tables::{Client, Invoice, TENANTS, acme, globex, invoice, invoices};

const COLD: Cost = Cost { sql: 1, store_reads: 1, store_writes: 2 };
const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };

/// Both tenants have an invoice of each of these numbers, of a client with the same number.
fn shop() -> Shop {
    let shop = Shop::of(&TENANTS);
    for tenant in [acme(), globex()] {
        let of_tenant = shop.larder.tenant(tenant);
        Client::repository(&of_tenant).insert(&Client { tenant_id: tenant, id: 1, email: "ada@x".into() }).unwrap();
        let new = [1, 2, 3].map(|id| invoice(tenant, id, "open"));
        Invoice::repository(&of_tenant).insert_many(&new).unwrap();
    }
    shop.meter.reset();
    shop
}

#[test]
fn a_tenants_rows_cost_what_any_rows_do() {
    let shop = shop();
    let tenant = shop.larder.tenant(acme());
    let invoices = Invoice::repository(&tenant);
    let clients = || Client::repository(&tenant).with(Client::invoices());
    assert_eq!(invoices.list_by_status("open").load().unwrap().len(), 3);
    shop.meter.expect(COLD);
    assert_eq!(invoices.list_by_status("open").load().unwrap().len(), 3);
    assert_eq!(invoices.find_many(&[1, 2]).unwrap().iter().flatten().count(), 2);
    shop.meter.expect(Cost { store_reads: 2, ..WARM });
    assert_eq!(clients().find_by_email("ada@x").unwrap().unwrap().1.len(), 3);
    // The client is in its cell since it was inserted.
    shop.meter.expect(Cost { sql: 1, store_reads: 2, store_writes: 2 });
    // Another handle has what this one has left in Redis, for this tenant and for no other.
    let other = shop.branch();
    assert_eq!(Invoice::repository(&other.larder.tenant(acme())).list_by_status("open").load().unwrap().len(), 3);
    other.meter.expect(WARM);
    let theirs = other.larder.tenant(globex());
    let found = Invoice::repository(&theirs).list_by_status("open").load().unwrap();
    assert!(found.len() == 3 && found.iter().all(|invoice| invoice.tenant_id == globex()));
    other.meter.expect(COLD);
    invoices.update(1, invoices::status.eq("paid")).unwrap();
    shop.meter.expect(Cost { sql: 1, store_reads: 0, store_writes: 2 });
}

#[test]
fn a_condition_binds_inside_of_the_tenant() {
    let shop = shop();
    let tenant = shop.larder.tenant(acme());
    let of_tenant = Invoice::repository(&tenant);
    let either = invoices::id.eq(1).or(invoices::id.ne(1));
    assert_eq!(of_tenant.query(|query| query.filter(invoices::id.lt(0)).or_filter(either)).unwrap().len(), 3);
    assert_eq!(of_tenant.update_where(either, invoices::status.eq("paid")).unwrap().len(), 3);
    assert_eq!(of_tenant.delete_where(either).unwrap().len(), 3);
    let theirs = Invoice::repository(&shop.larder.tenant(globex())).list_by_status("open").load().unwrap();
    assert_eq!(theirs.len(), 3);
}

#[test]
fn a_row_of_another_tenant_is_rolled_back() {
    let shop = shop();
    let tenant = shop.larder.tenant(acme());
    let of_tenant = Invoice::repository(&tenant);
    let inserted = of_tenant.insert(&invoice(globex(), 9, "open"));
    assert!(matches!(inserted, Err(Error::WrongTenant { table: "invoices" })), "{inserted:?}");
    // The reference to a client of one's own goes with the tenant: the database itself refuses to move the row alone.
    let moved = of_tenant.update(3, (invoices::tenant_id.eq(globex()), invoices::id.eq(30)));
    assert!(matches!(moved, Err(Error::WrongTenant { .. })), "{moved:?}");
    let doomed = tenant.transaction(|t| {
        assert!(Invoice::repository(t).insert(&invoice(globex(), 9, "open")).is_err());
        Ok(())
    });
    assert!(matches!(doomed, Err(Error::Doomed)), "{doomed:?}");
    let all = shop.larder.all_tenants().repository::<Invoice>();
    assert_eq!(all.query(|query| query).unwrap().len(), 6);
    assert_eq!(of_tenant.get(3).unwrap().tenant_id, acme());
}
