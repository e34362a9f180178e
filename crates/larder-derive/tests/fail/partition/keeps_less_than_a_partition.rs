use diesel::prelude::*;
use larder::Repository;

diesel::table! { orders (id, placed_on) { id -> BigInt, placed_on -> BigInt, number -> BigInt, tenant -> Text, } }

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = orders, primary_key(id, placed_on), check_for_backend(diesel::pg::Pg))]
#[larder(partition(by = range(placed_on), every = "3 months", keep = "8 weeks"))]
struct Order {
    id: i64,
    placed_on: i64,
    number: i64,
    tenant: String,
}

fn main() {}
