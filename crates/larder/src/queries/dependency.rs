//! What the result of a query depends on.

use std::fmt;

use crate::{
    entity::{Entity, Pattern},
    store::{CellKey, Layout},
};

/// One key of an access pattern, to be named without asking for its rows. `Order::key_by_user_id(id)`, which the derive makes, gives it.
pub struct KeyOf<P: Pattern>(P::Key);

impl<P: Pattern> KeyOf<P> {
    #[doc(hidden)]
    #[must_use]
    pub fn new(key: P::Key) -> Self {
        Self(key)
    }

    pub(super) fn into_key(self) -> P::Key {
        self.0
    }
}

impl<P: Pattern> Clone for KeyOf<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Pattern> fmt::Debug for KeyOf<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values may be somebody's.
        write!(f, "{} by {}", P::Entity::NAME, P::COLUMNS.join(", "))
    }
}

/// The cell of a tag.
pub(crate) fn tag_key(tag: &str) -> CellKey {
    // No table's name is empty.
    CellKey::new([b":tag:", tag.as_bytes()].concat(), Layout::STAMP)
}
