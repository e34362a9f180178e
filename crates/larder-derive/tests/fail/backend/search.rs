#[path = "../backends.rs"]
mod backends;

use backends::User;
use diesel::{mysql::Mysql, sqlite::Sqlite};
use larder::Larder;

fn on_mysql(larder: &Larder<Mysql>) {
    User::repository(larder).search("ada");
}

fn on_sqlite(larder: &Larder<Sqlite>) {
    User::repository(larder).search("ada");
}

fn main() {}
