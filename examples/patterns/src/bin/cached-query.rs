//! A cached query: any result, kept until something that it depends on is written.

use std::time::Duration;

use bigdecimal::BigDecimal;
use diesel::{dsl::sum, pg::Pg, prelude::*};
use larder::Larder;
use patterns::{Outcome, Shop, order, user};
use shop_core::{
    Order, User, UserChanges,
    schema::{orders, users},
};

/// Who has spent most, and how much.
fn best(larder: &Larder<Pg>) -> larder::Result<Vec<String>> {
    let best: Vec<(String, Option<BigDecimal>)> =
        larder.query("best-customers").ttl(Duration::from_secs(3_600)).depends_on::<Order>().load(|connection| {
            let spent = sum(orders::total_amount);
            users::table
                .inner_join(orders::table)
                .group_by(users::email)
                .select((users::email, spent))
                .order(spent.desc())
                .limit(10)
                .load(connection)
        })?;
    Ok(best.into_iter().map(|(who, spent)| format!("{who} {}", spent.unwrap_or_default())).collect())
}

fn main() -> Outcome {
    let shop = Shop::open()?;
    let (larder, other) = (shop.larder()?, shop.larder()?);
    let (ada, bob) = (user(&larder, "ada")?, user(&larder, "bob")?);
    order(&larder, &ada, 70)?;
    order(&larder, &bob, 40)?;
    shop.show("at first", || best(&larder))?;
    shop.show("another process", || best(&other))?;
    let changes = UserChanges { email: Some("countess@example.com".to_owned()), ..UserChanges::default() };
    User::repository(&larder).update(ada.id, &changes)?;
    shop.show("after a write that it does not say it depends on", || best(&larder))?;
    order(&larder, &bob, 100)?;
    shop.show("after an order", || best(&other))?;
    let spent = |larder| -> larder::Result<String> {
        let spent: Option<BigDecimal> = Order::repository(larder).list_by_user_id(bob.id).sum(orders::total_amount)?;
        Ok(spent.unwrap_or_default().to_string())
    };
    shop.show("a number over a key, at first", || spent(&larder))?;
    order(&larder, &ada, 1)?;
    shop.show("and after a write of another key", || spent(&other))?;
    Ok(())
}
