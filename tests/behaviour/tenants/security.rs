//! Policies of PostgreSQL, which hold for whatever is sent in a tenant's name.

use std::time::Duration;

use diesel::{dsl::sql, pg::Pg, prelude::*, r2d2::ConnectionManager, sql_query, sql_types::Bool};
use larder::{Error, Larder, MemoryStore, Patience, migration};
use tests::{Database, Meter, pool};

use super::tables::{Client, Code, GUARDED, Invoice, acme, codes, globex, invoice, invoices, models};

type Pool = diesel::r2d2::Pool<ConnectionManager<PgConnection>>;

/// A database with policies, and a handle on it whose role does not pass them by.
struct Guarded {
    larder: Larder<Pg>,
    /// The handle's one connection.
    pool: Pool,
    meter: Meter,
    database: Database,
}

impl Guarded {
    fn open() -> Self {
        let database = GUARDED.database();
        let (all, meter) = (Larder::builder(database.pool(&Meter::new(), 1)).build(), Meter::new());
        for tenant in [acme(), globex()] {
            let of_tenant = all.tenant(tenant);
            Client::repository(&of_tenant).insert(&Client { tenant_id: tenant, id: 1, email: "ada@x".into() }).unwrap();
            Invoice::repository(&of_tenant).insert_many(&[1, 2].map(|id| invoice(tenant, id, "open"))).unwrap();
        }
        let separator = if database.url().contains('?') { '&' } else { '?' };
        let url = format!("{}{separator}options=-c%20role%3Dlarder_guarded", database.url());
        let pool = pool(&url, &meter, 1);
        let larder = Larder::builder(pool.clone()).shared(MemoryStore::new()).row_security().build();
        Self { larder, pool, meter, database }
    }

    /// Whom the handle's connection is named after now.
    fn named(&self) -> String {
        sql::<diesel::sql_types::Text>("SELECT coalesce(current_setting('larder.tenant', true), '')")
            .get_result(&mut self.pool.get().unwrap())
            .unwrap()
    }
}

fn count(connection: &mut PgConnection) -> QueryResult<i64> {
    invoices::table.count().get_result(connection)
}

#[test]
fn whatever_a_tenant_sends_sees_the_tenants_rows_only() {
    let guarded = Guarded::open();
    let tenant = guarded.larder.tenant(acme());
    tenant
        .transaction(|t| {
            assert_eq!(t.run(count)?, 2);
            let changed = t.run(|connection| sql_query("UPDATE invoices SET cents = 0").execute(connection))?;
            assert_eq!(changed, 2);
            // Larder's own condition is got around, and the policy is not.
            let raw = Invoice::repository(t).query(|query| query.filter(sql::<Bool>("true OR true")))?;
            assert_eq!(raw.len(), 2);
            t.touched::<Invoice>(&[1, 2])
        })
        .unwrap();
    assert_eq!(tenant.query("n").depends_on::<Invoice>().load(count).unwrap(), 2);
    let stolen = tenant.transaction(|t| {
        t.run(|connection| {
            diesel::insert_into(invoices::table).values(&invoice(globex(), 9, "open")).execute(connection)
        })
    });
    assert!(matches!(stolen, Err(Error::Database(_))), "{stolen:?}");
    let all: i64 = count(&mut guarded.database.connect()).unwrap();
    assert_eq!(all, 4);
    let theirs: i64 =
        invoices::table.filter(invoices::cents.gt(0)).count().get_result(&mut guarded.database.connect()).unwrap();
    assert_eq!(theirs, 2, "only the tenant's own were changed");
}

#[test]
fn ids_of_a_fixed_length_are_compared_to_their_end() {
    let guarded = Guarded::open();
    for tenant in ["acme", "acne"] {
        let tenant = guarded.larder.tenant(tenant.to_owned());
        Code::repository(&tenant).insert(Code { tenant_id: tenant.id().clone(), id: 1 }).unwrap();
        let n = tenant.transaction(|t| t.run(|connection| codes::table.count().get_result::<i64>(connection)));
        assert_eq!(n.unwrap(), 1);
    }
}

#[test]
fn repositories_work_as_without_policies() {
    let guarded = Guarded::open();
    for tenant in [acme(), globex()] {
        let of_tenant = guarded.larder.tenant(tenant);
        let invoices = Invoice::repository(&of_tenant);
        assert_eq!(invoices.get(1).unwrap().tenant_id, tenant);
        let (client, all) =
            Client::repository(&of_tenant).with(Client::invoices()).find_by_email("ada@x").unwrap().unwrap();
        assert_eq!((client.tenant_id, all.len()), (tenant, 2));
        invoices.insert(&invoice(tenant, 3, "paid")).unwrap();
        invoices.upsert(4, &invoice(tenant, 4, "paid"), invoices::status.eq("paid")).unwrap();
        assert_eq!(invoices.list_by_status("paid").load().unwrap().len(), 2);
        assert_eq!(invoices.delete(4).unwrap().unwrap().id, 4);
        assert_eq!(invoices.count_by_status("paid").unwrap(), 1);
        // On a thread of the handle's, too.
        let scope = guarded.larder.scope().patience(Patience::new().hard(Duration::from_secs(20)));
        assert!(Invoice::repository(&scope.tenant(tenant)).find(2).unwrap().is_some());
        Client::repository(&of_tenant).delete(1).unwrap();
        assert_eq!(invoices.find(1).unwrap(), None);
    }
    assert_eq!(count(&mut guarded.database.connect()).unwrap(), 0);
}

#[test]
fn no_name_is_left_on_a_connection() {
    let guarded = Guarded::open();
    let tenant = guarded.larder.tenant(acme());
    let invoices = Invoice::repository(&tenant);
    assert!(invoices.find(1).unwrap().is_some());
    assert_eq!(guarded.named(), "");
    invoices.update(1, invoices::cents.eq(7)).unwrap();
    assert_eq!(guarded.named(), "");
    assert!(invoices.query(|query| query.filter(sql::<Bool>("1 / 0 = 1"))).is_err());
    assert_eq!(guarded.named(), "");
    assert!(invoices.update(1, invoices::client_id.eq(99)).is_err());
    assert_eq!(guarded.named(), "");
    let failed = tenant.transaction(|t| t.run(count).and_then(|_| Err::<(), _>(Error::other("no"))));
    assert!(failed.is_err());
    assert_eq!(guarded.named(), "");
}

#[test]
fn who_names_nobody_is_refused_and_does_not_see_an_empty_table() {
    let guarded = Guarded::open();
    let unnamed = guarded.larder.all_tenants().repository::<Invoice>().find((acme(), 1));
    assert!(matches!(unnamed, Err(Error::Database(_))), "{unnamed:?}");
    assert!(guarded.larder.transaction(|tx| tx.run(count)).is_err());
    assert!(Invoice::repository(&guarded.larder.tenant(acme())).find(1).unwrap().is_some());
    // A name that was there before is none, either.
    assert!(guarded.larder.transaction(|tx| tx.run(count)).is_err());
    // Whoever passes by policies sees all.
    let all = Larder::builder(guarded.database.pool(&Meter::new(), 1)).build();
    assert_eq!(all.all_tenants().repository::<Invoice>().query(|query| query).unwrap().len(), 4);
}

#[test]
fn a_transaction_is_of_one_tenant() {
    let guarded = Guarded::open();
    guarded
        .larder
        .transaction(|tx| {
            let rolled_back = tx.savepoint(|tx| {
                Invoice::repository(&tx.tenant(acme())).get(1)?;
                Err::<(), _>(Error::other("no"))
            });
            assert!(rolled_back.is_err());
            // The name went with the savepoint, and is given once more.
            assert_eq!(tx.tenant(acme()).run(count)?, 2);
            let second = tx.tenant(globex()).run(count);
            assert!(matches!(second, Err(Error::Other(_))), "{second:?}");
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_name_costs_no_statement_of_its_own_and_nothing_where_the_caches_answer() {
    let guarded = Guarded::open();
    let tenant = guarded.larder.tenant(acme());
    let invoices = Invoice::repository(&tenant);
    invoices.get(1).unwrap();
    let counts = guarded.meter.counts();
    assert_eq!((counts.sql, counts.session), (1, 2), "{}", guarded.meter.log());
    assert!(guarded.larder.flush(Duration::from_secs(20)));
    guarded.meter.reset();
    invoices.get(1).unwrap();
    assert_eq!(guarded.meter.counts().session, 0, "{}", guarded.meter.log());
}

#[test]
fn policies_are_taken_away_again() {
    let policies = migration::tenant(&models()).unwrap();
    let guarded = Guarded::open();
    let mut connection = guarded.database.connect();
    for _ in 0..2 {
        diesel::connection::SimpleConnection::batch_execute(&mut connection, &policies.down).unwrap();
    }
    assert_eq!(guarded.larder.transaction(|tx| tx.run(count)).unwrap(), 4);
    assert!(migration::tenant(&larder::Models::new()).is_err());
}
