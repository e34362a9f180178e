//! Clients of several tenants, and their invoices.

use diesel::{connection::SimpleConnection as _, pg::Pg, prelude::*};
use larder::{MaterializedView, Models, Repository, migration};
use tests::Template;
use uuid::Uuid;

diesel::table! { clients (tenant_id, id) { tenant_id -> Uuid, id -> BigInt, email -> Text, } }
diesel::table! { codes (tenant_id, id) { tenant_id -> Bpchar, id -> BigInt, } }
diesel::table! { totals (tenant_id, status) { tenant_id -> Uuid, status -> Text, n -> BigInt, } }
diesel::table! { invoices (tenant_id, id) { tenant_id -> Uuid, id -> BigInt, client_id -> BigInt, status -> Text, cents -> BigInt, } }

const TABLES: &str = "
    CREATE TABLE clients (tenant_id uuid, id bigint, email text NOT NULL, PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, email));
    CREATE TABLE invoices (tenant_id uuid, id bigint, client_id bigint NOT NULL, status text NOT NULL, cents bigint NOT NULL,
        PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, client_id) REFERENCES clients ON DELETE CASCADE);
    CREATE INDEX ON invoices (tenant_id, client_id);
    CREATE INDEX ON invoices (tenant_id, status);
    CREATE TABLE codes (tenant_id char(4), id bigint, PRIMARY KEY (tenant_id, id));
    CREATE MATERIALIZED VIEW totals AS SELECT tenant_id, status, count(*) AS n FROM invoices GROUP BY tenant_id, status;";

/// Without policies.
pub(super) static TENANTS: Template = Template::new("tenants", |connection| {
    connection.batch_execute(TABLES).expect("the tables can be made");
});

/// With policies, and a role that does not pass them by.
pub(super) static GUARDED: Template = Template::new("guarded", |connection| {
    let policies = migration::tenant(&models()).expect("there are models of tenants");
    for sql in [TABLES, &policies.up, &policies.down, &policies.up, &policies.up, ROLE] {
        connection.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
});

/// Roles are the whole server's: other tests may be making it.
const ROLE: &str = "
    DO $$ BEGIN CREATE ROLE larder_guarded; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
    GRANT SELECT, INSERT, UPDATE, DELETE ON clients, invoices, codes TO larder_guarded;";

pub(super) fn models() -> Models<Pg> {
    Models::new().with::<Client>().with::<Invoice>().with::<Code>().with::<Total>()
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = clients, primary_key(tenant_id, id), check_for_backend(diesel::pg::Pg))]
#[larder(tenant = tenant_id, unique(email), has_many(invoices: Invoice, on_delete = cascade))]
pub(super) struct Client {
    pub(super) tenant_id: Uuid,
    pub(super) id: i64,
    pub(super) email: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = invoices, primary_key(tenant_id, id), check_for_backend(diesel::pg::Pg))]
#[larder(tenant = tenant_id, index(status), belongs_to(client: Client))]
pub(super) struct Invoice {
    pub(super) tenant_id: Uuid,
    pub(super) id: i64,
    pub(super) client_id: i64,
    pub(super) status: String,
    pub(super) cents: i64,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = codes, primary_key(tenant_id, id), check_for_backend(diesel::pg::Pg))]
#[larder(tenant = tenant_id)]
pub(super) struct Code {
    pub(super) tenant_id: String,
    pub(super) id: i64,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, MaterializedView)]
#[diesel(table_name = totals, primary_key(tenant_id, status), check_for_backend(diesel::pg::Pg))]
#[larder(tenant = tenant_id)]
pub(super) struct Total {
    pub(super) tenant_id: Uuid,
    pub(super) status: String,
    pub(super) n: i64,
}

pub(super) fn acme() -> Uuid {
    Uuid::from_u128(1)
}

pub(super) fn globex() -> Uuid {
    Uuid::from_u128(2)
}

pub(super) fn invoice(tenant_id: Uuid, id: i64, status: &str) -> Invoice {
    Invoice { tenant_id, id, client_id: 1, status: status.to_owned(), cents: 100 * id }
}
