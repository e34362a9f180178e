//! What was counted and not sent yet.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

/// Of so many users at most visits wait to be sent, which is also what one batch takes.
const MOST_USERS: usize = 65_536;

/// How often each user was visited.
#[derive(Debug, Default)]
pub(super) struct Counted(Mutex<HashMap<Uuid, i64>>);

impl Counted {
    pub(super) fn add(&self, user: Uuid) {
        add(&mut self.lock(), user, 1);
    }

    pub(super) fn take(&self) -> HashMap<Uuid, i64> {
        mem::take(&mut *self.lock())
    }

    /// Adds to what was counted since.
    pub(super) fn put_back(&self, visits: HashMap<Uuid, i64>) {
        let mut waiting = self.lock();
        visits.into_iter().for_each(|(user, n)| add(&mut waiting, user, n));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory is bounded, so while both Redis and the database are away for long, visits of yet more users are not counted.
fn add(waiting: &mut HashMap<Uuid, i64>, user: Uuid, n: i64) {
    let is_full = waiting.len() >= MOST_USERS;
    match waiting.get_mut(&user) {
        Some(sum) => *sum = sum.saturating_add(n),
        None if is_full => {}
        None => _ = waiting.insert(user, n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_back_is_added_and_of_too_many_users_the_last_are_not_counted() {
        let counted = Counted::default();
        let [ada, bob] = [1, 2].map(Uuid::from_u128);
        counted.add(ada);
        let taken = counted.take();
        assert!(counted.is_empty());
        counted.add(ada);
        counted.add(bob);
        counted.put_back(taken);
        assert_eq!(counted.take(), HashMap::from([(ada, 2), (bob, 1)]));
        (0..MOST_USERS as u128 + 1).for_each(|n| counted.add(Uuid::from_u128(n)));
        counted.add(ada);
        let most = counted.take();
        assert_eq!((most.len(), most[&ada]), (MOST_USERS, 2));
    }
}
