//! How the rows of one model lead to those of another: the types of `User::orders()` and of what it is refined to.
//!
//! `#[derive(Repository)]` makes a function of each relation, which gives a [`Rel`], or a [`Through`] where a join table lies
//! between. Their methods say in which shape and which of the rows are wanted, and give new types: [`Rel::count`] a [`Counted`],
//! [`Rel::filter`] a relation with a [`Where`]. All of them are values without rows: those are loaded by the repository that
//! takes the relation `with` it, for all of its rows at once.

mod count;
mod load;
mod refine;
mod through;

use std::marker::PhantomData;

pub(crate) use self::load::Distinct;
pub use self::{
    count::{Count, Counted},
    refine::{All, Filter, IntoOrder, Where},
    through::Through,
};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn},
    error::{Error, Result},
    session::Access,
    shape::{Extend, Of},
};

/// A relation that can be loaded for many rows at once.
pub trait Relation<DB: Backend> {
    /// The pattern on the row it starts from: which of its columns lead on.
    type From: PatternOn<DB>;

    /// What there is for each row.
    type Output;

    /// Loads it for each key, in their order; a row without a key has none.
    #[doc(hidden)]
    fn load(
        &self,
        access: Access<'_, DB>,
        keys: Vec<Option<<Self::From as Pattern>::Key>>,
    ) -> Result<Vec<Self::Output>>;
}

/// What a relation connects. The derive makes one type of each relation.
#[doc(hidden)]
pub trait Link: 'static {
    type From: Pattern;
    type To: Pattern<Key = <Self::From as Pattern>::Key>;
    type Arity: Arity;
}

/// Where a relation leads.
#[doc(hidden)]
pub trait Leads {
    type Child: Entity;
    type Arity: Arity;
}

impl<L: Link, S, F> Leads for Rel<L, S, F> {
    type Child = <L::To as Pattern>::Entity;
    type Arity = L::Arity;
}

/// Whose rows a relation starts from. The derive says it of each [`Link`].
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no relation of `{E}`",
    label = "this does not start from `{E}`",
    note = "relations are functions of the model that they start from: `{E}::name()`"
)]
pub trait StartsFrom<E> {
    /// The very same type, which can't be told if the relation starts elsewhere: then the compiler says so, and nothing else.
    type Checked;

    fn checked(self) -> Self::Checked;
}

impl<E, L: StartsFrom<E>, S, F> StartsFrom<E> for Rel<L, S, F> {
    type Checked = Rel<L::Checked, S, F>;

    fn checked(self) -> Self::Checked {
        let Self { shape, filter, order, limit, .. } = self;
        Rel { shape, filter, order, limit, link: PhantomData }
    }
}

/// How many rows a relation leads to.
#[doc(hidden)]
pub trait Arity: 'static {
    type Of<T>;

    /// How many rows to load for a key at most.
    const LIMIT: usize;

    /// Takes what belongs to one row: the next `n` of `rows`.
    fn take<T>(rows: &mut impl Iterator<Item = T>, n: usize, table: &'static str) -> Result<Self::Of<T>>;
}

/// Any number of rows: a `Vec` for each row that the relation starts from.
#[derive(Debug)]
pub enum Many {}

/// One row or none: an `Option` for each row that the relation starts from.
#[derive(Debug)]
pub enum Maybe {}

/// Exactly one row for each that the relation starts from; [`Error::Orphan`] where it is missing.
#[derive(Debug)]
pub enum One {}

impl Arity for Many {
    type Of<T> = Vec<T>;

    const LIMIT: usize = crate::load::ALL;

    fn take<T>(rows: &mut impl Iterator<Item = T>, n: usize, _table: &'static str) -> Result<Vec<T>> {
        Ok(rows.take(n).collect())
    }
}

impl Arity for Maybe {
    type Of<T> = Option<T>;

    const LIMIT: usize = 1;

    fn take<T>(rows: &mut impl Iterator<Item = T>, n: usize, _table: &'static str) -> Result<Option<T>> {
        Ok(rows.take(n).last())
    }
}

impl Arity for One {
    type Of<T> = T;

    const LIMIT: usize = 1;

    fn take<T>(rows: &mut impl Iterator<Item = T>, n: usize, table: &'static str) -> Result<T> {
        rows.take(n).last().ok_or(Error::Orphan { table })
    }
}

/// A relation as it is asked for: in which shape, with which filter, order and limit.
///
/// `L` is the type that the derive makes of the relation (of `User::orders()`, a hidden `__UserToOrders`), `S` the
/// [shape](crate::shape) of each row, and `F` the condition: [`All`] or [`Where`].
///
/// A level costs one round trip if all lists are cached; if not, one more for leases, one statement for all parents, and one
/// round trip to fill in what was leased. What is asked for decides whether the cells can answer:
///
/// - All rows, or a limit alone in the pattern's own order: answered from the cells of the full lists, as far as those hold
///   enough rows (`head` of the pattern, 256 unless it says otherwise). To fill a cell that is empty, whole rows are read up to
///   `head` + 1 of each parent, also where the limit is lower. A view fills nothing, and reads no more than the limit.
/// - A filter, or another order than the pattern's: loaded from the database each time, limited there for each parent, and never
///   stored.
pub struct Rel<L, S, F = All> {
    shape: S,
    filter: F,
    order: Option<Vec<Term>>,
    limit: Option<usize>,
    link: PhantomData<fn() -> L>,
}

impl<L, S: Clone, F: Clone> Clone for Rel<L, S, F> {
    fn clone(&self) -> Self {
        let Self { shape, filter, order, limit, link } = self;
        Self { shape: shape.clone(), filter: filter.clone(), order: order.clone(), limit: *limit, link: *link }
    }
}

impl<L: Link> Rel<L, Of<<L::To as Pattern>::Entity>> {
    /// The relation with all of its rows, whole.
    #[doc(hidden)]
    #[must_use]
    pub fn new() -> Self {
        Self { shape: Of::new(), filter: All, order: None, limit: None, link: PhantomData }
    }
}

impl<L: Link> Default for Rel<L, Of<<L::To as Pattern>::Entity>> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: Link, S, F> Rel<L, S, F> {
    /// Loads `T` of each row, a view, instead of the row. What was asked for `with` before is dropped: select first.
    #[must_use]
    pub fn select<T>(self) -> Rel<L, Of<T>, F> {
        self.shaped(Of::new())
    }

    /// Loads a relation of the relation's rows too.
    #[must_use]
    pub fn with<R>(self, relation: R) -> Rel<L, S::Extended, F>
    where
        S: Extend<R>,
        R: StartsFrom<<L::To as Pattern>::Entity>,
    {
        let Self { shape, filter, order, limit, link } = self;
        Rel { shape: shape.extend(relation), filter, order, limit, link }
    }

    /// Counts the rows instead of loading them. With a limit, no more than that many.
    #[must_use]
    pub fn count(self) -> Counted<L, F> {
        Counted { filter: self.filter, limit: self.limit, link: self.link }
    }

    fn shaped<T>(self, shape: T) -> Rel<L, T, F> {
        let Self { filter, order, limit, link, .. } = self;
        Rel { shape, filter, order, limit, link }
    }
}

/// The order of a list: by these columns, one after the other.
pub type Ordering = &'static [Term];

/// A column by which a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// The column's name in the database.
    pub column: &'static str,
    /// Largest first.
    pub descending: bool,
}

/// The name of a column.
#[doc(hidden)]
#[must_use]
pub const fn column_name<C: diesel::Column>(_column: &C) -> &'static str {
    C::NAME
}

fn table_of<L: Link>() -> &'static str {
    <<L::To as Pattern>::Entity as Entity>::NAME
}
