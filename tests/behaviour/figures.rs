//! What a handle counts of what Redis tells it.

use std::time::Duration;

use larder::{NearOptions, stats::ModelStats};
use shop_core::{User, UserChanges};
use tests::{Branch, Shop, eventually};

const LONG: Duration = Duration::from_secs(60);

fn users(larder: &larder::Larder<diesel::pg::Pg>) -> ModelStats {
    larder.stats().model("users").cloned().unwrap_or_default()
}

#[test]
fn what_another_process_writes_is_received_with_its_delay() {
    let near = || NearOptions::bytes(1 << 20);
    let shop = Shop::built(|builder| builder.near(near()));
    let Branch { larder: other, .. } = shop.branch_built(|builder| builder.near(near()));
    let ada = shop.user("ada");
    let is_near = |larder: &larder::Larder<diesel::pg::Pg>| {
        User::repository(larder).get(ada.id).unwrap();
        users(larder).keys.near > 0
    };
    eventually(LONG, || is_near(&other));
    let changes = UserChanges { email: Some("new@example.com".to_owned()), ..Default::default() };
    User::repository(&shop.larder).update(ada.id, &changes).unwrap();
    // Her own cell, those of both addresses, and the table's.
    assert_eq!(users(&shop.larder).invalidations_sent, 4);
    eventually(LONG, || users(&other).invalidations_received >= 4);
    let near = other.stats().near.expect("it has one");
    assert!(near.line.n > 0 && near.line.longest < LONG, "{near}");
    assert!(near.proof_age.is_some_and(|age| age < LONG));
}
