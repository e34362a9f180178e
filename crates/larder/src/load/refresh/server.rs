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
