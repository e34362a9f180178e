#[path = "../backends.rs"]
mod backends;

use backends::User;
use diesel::{mysql::Mysql, sqlite::Sqlite};
use larder::{Larder, Models, relay::Relay, triggers::Triggers};

fn on_mysql(larder: &Larder<Mysql>) {
    Relay::builder(larder);
    Triggers::of(Models::<Mysql>::new().with::<User>());
}

fn on_sqlite(larder: &Larder<Sqlite>) {
    Relay::builder(larder);
    Triggers::of(Models::<Sqlite>::new().with::<User>());
}

fn main() {}
