//! Tokens of writes: whoever was not told of them yet, a store that was not told of them, and a COMMIT of which nobody knows.

use std::time::Duration;

use diesel::pg::Pg;
use larder::{Consistency, Error, Larder, NearOptions, TransactionOptions};
use shop_core::{User, UserChanges};
use tests::{Cost, Failure, Meter, Operation, Proxy, Shop, eventually, redis_store, redis_url};

const LONG: Duration = Duration::from_secs(60);
const DATABASE: Cost = Cost { sql: 1, store_reads: 0, store_writes: 0 };

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..UserChanges::default() }
}

#[test]
fn a_client_that_comes_to_another_process_sees_its_write_before_that_process_is_told_of_it() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    // What Redis tells this one comes late.
    let (proxy, meter) = (Proxy::to(&redis_url()), Meter::new());
    let store = meter.metered(redis_store(proxy.url(), &shop.namespace));
    let near = NearOptions::bytes(16 << 20).horizon(LONG);
    let reader = Larder::<Pg>::builder(shop.database.pool(&meter, 2)).shared(store).near(near).build();
    let users = User::repository(&reader);
    let mut n_old = 0;
    for n in 0..20 {
        proxy.delay(Duration::ZERO);
        eventually(LONG, || {
            meter.reset();
            users.get(ada.id).unwrap();
            meter.counts().cost() == Cost::default()
        });
        proxy.delay(Duration::from_millis(100));
        let rename = |tx: &larder::Tx<Pg>| User::repository(tx).update(ada.id, &renamed(&format!("{n}@example.com")));
        let (changed, token) = shop.larder.transaction_token(TransactionOptions::default(), rename).unwrap();
        n_old += usize::from(users.get(ada.id).unwrap() != changed);
        let seen = users.clone().at_least_as_fresh_as(token).get(ada.id).unwrap();
        assert_eq!(seen, changed, "{n_old} of {n} reads without a token were old");
    }
    assert!(n_old > 0, "without a token, too, everything was seen at once: nothing was shown");
}

#[test]
fn a_write_that_went_on_without_the_store_is_seen_by_whoever_has_its_token() {
    let shop = Shop::new();
    let other = shop.branch();
    let ada = shop.user("ada");
    let users = User::repository(&other.larder);
    users.get(ada.id).unwrap();
    shop.faults.before(Operation::Begin).fail(Failure::Unavailable);
    shop.faults.before(Operation::Settle).fail(Failure::Unavailable);
    let writer = shop.larder.scope();
    let changed = User::repository(&writer).update(ada.id, &renamed("new@example.com")).unwrap();
    assert_eq!(User::repository(&writer).get(ada.id).unwrap(), changed);
    assert_eq!(users.get(ada.id).unwrap(), ada, "nobody has told the store of it");

    let token = writer.token().to_string().parse().unwrap();
    let reader = other.larder.scope().at_least_as_fresh_as(token).reading(Consistency::Near);
    other.meter.reset();
    assert_eq!(User::repository(&reader).get(ada.id).unwrap(), changed);
    other.meter.expect(DATABASE);
    assert_eq!(
        User::repository(&other.larder).at_least_as_fresh_as(token).find_many(&[ada.id]).unwrap(),
        [Some(changed.clone())]
    );
    other.meter.expect(DATABASE);
    shop.faults.clear();
    eventually(LONG, || users.get(ada.id).unwrap() == changed);
}

#[test]
fn a_commit_of_which_nobody_knows_counts_as_one_that_happened() {
    let shop = Shop::new();
    let proxy = Proxy::to(shop.database.url());
    let branch = shop.branch_through(&proxy, |builder| builder);
    let ada = shop.user("ada");
    let (scope, users) = (branch.larder.scope(), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    proxy.lose_the_answer_to_commit();
    let unknown = User::repository(&scope).update(ada.id, &renamed("new@example.com"));
    assert!(matches!(unknown, Err(Error::CommitUnknown(_))), "{unknown:?}");
    assert!(!scope.token().is_empty());
    assert_eq!(users.at_least_as_fresh_as(scope.token()).get(ada.id).unwrap().email, "new@example.com");
}
