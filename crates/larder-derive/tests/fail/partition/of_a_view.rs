use diesel::prelude::*;
use larder::MaterializedView;

diesel::table! { totals (id) { id -> BigInt, number -> BigInt, } }

#[derive(Clone, Queryable, Selectable, Identifiable, MaterializedView)]
#[diesel(table_name = totals, primary_key(id), check_for_backend(diesel::pg::Pg))]
#[larder(partition(by = range(id), every = 1_000))]
struct Total {
    id: i64,
    number: i64,
}

fn main() {}
