//! Whoever refreshes the keys of a pattern.

use super::{queue::Due, refresh};
use crate::{backend::Backend, entity::PatternOn, handle::Larder, session::Access};

/// The one who serves the queue of a pattern, until nothing waits there.
///
/// Dropped before that, it gives its keys back and lets go what waits: also where it never ran, since the loaders had no room for it, and
/// where a model's own code panics, the next key has to find somebody again.
pub(super) struct Server<DB: Backend, P: PatternOn<DB>> {
    larder: Larder<DB>,
    taken: Vec<Due<P>>,
    /// Whether it has found nothing more: from then on the queue is another one's.
    has_left: bool,
}

impl<DB: Backend, P: PatternOn<DB>> Server<DB, P> {
    /// To be called when a queue is found that nobody serves.
    pub(super) fn of(larder: &Larder<DB>) -> Self {
        Self { larder: larder.clone(), taken: Vec::new(), has_left: false }
    }

    /// Refreshes what waits, until nothing does.
    pub(super) fn serve(mut self) {
        while let (true, Some(layers)) = (self.take(), self.larder.layers()) {
            let is_done = refresh::<DB, P>(Access::handle(&self.larder), layers, &self.taken);
            let keys = self.taken.iter().map(|due| &due.key).zip(is_done);
            self.larder.refreshes().release::<P>(keys);
            self.taken.clear();
        }
    }

    /// Takes the next keys: whether there are any.
    fn take(&mut self) -> bool {
        self.taken = self.larder.refreshes().take::<P>();
        self.has_left = self.taken.is_empty();
        !self.has_left
    }
}

impl<DB: Backend, P: PatternOn<DB>> Drop for Server<DB, P> {
    fn drop(&mut self) {
        if !self.has_left {
            let refreshes = self.larder.refreshes();
            refreshes.release::<P>(self.taken.iter().map(|due| (&due.key, false)));
            refreshes.close::<P>();
        }
    }
}

#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests {
    use diesel::{
        prelude::*,
        r2d2::{ConnectionManager, Pool},
        sqlite::Sqlite,
    };

    use super::*;
    use crate::{Repository, entity::Entity};

    diesel::table! { users (id) { id -> BigInt, } }

    #[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
    #[diesel(table_name = users, check_for_backend(Sqlite))]
    struct User {
        id: i64,
    }

    type ById = <User as Entity>::Primary;

    fn larder() -> Larder<Sqlite> {
        let manager = ConnectionManager::<SqliteConnection>::new(":memory:");
        Larder::builder(Pool::builder().max_size(1).build(manager).unwrap()).build()
    }

    fn waiting(larder: &Larder<Sqlite>) -> Vec<i64> {
        larder.refreshes().take::<ById>().into_iter().map(|due| due.key).collect()
    }

    #[test]
    fn who_has_not_served_a_queue_leaves_it_to_the_next_one() {
        let larder = larder();
        let add = |key| larder.refreshes().add::<ById>([&key], false);
        assert!(add(1));
        let server = Server::<Sqlite, ById>::of(&larder);
        assert!(!add(2), "somebody will serve it");
        drop(server);
        assert!(add(3));
        assert_eq!(waiting(&larder), [3]);
    }

    #[test]
    fn who_has_left_a_queue_takes_nothing_from_the_next_one() {
        let larder = larder();
        let add = |key| larder.refreshes().add::<ById>([&key], false);
        let mut left = Server::<Sqlite, ById>::of(&larder);
        assert!(!left.take());
        assert!(add(1));
        drop(left);
        assert!(!add(2), "somebody will serve it");
        assert_eq!(waiting(&larder), [1, 2]);
    }
}
