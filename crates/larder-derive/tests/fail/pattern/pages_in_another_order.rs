#[path = "../schema.rs"]
mod schema;

use diesel::ExpressionMethods;
use larder::Larder;
use schema::{Order, orders};

fn pages(larder: &Larder<diesel::sqlite::Sqlite>) -> larder::Result<()> {
    Order::repository(larder).list_by_user_id(1).order(orders::total.desc()).page(20)?;
    Ok(())
}

fn main() {}
