#[path = "../tenants.rs"]
mod tenants;

use larder::Repository;

#[derive(Clone, Repository)]
#[diesel(table_name = tenants::countries, primary_key(code), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(has_many(orders: tenants::Order, foreign_key = country))]
struct Land {
    code: String,
    name: String,
}

fn main() {}
