use std::time::Duration;

use diesel::{mysql::Mysql, query_builder::QueryFragment, sqlite::Sqlite};
use larder::series::bucket;

diesel::table! { readings (at) { at -> Timestamptz, } }

fn write<DB: larder::Backend>(_: impl QueryFragment<DB>) {}

fn main() {
    write::<Mysql>(bucket(readings::at, Duration::from_secs(60)));
    write::<Sqlite>(bucket(readings::at, Duration::from_secs(60)));
}
