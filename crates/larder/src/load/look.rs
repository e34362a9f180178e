//! What is near, and what a cell is found to hold.

use std::{sync::Arc, time::Instant};

use crate::{
    backend::Backend,
    entity::{Entity, Pattern},
    failpoints::{Point, reach},
    figures::Bypass,
    layers::{Found, Layers},
    near::{Kept, Leave, Near, NearCache},
    payload::{self, Rows},
    session::{Access, Consistency},
    store::{CellKey, Nonce, Vacancy},
    trail::Follower,
};

/// How far a read sees: into the near cache, the store, or the database only.
pub(super) struct Sight<'s> {
    near: Option<&'s Arc<NearCache>>,
    /// Leave to serve what is near.
    leave: Option<Leave>,
    asks_store: bool,
    follower: Option<&'s Follower>,
}

impl<'s> Sight<'s> {
    /// How far a read of rows of `E` sees. To be made at its beginning: what is near is served as of now.
    pub(super) fn of<E: Entity>(access: Access<'s, impl Backend>) -> Self {
        let near = access.layers().and_then(Layers::near);
        let consistency = access.consistency::<E>(near.map(|near| &**near));
        let near = near.filter(|_| E::NEAR != Near::Off);
        let leave = near.filter(|_| consistency == Consistency::Near).and_then(|near| near.leave(E::NEAR));
        if leave.is_some() {
            reach(Point::BeforeNear);
        }
        Self { near, leave, asks_store: consistency != Consistency::Database, follower: access.follower() }
    }

    /// As far as a read of rows of `E` would see, of whom nobody is to take note.
    pub(super) fn only_looking<E: Entity>(access: Access<'s, impl Backend>) -> Self {
        let near = access.layers().and_then(Layers::near);
        let consistency = access.consistency::<E>(near.map(|near| &**near));
        let near = near.filter(|_| E::NEAR != Near::Off);
        let leave = near.filter(|_| consistency == Consistency::Near).and_then(|near| near.may_leave(E::NEAR));
        Self { near, leave, asks_store: consistency != Consistency::Database, follower: None }
    }

    /// How far another thread sees that goes on where such a read has come to the end of what is near. What it finds goes there.
    pub(super) fn beyond_near<E: Entity>(access: Access<'s, impl Backend>, asks_store: bool) -> Self {
        let near = access.layers().and_then(Layers::near).filter(|_| E::NEAR != Near::Off);
        Self { near, leave: None, asks_store, follower: access.follower() }
    }

    pub(super) fn asks_store(&self) -> bool {
        self.asks_store
    }

    /// What is near of a key, and need not be refreshed.
    #[inline]
    pub(super) fn look<P: Pattern>(&self, key: &P::Key) -> Option<Kept<P>> {
        self.followed::<P, _>(key, self.near?.look::<P>(self.leave?, key))
    }

    /// What is near of a key and may be served, and whether it will soon expire and is to be refreshed.
    #[inline]
    pub(super) fn look_until_end<P: Pattern>(&self, key: &P::Key) -> Option<(Kept<P>, bool)> {
        self.followed::<P, _>(key, self.near?.look_until_end::<P>(self.leave?, key))
    }

    /// Takes down what was found near.
    #[inline]
    fn followed<P: Pattern, T>(&self, key: &P::Key, found: Option<T>) -> Option<T> {
        if let (Some(follower), true) = (self.follower, found.is_some()) {
            follower.near::<P::Entity>(payload::cell_key::<P>(key));
        }
        found
    }

    /// What is near of a key that [`Sight::look`] has not found, and is to be refreshed.
    pub(super) fn look_late<P: Pattern>(&self, key: &P::Key) -> Option<Kept<P>> {
        let near = self.near.filter(|near| near.refreshes())?;
        near.look_until_end::<P>(self.leave?, key).filter(|(_, is_late)| *is_late).map(|(kept, _)| kept)
    }

    /// The near cache, if rows of the model are kept there, wherever they are read from.
    pub(super) fn near(&self) -> Option<&'s Arc<NearCache>> {
        self.near
    }

    /// Asks the store, unless only the database will do.
    pub(super) fn ask<E: Entity>(&self, layers: &Layers, cells: &[CellKey]) -> Vec<Found> {
        if self.asks_store && !cells.is_empty() {
            let begun = Instant::now();
            let found = layers.read(cells);
            self.follower.into_iter().for_each(|follower| follower.asked::<E>(cells, &found, begun));
            found
        } else {
            self.follower.into_iter().for_each(|follower| follower.depends_on(cells));
            cells.iter().map(|_| Found::Bypass(Bypass::Asked)).collect()
        }
    }
}

/// What a cell is good for.
pub(super) enum Looked<E> {
    /// The rows that are wanted.
    Rows(Rows<E>),
    /// All rows that it holds, to be kept near.
    ToKeep { rows: Rows<Arc<E>>, is_whole: bool },
    /// To be loaded, and filled in.
    Lacking(Vacancy),
    /// To be loaded, and left alone.
    PassedBy(Bypass),
    /// This process loads it under that lease.
    UnderWay(Nonce),
    /// Somebody else loads it.
    Elsewhere,
    /// To be emptied, and then loaded.
    Corrupt,
}

/// Reads what a cell was found to hold. If it is to be kept near, all of it.
pub(super) fn look<P: Pattern>(found: Found, limit: usize, to_keep: bool) -> Looked<P::Entity> {
    let bytes = match found {
        Found::Hit(bytes) => bytes,
        Found::Loaded(bytes) => return decoded::<P>(&bytes, limit),
        Found::Miss(vacancy) => return Looked::Lacking(vacancy),
        Found::Bypass(why) => return Looked::PassedBy(why),
        Found::UnderWay(token) => return Looked::UnderWay(token),
        Found::Elsewhere => return Looked::Elsewhere,
    };
    if !to_keep {
        return decoded::<P>(&bytes, limit);
    }
    match payload::contents::<P>(&bytes) {
        Ok(contents) if !contents.is_whole && contents.rows.len() < limit => Looked::PassedBy(Bypass::TooShort),
        Ok(contents) => {
            Looked::ToKeep { rows: contents.rows.into_iter().map(Arc::new).collect(), is_whole: contents.is_whole }
        }
        Err(_) => Looked::Corrupt,
    }
}

fn decoded<P: Pattern>(bytes: &[u8], limit: usize) -> Looked<P::Entity> {
    match payload::decode::<P>(bytes, limit) {
        Ok(Some(rows)) => Looked::Rows(rows),
        Ok(None) => Looked::PassedBy(Bypass::TooShort),
        Err(_) => Looked::Corrupt,
    }
}
