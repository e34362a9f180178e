#[path = "../schema.rs"]
mod schema;

use larder::Repository;

#[derive(Clone, Repository)]
#[diesel(table_name = schema::users, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(ttl = "10", unique(emial), has_many(orders schema::Order))]
struct Person {
    id: i64,
    email: String,
    name: String,
}

#[derive(larder::View)]
#[larder(of = Person)]
struct Card {
    email: String,
    #[larder(with = orders, order = total.desc(), limit = 3)]
    orders: Vec<schema::Order>,
    #[larder(count = orders)]
    n_orders: i64,
}

#[derive(Clone, Repository)]
#[diesel(table_name = schema::orders, belongs_to(Person, foreign_key = user_id), check_for_backend(diesel::sqlite::Sqlite))]
struct Purchase {
    id: i64,
    user_id: i64,
}

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| {
        let people = Person::repository(&larder).with(Person::orders());
        people.find(1).unwrap().unwrap().1.len()
    };
}
