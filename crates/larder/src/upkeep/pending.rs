//! What a transaction has still to change in maintained columns.

use std::{
    any::{Any, TypeId},
    cmp::Reverse,
    collections::HashSet,
    marker::PhantomData,
};

use super::{UpkeepOn, VisitUpkeeps, anew, apply};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, Table},
    error::Result,
    transaction::Tx,
};

/// What a transaction, or a savepoint in it, has changed that others' columns depend on.
pub(crate) struct Pending<DB: Backend> {
    /// One for each relation that is maintained.
    due: Vec<Box<dyn Due<DB>>>,
}

impl<DB: Backend> Default for Pending<DB> {
    fn default() -> Self {
        Self { due: Vec::new() }
    }
}

/// What has happened to rows.
pub(crate) enum Happened<'a, E> {
    /// They were these, and are those.
    Changed(&'a [(Option<E>, Option<E>)]),
    /// They will be deleted.
    Deleted(&'a [E]),
    /// They are these, and nobody knows what they were or will be.
    Touched(&'a [E]),
    /// They will refer to nothing by this pattern.
    Released(&'a [E], TypeId),
}

impl<DB: Backend> Pending<DB> {
    /// Takes down what has happened to rows of a model.
    pub(crate) fn note<E: Table<DB>>(&mut self, happened: &Happened<'_, E>) {
        if E::MAINTAINS {
            E::upkeeps(&mut Noting { pending: self, happened });
        }
    }

    /// Takes down that rows of `E` were inserted. Of those for which something is pending, there or in `outer` frames, others with the same
    /// keys went before, and what was pending was meant for them: they are computed anew.
    pub(crate) fn inserted<'p, E: Table<DB>>(
        &mut self,
        outer: impl Iterator<Item = &'p Self>,
        keys: impl Fn() -> Vec<E::Key>,
    ) where
        DB: 'p,
    {
        let anew = |pending: &Self| {
            let of_it = pending.due.iter().filter(|due| due.target() == TypeId::of::<E>());
            of_it.filter_map(|due| due.reborn(&keys())).collect::<Vec<_>>()
        };
        let all: Vec<_> = outer.flat_map(anew).chain(anew(self)).collect();
        self.merge(Self { due: all });
    }

    /// A later part of the same transaction.
    pub(crate) fn merge(&mut self, later: Self) {
        for later in later.due {
            match self.due.iter_mut().find(|due| due.upkeep() == later.upkeep()) {
                Some(due) => due.merge(later),
                None => self.due.push(later),
            }
        }
    }

    /// Takes out what is to be changed in one table: one that maintains others before those, so that each is changed once; of several
    /// such the first by name. All transactions have the same order, and so don't wait for each other in a circle.
    pub(crate) fn take_first(&mut self) -> Option<Group<DB>> {
        let first = self.due.iter().map(|due| due.order()).min()?;
        let of_it = |due: &mut Box<dyn Due<DB>>| due.order().table == first.table;
        let mut due: Vec<_> = self.due.extract_if(.., of_it).collect();
        due.sort_by_key(|due| due.order());
        Some(Group { due })
    }

    fn of<U: UpkeepOn<DB>>(&mut self) -> Option<&mut DueOf<U>> {
        let at = self.due.iter().position(|due| due.upkeep() == TypeId::of::<U>());
        let at = at.unwrap_or_else(|| {
            self.due.push(Box::new(DueOf::<U> { changes: Vec::new(), anew: HashSet::new() }));
            self.due.len() - 1
        });
        self.due.get_mut(at)?.as_any().downcast_mut()
    }
}

/// What is to be changed in one table.
pub(crate) struct Group<DB: Backend> {
    due: Vec<Box<dyn Due<DB>>>,
}

impl<DB: Backend> Group<DB> {
    /// Applies it: rows that are missing are inserted, all are locked, and then changed, each time in the order of their keys. What maintains
    /// others in turn is noted in the transaction.
    pub(crate) fn apply(self, tx: &Tx<DB>) -> Result<()> {
        let needed = self.due.iter().map(|due| due.needed(tx)).collect::<Result<Vec<_>>>()?;
        if let Some(inserting) = self.due.iter().find(|due| due.inserts()) {
            inserting.insert(tx, &needed)?;
        }
        // A statement locks the rows that it changes; of several each would have an order of its own.
        if self.due.iter().map(|due| due.n_steps()).sum::<usize>() > 1
            && let Some(first) = self.due.first()
        {
            first.lock(tx, &self.due.iter().map(|due| due.keys()).collect::<Vec<_>>())?;
        }
        self.due.into_iter().zip(needed).try_for_each(|(due, needed)| due.apply(tx, needed))
    }

    pub(crate) fn table(&self) -> &'static str {
        self.due.first().map_or("", |due| due.order().table)
    }
}

/// By what all transactions order what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    /// How far what the table maintains goes on: the farthest first.
    depth: Reverse<usize>,
    table: &'static str,
    /// Of several relations to one table: whose they are, and by what columns.
    child: &'static str,
    by: &'static [&'static str],
    columns: &'static str,
}

/// What is to be changed by one relation, whichever that is. Keys are vectors of those of the maintained table.
trait Due<DB: Backend> {
    fn upkeep(&self) -> TypeId;

    fn target(&self) -> TypeId;

    fn order(&self) -> Order;

    /// That those of the keys, a vector of them, of which something is pending are to be computed anew.
    fn reborn(&self, keys: &dyn Any) -> Option<Box<dyn Due<DB>>>;

    fn inserts(&self) -> bool;

    /// How many statements lock rows for it.
    fn n_steps(&self) -> usize;

    /// The keys of all rows that it changes.
    fn keys(&self) -> Box<dyn Any>;

    /// The keys of those that there have to be.
    fn needed(&self, tx: &Tx<DB>) -> Result<Box<dyn Any>>;

    fn insert(&self, tx: &Tx<DB>, keys: &[Box<dyn Any>]) -> Result<()>;

    fn lock(&self, tx: &Tx<DB>, keys: &[Box<dyn Any>]) -> Result<()>;

    fn merge(&mut self, later: Box<dyn Due<DB>>);

    /// With the keys of those that there have to be, which were inserted.
    fn apply(self: Box<Self>, tx: &Tx<DB>, needed: Box<dyn Any>) -> Result<()>;

    fn as_any(&mut self) -> &mut dyn Any;

    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// What is to be changed by one relation.
pub(super) struct DueOf<U: super::Upkeep> {
    /// Rows that came (1) or went (-1), by the key of the row that they are of.
    pub(super) changes: Vec<Change<U>>,
    /// The keys of rows that are computed anew.
    pub(super) anew: HashSet<<U::Target as Entity>::Key>,
}

pub(super) struct Change<U: super::Upkeep> {
    pub(super) key: <U::Target as Entity>::Key,
    pub(super) sign: i64,
    pub(super) values: U::Values,
}

impl<U: super::Upkeep> DueOf<U> {
    fn add(&mut self, row: &U::Child, sign: i64) {
        // What refers to nothing counts nowhere.
        if let Some(key) = U::By::key_of(row) {
            self.changes.push(Change { key, sign, values: U::values(row) });
        }
    }

    fn note(&mut self, happened: &Happened<'_, U::Child>) {
        match happened {
            Happened::Changed(changes) => {
                for (old, new) in *changes {
                    let [old, new] = [old, new].map(|row| row.as_ref().filter(|row| !row.is_deleted()));
                    if let (Some(old), Some(new)) = (old, new)
                        && U::By::key_of(old) == U::By::key_of(new)
                        && U::values(old) == U::values(new)
                    {
                        continue;
                    }
                    old.into_iter().for_each(|old| self.add(old, -1));
                    new.into_iter().for_each(|new| self.add(new, 1));
                }
            }
            Happened::Deleted(rows) => {
                rows.iter().filter(|row| !row.is_deleted()).for_each(|row| self.add(row, -1));
            }
            Happened::Touched(rows) => self.anew.extend(rows.iter().filter_map(U::By::key_of)),
            Happened::Released(rows, by) if *by == TypeId::of::<U::By>() => {
                self.anew.extend(rows.iter().filter_map(U::By::key_of));
            }
            Happened::Released(..) => {}
        }
    }
}

impl<DB: Backend, U: UpkeepOn<DB>> Due<DB> for DueOf<U> {
    fn upkeep(&self) -> TypeId {
        TypeId::of::<U>()
    }

    fn target(&self) -> TypeId {
        TypeId::of::<U::Target>()
    }

    fn reborn(&self, keys: &dyn Any) -> Option<Box<dyn Due<DB>>> {
        let keys: &Vec<<U::Target as Entity>::Key> = keys.downcast_ref()?;
        let pending: HashSet<_> = self.changes.iter().map(|change| &change.key).collect();
        let anew: HashSet<_> = keys.iter().filter(|key| pending.contains(key)).cloned().collect();
        (!anew.is_empty()).then(|| Box::new(Self { changes: Vec::new(), anew }) as Box<dyn Due<DB>>)
    }

    fn order(&self) -> Order {
        Order {
            depth: Reverse(depth::<DB, U::Target>(0)),
            table: U::Target::cells_name(),
            child: U::Child::cells_name(),
            by: U::By::COLUMNS,
            columns: U::COLUMNS.first().map_or("", |column| column.name),
        }
    }

    fn inserts(&self) -> bool {
        U::INSERTS
    }

    fn n_steps(&self) -> usize {
        usize::from(!self.changes.is_empty()) + usize::from(!self.anew.is_empty())
    }

    fn keys(&self) -> Box<dyn Any> {
        let changed = self.changes.iter().map(|change| change.key.clone());
        Box::new(changed.chain(self.anew.iter().cloned()).collect::<Vec<_>>())
    }

    fn needed(&self, tx: &Tx<DB>) -> Result<Box<dyn Any>> {
        let keys = if U::INSERTS { apply::needed::<DB, U>(tx, self)? } else { Vec::new() };
        Ok(Box::new(keys))
    }

    fn insert(&self, tx: &Tx<DB>, keys: &[Box<dyn Any>]) -> Result<()> {
        apply::insert_missing::<DB, U>(tx, together::<U::Target>(keys)).map(drop)
    }

    fn lock(&self, tx: &Tx<DB>, keys: &[Box<dyn Any>]) -> Result<()> {
        anew::lock::<DB, U>(tx, together::<U::Target>(keys)).map(drop)
    }

    fn merge(&mut self, later: Box<dyn Due<DB>>) {
        if let Ok(later) = later.into_any().downcast::<Self>() {
            self.changes.extend(later.changes);
            self.anew.extend(later.anew);
        }
    }

    fn apply(self: Box<Self>, tx: &Tx<DB>, needed: Box<dyn Any>) -> Result<()> {
        apply::apply::<DB, U>(tx, *self, together::<U::Target>(&[needed]))
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Each key once.
fn together<E: Entity>(keys: &[Box<dyn Any>]) -> Vec<E::Key> {
    let keys = keys.iter().filter_map(|keys| keys.downcast_ref::<Vec<E::Key>>());
    keys.flatten().cloned().collect::<HashSet<_>>().into_iter().collect()
}

/// How far what a model maintains goes on from one to the next. In a circle that is as far as is looked.
fn depth<DB: Backend, E: Table<DB>>(from: usize) -> usize {
    struct Depth<E> {
        from: usize,
        deepest: usize,
        _model: PhantomData<E>,
    }

    impl<DB: Backend, E: Table<DB>> VisitUpkeeps<DB> for Depth<E> {
        type Child = E;

        fn upkeep<U: UpkeepOn<DB, Child = E>>(&mut self) {
            self.deepest = self.deepest.max(depth::<DB, U::Target>(self.from + 1));
        }
    }

    if !E::MAINTAINS || from == DEEPEST {
        return from;
    }
    let mut depth = Depth::<E> { from, deepest: from, _model: PhantomData };
    E::upkeeps(&mut depth);
    depth.deepest
}

/// How far is looked.
const DEEPEST: usize = 8;

/// Takes down, for each relation that a model maintains.
struct Noting<'a, 'h, DB: Backend, E> {
    pending: &'a mut Pending<DB>,
    happened: &'a Happened<'h, E>,
}

impl<DB: Backend, E: Table<DB>> VisitUpkeeps<DB> for Noting<'_, '_, DB, E> {
    type Child = E;

    fn upkeep<U: UpkeepOn<DB, Child = E>>(&mut self) {
        if let Some(due) = self.pending.of::<U>() {
            due.note(self.happened);
        }
    }
}
