//! Tokens of writes: whoever was not told of them yet, a store that was not told of them, and a COMMIT of which nobody knows.

use larder::{Error, Writes};

use crate::site::{Failure, Operation, Shop, User, UserChanges};

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..UserChanges::default() }
}

#[test]
fn a_write_that_was_rolled_back_for_want_of_the_store_leaves_no_token() {
    let shop = Shop::built(|builder| builder.writes(Writes::Strict));
    let ada = shop.user("ada");
    shop.faults.before(Operation::Begin).fail(Failure::Unavailable);
    let scope = shop.larder.scope();
    let refused = User::repository(&scope).update(ada.id, &renamed("new@example.com"));
    assert!(matches!(refused, Err(Error::Store(_))), "{refused:?}");
    assert!(scope.token().is_empty());
}
