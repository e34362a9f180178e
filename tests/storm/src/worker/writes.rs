use bigdecimal::BigDecimal;
use diesel::{
    ExpressionMethods as _,
    dsl::sql,
    pg::Pg,
    sql_types::{Double, Numeric, Timestamptz},
};
use larder::{Error, Tx};
use shop_core::{
    NewOrder, Status,
    schema::{orders, users},
};

use super::{Hand, Order, User};
use crate::{
    clock::{Moment, now},
    record::{Attempt, Key, Outcome, Place, Version},
    world::{
        self, ADDRESSES, NEVER, STAMPS, address, amount, never_address, order_id, stamped, user_id, version_of_order,
        version_of_user,
    },
};

/// What a transaction of ours that is to be rolled back gives as its reason.
const UNDONE: &str = "undone";

impl Hand<'_> {
    /// Writes something, or takes it back, and tells what.
    pub(super) fn write(&mut self) {
        match self.random.u8(..100) {
            0..34 => self.change_order(),
            34..46 => self.move_order(),
            46..56 => self.change_two_orders(),
            56..62 => self.change_order_and_user(),
            62..69 => self.change_user(),
            69..76 => self.change_address(),
            76..80 => self.change_after_savepoint(),
            80..87 => self.roll_back(),
            87..91 => self.delete_order(),
            _ => self.insert_order(),
        }
    }

    fn change_order(&mut self) {
        let (order, stamp) = (self.order(), self.stamp());
        self.tell_direct(Attempt { key: Key::Order(order), stamp, number: None, place: None }, |hand| {
            let row = Order::repository(hand.writer).update(order_id(order), next_order(stamp))?;
            Ok(vec![version_of_order(&row)])
        });
    }

    fn change_user(&mut self) {
        let (user, stamp) = (self.user(), self.stamp());
        self.tell_direct(Attempt { key: Key::User(user), stamp, number: None, place: None }, |hand| {
            let row = User::repository(hand.writer).update(user_id(user), next_user(stamp))?;
            Ok(vec![version_of_user(&row)])
        });
    }

    fn change_address(&mut self) {
        let (user, stamp, which) = (self.user(), self.stamp(), self.random.u16(..ADDRESSES));
        let place = Some(Place::At(which));
        self.tell_direct(Attempt { key: Key::User(user), stamp, number: None, place }, |hand| {
            let changes = (next_user(stamp), users::email.eq(address(user, which)));
            let row = User::repository(hand.writer).update(user_id(user), changes)?;
            Ok(vec![version_of_user(&row)])
        });
    }

    fn delete_order(&mut self) {
        let order = self.order();
        let attempt = Attempt { key: Key::Order(order), stamp: 0, number: None, place: Some(Place::Gone) };
        self.tell_direct(attempt, |hand| {
            let row = Order::repository(hand.writer).delete(order_id(order))?;
            Ok(row
                .iter()
                .map(version_of_order)
                .map(|last| Version { number: last.number + 1, stamp: 0, place: Place::Gone, ..last })
                .collect())
        });
    }

    /// Inserts an order unless it is there.
    fn insert_order(&mut self) {
        let (order, user, stamp) = (self.order(), self.user(), self.stamp());
        self.tell_transaction(|tx| {
            let repository = Order::repository(tx);
            let new = NewOrder {
                id: Some(order_id(order)),
                user_id: user_id(user),
                status: Status::Pending,
                total_amount: amount(NEVER),
                created_at: Some(stamped(stamp)),
            };
            if repository.insert_missing(std::slice::from_ref(&new))?.is_empty() {
                return Ok(vec![]);
            }
            // The row is ours by now, so lives are drawn in the order in which they are lived.
            let life = sql::<Numeric>("nextval('lives') * ").bind::<Numeric, _>(amount(world::LIFE));
            let row = repository.update(order_id(order), orders::total_amount.eq(life))?;
            Ok(vec![version_of_order(&row)])
        });
    }

    fn move_order(&mut self) {
        let (order, user, stamp) = (self.order(), self.user(), self.stamp());
        self.tell_transaction(|tx| {
            let changes = (next_order(stamp), orders::user_id.eq(user_id(user)));
            Ok(vec![version_of_order(&Order::repository(tx).update(order_id(order), changes)?)])
        });
    }

    fn change_two_orders(&mut self) {
        let (one, other, stamp) = (self.order(), self.order(), self.stamp());
        self.tell_transaction(|tx| {
            let repository = Order::repository(tx);
            // In order, so that no two transactions wait for each other.
            let first = repository.update(order_id(one.min(other)), next_order(stamp))?;
            if one == other {
                return Ok(vec![version_of_order(&first)]);
            }
            let second = repository.update(order_id(one.max(other)), next_order(stamp))?;
            Ok(vec![version_of_order(&first), version_of_order(&second)])
        });
    }

    fn change_order_and_user(&mut self) {
        let (order, user, stamp) = (self.order(), self.user(), self.stamp());
        self.tell_transaction(|tx| {
            let order = Order::repository(tx).update(order_id(order), next_order(stamp))?;
            let user = User::repository(tx).update(user_id(user), next_user(stamp))?;
            Ok(vec![version_of_order(&order), version_of_user(&user)])
        });
    }

    fn change_after_savepoint(&mut self) {
        let (order, stamp, undone) = (self.order(), self.stamp(), self.stamp());
        self.tell_transaction(|tx| {
            let repository = Order::repository(tx);
            let never = (orders::total_amount.eq(amount(NEVER)), orders::created_at.eq(stamped(undone)));
            let savepoint = tx.savepoint(|_| {
                repository.update(order_id(order), never)?;
                Err::<(), _>(Error::other(UNDONE))
            });
            match savepoint {
                Err(Error::Other(_)) => {}
                other => return other.map(|()| vec![]),
            }
            Ok(vec![version_of_order(&repository.update(order_id(order), next_order(stamp))?)])
        });
    }

    /// Writes what no committed row ever is, and takes it back.
    fn roll_back(&mut self) {
        let (order, user) = (self.order(), self.user());
        let began = now();
        let undone = self.writer.transaction(|tx| {
            Order::repository(tx).update(order_id(order), orders::total_amount.eq(amount(NEVER)))?;
            User::repository(tx).update(user_id(user), users::email.eq(never_address(user)))?;
            Err::<Vec<Version>, _>(Error::other(UNDONE))
        });
        let is_undone = matches!(undone, Err(Error::Other(_) | Error::NotFound { .. }));
        self.recorder.wrote(began, if is_undone { Outcome::Done(vec![]) } else { Outcome::Failed });
    }

    /// Writes without a transaction of the worker's own: what comes of it is known only when it is over.
    fn tell_direct(&mut self, attempt: Attempt, work: impl FnOnce(&Self) -> Result<Vec<Version>, Error>) {
        let began = now();
        self.recorder.announce(vec![attempt]);
        let result = work(self);
        self.end(began, result);
    }

    /// Writes in a transaction, and announces before COMMIT what comes of it.
    fn tell_transaction(&mut self, work: impl FnOnce(&Tx<Pg>) -> Result<Vec<Version>, Error>) {
        let began = now();
        let recorder = &mut self.recorder;
        let result = self.writer.transaction(|tx| {
            let versions = work(tx)?;
            recorder.announce(versions.iter().map(attempt_of).collect());
            Ok(versions)
        });
        self.end(began, result);
    }

    fn end(&mut self, began: Moment, result: Result<Vec<Version>, Error>) {
        let outcome = match result {
            Ok(versions) => Outcome::Done(versions),
            // There was no such order, and nothing to change.
            Err(Error::NotFound { .. }) => Outcome::Done(vec![]),
            Err(Error::CommitUnknown(_)) => Outcome::Unknown,
            // Every other error says that nothing has happened; the oracle holds larder to it.
            Err(_) => Outcome::Failed,
        };
        self.recorder.wrote(began, outcome);
    }
}

fn attempt_of(version: &Version) -> Attempt {
    let Version { key, number, stamp, place } = *version;
    Attempt { key, stamp, number: Some(number), place: Some(place) }
}

type NextOrder = (
    diesel::dsl::Eq<orders::total_amount, diesel::dsl::Add<orders::total_amount, BigDecimal>>,
    diesel::dsl::Eq<orders::created_at, chrono::DateTime<chrono::Utc>>,
);

/// The next version of an order, numbered by the database.
fn next_order(stamp: u32) -> NextOrder {
    (orders::total_amount.eq(orders::total_amount + amount(1)), orders::created_at.eq(stamped(stamp)))
}

/// The next version of a user, numbered by the database.
fn next_user(
    stamp: u32,
) -> impl diesel::AsChangeset<Target = users::table, Changeset: diesel::query_builder::QueryFragment<Pg>> {
    let second = sql::<Timestamptz>(r#"date_trunc('second', "users"."created_at") + interval '1 second' * "#);
    let stamp = 1.0 + f64::from(stamp) / f64::from(STAMPS);
    users::created_at.eq(second.bind::<Double, _>(stamp))
}
