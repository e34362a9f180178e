//! Primary keys that follow from the history, so that a purchase has the same one whenever it is imported.

use uuid::{Uuid, uuid};

/// The version 5 UUID of `cdnow.example` among DNS names. Every key of the import is a name in this namespace, so anybody
/// can find one again: `uuid_generate_v5(NAMESPACE, 'customer 1')` is the first user's.
pub const NAMESPACE: Uuid = uuid!("72d5e10c-609d-5aa4-a728-ff5ab53bd1e9");

/// The primary key of a customer's user.
#[must_use]
pub fn user_id(customer: u32) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("customer {customer}").as_bytes())
}

/// The primary key of a customer's `n`th order, counted from 1 in the order of the history.
///
/// Counted and not dated, since some customers bought twice on one day; and not taken from the line, which moves when
/// somebody else's purchase is added to the file.
#[must_use]
pub fn order_id(customer: u32, n: u32) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("customer {customer} order {n}").as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_stay_what_they_are() {
        assert_eq!(NAMESPACE, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"cdnow.example"));
        assert_eq!(user_id(1), uuid!("9a18531f-7c79-5977-8214-6241869e7d6c"));
        assert_eq!(order_id(2, 2), uuid!("3daba2dc-a678-5e85-9b30-bee5da293f62"));
    }

    #[test]
    fn no_two_keys_are_alike() {
        let users = (1..=1_000).map(user_id);
        let orders = (1..=1_000).flat_map(|customer| (1..=20).map(move |n| order_id(customer, n)));
        let all: Vec<_> = users.chain(orders).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }
}
