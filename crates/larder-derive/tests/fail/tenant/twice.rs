#[path = "../tenants.rs"]
mod tenants;

use larder::Repository;

#[derive(Clone, Repository)]
#[diesel(table_name = tenants::orders, primary_key(org, id), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(tenant = org, tenant = org)]
struct Purchase {
    org: i64,
    id: i64,
    customer_id: i64,
    country: String,
}

fn main() {}
