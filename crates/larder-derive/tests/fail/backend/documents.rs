use diesel::{mysql::Mysql, query_builder::QueryFragment, sqlite::Sqlite};
use larder::types::JsonMethods as _;

diesel::table! { sheets (id) { id -> BigInt, body -> Jsonb, } }

fn write<DB: larder::Backend>(_: impl QueryFragment<DB>) {}

fn main() {
    write::<Mysql>(sheets::body.path(["depth"]).is(1));
    write::<Sqlite>(sheets::body.path(["depth"]).is(1));
}
