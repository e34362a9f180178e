//! Views that are stored whole: the tree of a root in one cell, under the root's key.
//!
//! A cell of rows costs its reader a round trip for each level of a tree, and work for each row. A view that says
//! `#[larder(cached)]` is one value of the store: its rows are loaded by one statement a level, under one lease.
//!
//! What a write of any of the rows has to mark is found before its COMMIT, in its own transaction: [`roots`] follows the foreign
//! keys upwards, as `docs/model.md` has it under *view cells*.

mod cell;
mod roots;

use std::time::Duration;

pub(crate) use self::{
    cell::{Content, content, packed, too_large},
    roots::Roots,
};
use crate::{
    backend::Backend,
    codec::{Corrupt, Fingerprint, Input},
    entity::{Entity, Pattern, PatternOn, Table},
    key::Key as _,
    relation::{Link, Rel},
    shape::Load,
    store::{CellKey, Layout},
};

/// What can lie in the cell of a view: rows, and views that say `packed`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't lie in the cell of a view",
    label = "this is neither a model nor a view that says `packed`",
    note = "add `packed` to the `#[larder(of = ..)]` of a view that stands in a cached one"
)]
pub trait Packed: Sized {
    /// Tells one form of bytes from another.
    const FINGERPRINT: Fingerprint;

    fn pack(&self, out: &mut Vec<u8>);

    fn unpack(input: &mut Input<'_>) -> Result<Self, Corrupt>;
}

impl<E: Entity> Packed for E {
    const FINGERPRINT: Fingerprint = Fingerprint::of("row").then_bytes(E::LAYOUT.as_bytes());

    fn pack(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }

    fn unpack(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        E::decode(input)
    }
}

impl<T: Packed> Packed for Vec<T> {
    const FINGERPRINT: Fingerprint = Fingerprint::of("rows").then(T::FINGERPRINT);

    fn pack(&self, out: &mut Vec<u8>) {
        crate::codec::put_varint(self.len() as u64, out);
        self.iter().for_each(|row| row.pack(out));
    }

    fn unpack(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        let n_rows = input.length()?;
        // Rows may be larger in memory than in their cell: what the length promises is only believed as it comes.
        let mut rows = Vec::with_capacity(n_rows.min(1024));
        for _ in 0..n_rows {
            rows.push(T::unpack(input)?);
        }
        Ok(rows)
    }
}

impl<T: Packed> Packed for Option<T> {
    const FINGERPRINT: Fingerprint = Fingerprint::of("row or none").then(T::FINGERPRINT);

    fn pack(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        self.iter().for_each(|row| row.pack(out));
    }

    fn unpack(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        match input.byte()? {
            0 => Ok(None),
            1 => T::unpack(input).map(Some),
            _ => Err(Corrupt),
        }
    }
}

/// A model whose writes mark the cells of a view. `#[larder(in_view(View))]` on the model says it.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "writes of `{Self}` do not mark the cells of the view `{V}`",
    label = "rows of `{Self}` are in it",
    note = "add `#[larder(in_view({V}))]` to `{Self}`"
)]
pub trait InView<V> {}

/// A view, or a row, all of whose models mark the cells of the view `V`.
#[doc(hidden)]
pub trait InTree<V> {}

impl<V, E: Entity + InView<V>> InTree<V> for E {}

/// The relations of a view; a row has none.
#[doc(hidden)]
pub trait Branches<DB: Backend>: Load<DB> {
    fn branches(visitor: &mut impl VisitBranches<DB, Entity = Self::Entity>);
}

impl<DB: Backend, E: Table<DB> + Load<DB, Entity = E>> Branches<DB> for E {
    fn branches(_visitor: &mut impl VisitBranches<DB, Entity = E>) {}
}

/// Is shown the relations of a view.
#[doc(hidden)]
pub trait VisitBranches<DB: Backend> {
    /// Whose they are.
    type Entity: Table<DB>;

    /// The next one: how it leads to rows, and what is made of them.
    fn branch<L, C>(&mut self)
    where
        L: Link<From: PatternOn<DB, Entity = Self::Entity>>,
        L::To: Pattern<Entity = C::Entity>,
        C: Branches<DB>;
}

/// A relation of one step, which a cached view can have.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a cached view can't have this relation",
    label = "this leads over a join table",
    note = "leave `cached` out, or nest the join table's rows: `has_many`, and their `belongs_to` in a view of them"
)]
pub trait OneStep {
    type Link: Link;
}

impl<L: Link, S, F> OneStep for Rel<L, S, F> {
    type Link = L;
}

/// A view whose trees are stored whole. `#[derive(View)]` implements it where the view says `cached`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no cached view",
    note = "models name in `in_view(..)` the views that are stored whole: add `cached` to the `#[larder(of = ..)]` of `{Self}`"
)]
pub trait CachedView: Packed + InTree<Self> + Clone + Send + Sync + 'static {
    /// Of whose rows it is.
    type Root: Entity;

    const NAME: &'static str;

    /// How many bytes a tree has at most that is stored.
    const LIMIT: usize;

    /// How many roots a transaction marks at most, before it makes all trees old at once.
    const MOST_ROOTS: usize;

    /// Whether trees are read from cells and stored: not yet, while some processes do not mark them.
    const FILLS: bool;

    const TTL: Option<Duration>;

    const LAYOUT: Layout = Layout::new(Fingerprint::of("view").and(Self::NAME).then(Self::FINGERPRINT).bits());
}

/// Is shown the cached views that rows of a model are in.
#[doc(hidden)]
pub trait VisitViews<DB: Backend> {
    fn view<V>(&mut self)
    where
        V: CachedView<Root: Table<DB>> + Branches<DB, Entity = <V as CachedView>::Root>;
}

/// The key of the root of a view.
pub(crate) type RootKey<V> = <<V as CachedView>::Root as Entity>::Key;

/// The cell of a root's tree.
pub(crate) fn cell_key<V: CachedView>(key: &RootKey<V>) -> CellKey {
    let mut bytes = prefix::<V>();
    bytes.push(b':');
    key.write_key(&mut bytes);
    CellKey::new(bytes, V::LAYOUT)
}

/// The cell whose stamp all trees of the view are good under.
pub(crate) fn version_key<V: CachedView>() -> CellKey {
    CellKey::new(prefix::<V>(), Layout::STAMP)
}

/// No column is called so.
fn prefix<V: CachedView>() -> Vec<u8> {
    [V::Root::cells_name().as_bytes(), b":@", V::NAME.as_bytes()].concat()
}

/// The versions of the views that rows of a model are in.
pub(crate) fn versions_with<DB: Backend, E: Table<DB>>() -> Vec<CellKey> {
    struct Versions(Vec<CellKey>);

    impl<DB: Backend> VisitViews<DB> for Versions {
        fn view<V>(&mut self)
        where
            V: CachedView<Root: Table<DB>> + Branches<DB, Entity = <V as CachedView>::Root>,
        {
            self.0.push(version_key::<V>());
        }
    }

    let mut versions = Versions(Vec::new());
    E::views(&mut versions);
    versions.0
}
