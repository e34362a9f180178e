//! Read-through: a repository asks the store, and the database for what the store lacks.

use patterns::{Outcome, Shop, user};
use shop_core::User;

fn main() -> Outcome {
    let shop = Shop::open()?;
    let larder = shop.larder()?;
    let ada = user(&larder, "ada")?;
    // A handle of another process, to which nothing was written through.
    let (other, users) = (shop.larder()?, User::repository(&larder));
    let is_she = |user: Option<User>| user.is_some_and(|user| user == ada);
    let by_address = |larder| User::repository(larder).find_by_email("nobody@example.com");
    shop.show("an address that nobody has, cold", || by_address(&other))?;
    shop.show("and warm, in another process", || by_address(&larder))?;
    shop.show("hers, written through", || users.find_by_email("ada@example.com").map(is_she))?;
    let with_orders =
        |larder| User::repository(larder).with(User::orders()).get(ada.id).map(|(_, orders)| orders.len());
    shop.show("with her orders, cold", || with_orders(&other))?;
    shop.show("with her orders, warm", || with_orders(&larder))?;
    Ok(())
}
