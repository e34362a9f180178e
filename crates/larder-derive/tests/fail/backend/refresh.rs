#[path = "../backends.rs"]
mod backends;

use backends::User;
use diesel::{mysql::Mysql, sqlite::Sqlite};
use larder::Larder;

fn on_mysql(larder: &Larder<Mysql>) {
    larder.refresh::<User>();
}

fn on_sqlite(larder: &Larder<Sqlite>) {
    larder.refresh::<User>();
}

fn main() {}
