//! The roots whose trees a transaction has changed.
//!
//! Each written row is taken down by the key of the row above it, as it was and as it is. Before COMMIT the keys are followed
//! upwards, a statement a level, and every row on the way is locked: nobody can give it to another root until the transaction ends.
//! A row just below the root needs neither, since it holds the root's key itself.

use std::{
    any::{Any, TypeId},
    collections::HashSet,
    marker::PhantomData,
};

use super::{Branches, CachedView, RootKey, VisitBranches, VisitViews, cell_key, version_key};
use crate::{
    backend::Backend,
    entity::{Pattern, PatternOn, Table},
    error::Result,
    key::Key,
    load,
    relation::Link,
    store::CellKey,
    transaction::{Tx, lock_rows_in_order},
};

/// How many levels of a view are followed: one that contains itself has no end. What is deeper makes all of its trees old.
const MOST_LEVELS: usize = 32;

/// What a transaction, or a savepoint in it, has changed in trees.
pub(crate) struct Roots<DB: Backend> {
    due: Vec<Due<DB>>,
    /// The views of which every tree is old.
    all_of: Vec<View>,
}

impl<DB: Backend> Default for Roots<DB> {
    fn default() -> Self {
        Self { due: Vec::new(), all_of: Vec::new() }
    }
}

/// The changed rows at one place of a view.
struct Due<DB: Backend> {
    view: View,
    /// Which of its places.
    place: usize,
    /// By what they refer to the row above, or the root's own keys.
    keys: Keys,
    merge: fn(&mut Keys, Keys),
    way: Vec<Climb<DB>>,
}

/// A view, without its type.
#[derive(Clone, Copy)]
struct View {
    id: TypeId,
    version: fn() -> CellKey,
    cells: fn(&Keys) -> Vec<CellKey>,
    most_roots: usize,
}

impl View {
    fn of<V: CachedView>() -> Self {
        Self {
            id: TypeId::of::<V>(),
            version: version_key::<V>,
            cells: |keys| keys.get::<RootKey<V>>().into_iter().flatten().map(cell_key::<V>).collect(),
            most_roots: V::MOST_ROOTS,
        }
    }
}

/// A set of keys of one type.
#[derive(Default)]
struct Keys(Option<Box<dyn Any>>);

impl Keys {
    fn get<K: Key>(&self) -> Option<&HashSet<K>> {
        self.0.as_ref()?.downcast_ref()
    }

    fn insert<K: Key>(&mut self, key: K) {
        if let Some(keys) = self.0.get_or_insert_with(|| Box::new(HashSet::<K>::new())).downcast_mut::<HashSet<K>>() {
            keys.insert(key);
        }
    }

    /// The key of a row, which refers to nothing if one of the columns is NULL.
    fn insert_of<P: Pattern>(&mut self, row: &P::Entity) {
        P::key_of(row).into_iter().for_each(|key| self.insert(key));
    }

    fn take<K: Key>(self) -> HashSet<K> {
        self.0.and_then(|keys| keys.downcast().ok()).map(|keys| *keys).unwrap_or_default()
    }
}

/// One level up: from keys by which rows refer to those above to keys by which those refer to the next ones.
type Climb<DB> = fn(&Tx<DB>, Keys) -> Result<Keys>;

/// A place of a view at which rows of a model stand.
struct Place<DB: Backend> {
    model: TypeId,
    /// The key of a row that leads up.
    note: fn(&dyn Any, &mut Keys),
    merge: fn(&mut Keys, Keys),
    /// `None` where a row may be in any number of trees.
    way: Option<Vec<Climb<DB>>>,
}

impl<DB: Backend> Roots<DB> {
    /// Takes rows down as they are, or were.
    pub(crate) fn note<'r, E: Table<DB>>(&mut self, rows: impl Iterator<Item = &'r E> + Clone) {
        E::views(&mut Noting { roots: self, rows, _model: PhantomData::<E> });
    }

    /// Takes down that any row of a model may have changed.
    #[cfg(feature = "postgres")]
    pub(crate) fn note_all<E: Table<DB>>(&mut self) {
        E::views(&mut NotingAll(self));
    }

    fn all_of(&mut self, view: View) {
        if !self.all_of.iter().any(|other| other.id == view.id) {
            self.all_of.push(view);
        }
    }

    /// A later part of the same transaction.
    pub(crate) fn merge(&mut self, later: Self) {
        later.all_of.into_iter().for_each(|view| self.all_of(view));
        for later in later.due {
            match self.due.iter_mut().find(|due| due.is_at(later.view, later.place)) {
                Some(due) => (due.merge)(&mut due.keys, later.keys),
                None => self.due.push(later),
            }
        }
    }

    /// The cells to be marked. Locks the rows on the way, so that it is the last thing that a transaction does before them.
    pub(crate) fn cells(self, tx: &Tx<DB>) -> Result<Vec<CellKey>> {
        let Self { due, all_of } = self;
        let mut cells: Vec<CellKey> = all_of.iter().map(|view| (view.version)()).collect();
        let mut found: Vec<(View, HashSet<CellKey>)> = Vec::new();
        for due in due {
            if all_of.iter().any(|view| view.id == due.view.id) {
                continue;
            }
            let roots = due.way.into_iter().try_fold(due.keys, |keys, climb| climb(tx, keys))?;
            let at = found.iter().position(|(view, _)| view.id == due.view.id).unwrap_or_else(|| {
                found.push((due.view, HashSet::new()));
                found.len() - 1
            });
            found[at].1.extend((due.view.cells)(&roots));
        }
        for (view, roots) in found {
            if roots.len() > view.most_roots {
                cells.push((view.version)());
            } else {
                cells.extend(roots);
            }
        }
        Ok(cells)
    }
}

impl<DB: Backend> Due<DB> {
    fn is_at(&self, view: View, place: usize) -> bool {
        self.view.id == view.id && self.place == place
    }
}

/// Takes rows down in each view that they are in.
struct Noting<'a, DB: Backend, E, I> {
    roots: &'a mut Roots<DB>,
    rows: I,
    _model: PhantomData<E>,
}

impl<'r, DB: Backend, E: Table<DB>, I: Iterator<Item = &'r E> + Clone> VisitViews<DB> for Noting<'_, DB, E, I> {
    fn view<V>(&mut self)
    where
        V: CachedView<Root: Table<DB>> + Branches<DB, Entity = <V as CachedView>::Root>,
    {
        let view = View::of::<V>();
        let Some(places) = places_in::<DB, V>() else { return self.roots.all_of(view) };
        for (at, place) in places.into_iter().enumerate().filter(|(_, place)| place.model == TypeId::of::<E>()) {
            let Some(way) = place.way else { return self.roots.all_of(view) };
            let due = &mut self.roots.due;
            let position = due.iter().position(|due| due.is_at(view, at)).unwrap_or_else(|| {
                due.push(Due { view, place: at, keys: Keys::default(), merge: place.merge, way });
                due.len() - 1
            });
            self.rows.clone().for_each(|row| (place.note)(row, &mut due[position].keys));
        }
    }
}

#[cfg(feature = "postgres")]
struct NotingAll<'a, DB: Backend>(&'a mut Roots<DB>);

#[cfg(feature = "postgres")]
impl<DB: Backend> VisitViews<DB> for NotingAll<'_, DB> {
    fn view<V>(&mut self)
    where
        V: CachedView<Root: Table<DB>> + Branches<DB, Entity = <V as CachedView>::Root>,
    {
        self.0.all_of(View::of::<V>());
    }
}

/// The places of a view, the root's first: `None` if there is no end of them.
fn places_in<DB, V>() -> Option<Vec<Place<DB>>>
where
    DB: Backend,
    V: CachedView<Root: Table<DB>> + Branches<DB, Entity = <V as CachedView>::Root>,
{
    type Primary<DB, V> = <<V as CachedView>::Root as Table<DB>>::ByKey;
    let mut places = vec![Place::of::<Primary<DB, V>>(Some(Vec::new()))];
    let mut is_endless = false;
    let mut down = Down::<DB, Primary<DB, V>> {
        places: &mut places,
        is_endless: &mut is_endless,
        way: Some(Vec::new()),
        level: 0,
        _above: PhantomData,
    };
    V::branches(&mut down);
    (!is_endless).then_some(places)
}

impl<DB: Backend> Place<DB> {
    fn of<P: Pattern>(way: Option<Vec<Climb<DB>>>) -> Self {
        Self {
            model: TypeId::of::<P::Entity>(),
            note: |row, keys| row.downcast_ref().into_iter().for_each(|row| keys.insert_of::<P>(row)),
            merge: |keys, later| later.take::<P::Key>().into_iter().for_each(|key| keys.insert(key)),
            way,
        }
    }
}

/// Goes down a view, from a row that is found by `Above` from the row above it.
struct Down<'a, DB: Backend, Above> {
    places: &'a mut Vec<Place<DB>>,
    is_endless: &'a mut bool,
    /// From here to the root.
    way: Option<Vec<Climb<DB>>>,
    level: usize,
    _above: PhantomData<Above>,
}

impl<DB, Above> VisitBranches<DB> for Down<'_, DB, Above>
where
    DB: Backend,
    Above: Pattern<Entity: Table<DB>>,
{
    type Entity = Above::Entity;

    fn branch<L, C>(&mut self)
    where
        L: Link<From: PatternOn<DB, Entity = Self::Entity>>,
        L::To: Pattern<Entity = C::Entity>,
        C: Branches<DB>,
    {
        if self.level == MOST_LEVELS {
            *self.is_endless = true;
        }
        if *self.is_endless {
            return;
        }
        // What many rows refer to may be in any number of trees.
        let way = self.way.as_ref().filter(|_| L::From::UNIQUE).map(|way| {
            let climb: Climb<DB> = climb::<DB, L, Above>;
            [climb].into_iter().chain(way.iter().copied()).collect::<Vec<_>>()
        });
        self.places.push(Place::of::<L::To>(way.clone()));
        let level = self.level + 1;
        C::branches(&mut Down::<DB, L::To> {
            places: self.places,
            is_endless: self.is_endless,
            way,
            level,
            _above: PhantomData,
        });
    }
}

/// From keys by which rows refer to those of `Above`'s entity to keys by which those refer to what is above them.
fn climb<DB, L, Above>(tx: &Tx<DB>, keys: Keys) -> Result<Keys>
where
    DB: Backend,
    L: Link<From: PatternOn<DB, Entity = Above::Entity>>,
    Above: Pattern<Entity: Table<DB>>,
{
    // The row above is the root, and this its key.
    if TypeId::of::<L::From>() == TypeId::of::<Above>() {
        return Ok(keys);
    }
    let keys: Vec<_> = keys.take::<<L::From as Pattern>::Key>().into_iter().collect();
    let mut above = Keys::default();
    for keys in keys.chunks(load::chunk_of::<DB, L::From>(0)) {
        let rows = lock_rows_in_order::<DB, Above::Entity>(tx, DB::FOR_SHARE, |statement| {
            L::From::matching(keys.to_vec(), statement.loosely());
        })?;
        rows.iter().for_each(|row| above.insert_of::<Above>(row));
    }
    Ok(above)
}
