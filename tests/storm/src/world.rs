//! The rows under load, and how a row tells which version of itself it is.
//!
//! - An order's number is its amount in cents, a user's the seconds since [`start`]: each write adds one *in the database*, so it is
//!   the database that numbers the versions. The number of an order that was deleted and inserted again begins at the next life,
//!   which the database draws from a sequence under the lock of the row's key.
//! - The stamp of both is in the microseconds of `created_at`: which attempt to write it was, so that a version that was rolled back
//!   is told from the one that then got its number.

use bigdecimal::{BigDecimal, ToPrimitive as _};
use chrono::{DateTime, TimeDelta, Utc};
use shop_core::{Order, User};
use uuid::Uuid;

use crate::record::{Key, Place, Version};

pub(crate) const USERS: u16 = 16;
pub(crate) const ORDERS: u16 = 64;
/// How many addresses a user has; it is found under one of them at a time.
pub(crate) const ADDRESSES: u16 = 2;
/// Stamps are below this, and above 0.
pub(crate) const STAMPS: u32 = 1_000_000;
/// How many versions fit into one life of an order.
pub(crate) const LIFE: u64 = 10_000;
/// Numbers from here on are written by transactions that are rolled back, and by no other.
pub(crate) const NEVER: u64 = 9_000_000_000;

const USER: u128 = 0x5570_0000 << 96;
const ORDER: u128 = 0x0de4_0000 << 96;

/// All rows, users first.
pub(crate) fn keys() -> impl Iterator<Item = Key> {
    (0..USERS).map(Key::User).chain((0..ORDERS).map(Key::Order))
}

pub(crate) fn user_id(user: u16) -> Uuid {
    Uuid::from_u128(USER | u128::from(user))
}

pub(crate) fn order_id(order: u16) -> Uuid {
    Uuid::from_u128(ORDER | u128::from(order))
}

pub(crate) fn address(user: u16, address: u16) -> String {
    format!("{user}.{address}@storm.example")
}

/// An address that only transactions write that are rolled back.
pub(crate) fn never_address(user: u16) -> String {
    format!("{user}.never@storm.example")
}

/// The second from which users count.
pub(crate) fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(10_000)
}

/// The `created_at` of an order with a stamp.
pub(crate) fn stamped(stamp: u32) -> DateTime<Utc> {
    start() + TimeDelta::microseconds(stamp.into())
}

pub(crate) fn amount(number: u64) -> BigDecimal {
    BigDecimal::new(number.into(), 2)
}

/// A row of a user, of whichever model.
pub(crate) trait UserRow {
    /// Its id, its address, and when it was made.
    fn parts(&self) -> (Uuid, &str, DateTime<Utc>);
}

/// A row of an order, of whichever model.
pub(crate) trait OrderRow {
    /// Its id, its user's, its amount, and when it was made.
    fn parts(&self) -> (Uuid, Uuid, &BigDecimal, DateTime<Utc>);
}

impl UserRow for User {
    fn parts(&self) -> (Uuid, &str, DateTime<Utc>) {
        (self.id, &self.email, self.created_at)
    }
}

impl OrderRow for Order {
    fn parts(&self) -> (Uuid, Uuid, &BigDecimal, DateTime<Utc>) {
        (self.id, self.user_id, &self.total_amount, self.created_at)
    }
}

/// The version that a row of a user is. One that nobody should ever see has a number that no committed one has.
pub(crate) fn version_of_user(user: &impl UserRow) -> Version {
    let (id, email, created_at) = user.parts();
    let index = low_bits(id);
    let place = (0..ADDRESSES).find(|&which| address(index, which) == email);
    let micros = (created_at - start()).num_microseconds().and_then(|micros| u64::try_from(micros).ok());
    let (number, stamp) = micros.map_or((NEVER, 0), split);
    let number = if place.is_some() { number } else { NEVER };
    Version { key: Key::User(index), number, stamp, place: Place::At(place.unwrap_or(u16::MAX)) }
}

/// The version that a row of an order is.
pub(crate) fn version_of_order(order: &impl OrderRow) -> Version {
    let (id, user_id, total_amount, created_at) = order.parts();
    let number = (total_amount * BigDecimal::from(100)).to_u64().unwrap_or(NEVER);
    let micros = (created_at - start()).num_microseconds().and_then(|micros| u64::try_from(micros).ok());
    let stamp = micros.map_or(0, |micros| split(micros).1);
    Version { key: Key::Order(low_bits(id)), number, stamp, place: Place::At(low_bits(user_id)) }
}

/// Seconds, and the microseconds within the last one.
fn split(micros: u64) -> (u64, u32) {
    let second = u64::from(STAMPS);
    (micros / second, u32::try_from(micros % second).expect("less than a second fits"))
}

fn low_bits(id: Uuid) -> u16 {
    let [.., high, low] = *id.as_bytes();
    u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests {
    use shop_core::Status;

    use super::*;

    #[test]
    fn a_row_tells_its_version() {
        let user =
            User { id: user_id(3), email: address(3, 1), created_at: start() + TimeDelta::microseconds(7_000_042) };
        let expected = Version { key: Key::User(3), number: 7, stamp: 42, place: Place::At(1) };
        assert_eq!(version_of_user(&user), expected);
        let never = User { email: never_address(3), ..user };
        assert_eq!(version_of_user(&never).number, NEVER);
        let order = Order {
            id: order_id(63),
            user_id: user_id(15),
            status: Status::Paid,
            total_amount: amount(3 * LIFE + 9),
            created_at: stamped(999_999),
        };
        let expected = Version { key: Key::Order(63), number: 3 * LIFE + 9, stamp: 999_999, place: Place::At(15) };
        assert_eq!(version_of_order(&order), expected);
    }
}
