#[path = "../tenants.rs"]
mod tenants;

use diesel::sqlite::Sqlite;
use larder::Dependencies;
use tenants::{Country, Order};

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| {
        let countries = Country::repository(&larder);
        larder::Repository::select::<Order>((*countries).clone());
    };
    let _ = Dependencies::<Sqlite>::new().row::<Order>((8, 1));
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| larder.all_tenants().repository::<Country>();
}
