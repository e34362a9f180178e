//! Write-through: every write of a repository leaves the new row where readers find it.

use patterns::{Outcome, Shop, user};
use shop_core::{User, UserChanges};

fn main() -> Outcome {
    let shop = Shop::open()?;
    let (larder, other) = (shop.larder()?, shop.larder()?);
    let ada = user(&larder, "ada")?;
    let changes = UserChanges { email: Some("countess@example.com".to_owned()), ..UserChanges::default() };
    shop.show("an update", || User::repository(&larder).update(ada.id, &changes).map(|user| user.email))?;
    shop.show("another process reads", || User::repository(&other).get(ada.id).map(|user| user.email))?;
    let refused = larder.transaction(|tx| {
        let changes = UserChanges { email: Some("nobody@example.com".to_owned()), ..UserChanges::default() };
        User::repository(tx).update(ada.id, &changes)?;
        Err::<(), _>(larder::Error::other("thought better of it"))
    });
    assert!(refused.is_err(), "it was rolled back");
    shop.show("after a rollback", || User::repository(&other).get(ada.id).map(|user| user.email))?;
    Ok(())
}
