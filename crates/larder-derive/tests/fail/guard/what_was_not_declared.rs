#[path = "../schema.rs"]
mod schema;

use diesel::{ExpressionMethods as _, sqlite::Sqlite};
use larder::Larder;
use schema::{User, users};

fn use_it(larder: &Larder<Sqlite>) {
    let repository = User::repository(larder);
    let _ = repository.update_at(1, 1, users::name.eq("x"));
    let _ = repository.restore(1);
    let _ = repository.find_for_update(1);
    let _ = larder.find_for_update::<User>(1);
}

fn main() {}
