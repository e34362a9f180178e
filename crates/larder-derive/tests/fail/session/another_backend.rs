#[path = "../schema.rs"]
mod schema;

fn main() {
    let _ = |larder: larder::Larder<diesel::pg::Pg>| schema::User::repository(&larder).find(1);
}
