//! What comes back for each row: the row, a view of it, or a tuple with its relations.
//!
//! A shape is a type, known when the program is compiled: [`Of<User>`](Of) gives users, `Of<UserCard>` views of them, and
//! [`With`] tuples. `select` and `with` on repositories and relations make them; a program names one only to write down the type
//! of a repository or a relation.

mod with;

use std::{marker::PhantomData, sync::Arc};

use diesel::{deserialize, row::Row};

pub use self::with::{Extend, Linked, LinkedBy, Relations, With, unlink};
use crate::{
    backend::Backend,
    entity::{Entity, Table},
    error::Result,
    row::{RowReader, SelectList},
    session::Access,
};

/// What a repository gives for each row of its entity.
///
/// A type: [`Of`] a row or a view, or [`With`] relations. Relations are loaded level by level, for all rows of a level at once.
pub trait Shape<DB: Backend> {
    /// Whose rows they are.
    type Entity: Table<DB>;

    /// What is needed of each row.
    type Head: Head<DB, Entity = Self::Entity>;

    /// What the caller gets for it.
    type Output;

    /// Loads what belongs to the rows, in their order.
    #[doc(hidden)]
    fn assemble(&self, access: Access<'_, DB>, heads: Vec<Self::Head>) -> Result<Vec<Self::Output>>;

    /// Whether it may be stored whole.
    #[doc(hidden)]
    const IS_WHOLE: bool = false;

    /// What there is for primary keys, in their order, where it is stored whole.
    #[doc(hidden)]
    fn whole(
        _access: Access<'_, DB>,
        _keys: &[<Self::Entity as Entity>::Key],
    ) -> Option<Result<Vec<Option<Self::Output>>>> {
        None
    }

    /// As [`Shape::assemble`], of one row: what comes out of it, which is something.
    #[doc(hidden)]
    fn assemble_one(&self, access: Access<'_, DB>, head: Self::Head) -> Result<Option<Self::Output>> {
        Ok(self.assemble(access, vec![head])?.pop())
    }
}

/// What is needed of a row: all of it, or some columns.
#[doc(hidden)]
pub trait Head<DB: Backend>: Clone + Send + Sized + 'static {
    type Entity: Table<DB>;

    /// Whether the whole row is needed, and so can be stored.
    const WHOLE: bool;

    /// Selects the columns, unless the whole row is needed.
    fn columns(list: &mut SelectList<DB>);

    /// Reads the columns.
    fn build<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self>;

    /// Takes what is needed of a row.
    fn narrow(row: Self::Entity) -> Self;

    /// Takes what is needed of a row that others have too.
    fn share(row: &Arc<Self::Entity>) -> Self {
        Self::narrow(Self::Entity::clone(row))
    }

    /// As [`Head::share`], of a reference that nobody else needs.
    fn take(row: Arc<Self::Entity>) -> Self {
        Self::share(&row)
    }
}

/// Something that one row gives: an entity itself, or a view of it. The derives implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be loaded from `{DB}`",
    label = "neither an entity nor a view",
    note = "add `#[derive(larder::View)]` and `#[larder(of = Entity)]` to `{Self}`, or `#[derive(larder::Repository)]` if it is a model"
)]
pub trait Load<DB: Backend>: Sized {
    /// Whose rows give it.
    type Entity: Table<DB>;

    #[doc(hidden)]
    type Head: Head<DB, Entity = Self::Entity>;

    #[doc(hidden)]
    fn assemble(access: Access<'_, DB>, heads: Vec<Self::Head>) -> Result<Vec<Self>>;

    #[doc(hidden)]
    fn assemble_one(access: Access<'_, DB>, head: Self::Head) -> Result<Option<Self>> {
        Ok(Self::assemble(access, vec![head])?.pop())
    }

    /// Whether it may be stored whole.
    #[doc(hidden)]
    const IS_WHOLE: bool = false;

    /// What there is for primary keys, in their order, where it is stored whole.
    #[doc(hidden)]
    fn whole(_access: Access<'_, DB>, _keys: &[<Self::Entity as Entity>::Key]) -> Option<Result<Vec<Option<Self>>>> {
        None
    }
}

/// What the rows of one entity give: the entity, or a view of it. The derives implement it beside [`Load`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no view of `{E}`",
    label = "not made of rows of `{E}`",
    note = "views of it have `#[derive(larder::View)]` and `#[larder(of = {E})]`"
)]
pub trait LoadOf<DB: Backend, E>: Load<DB, Entity = E> {}

/// What a relation to one entity can be loaded in.
pub trait ShapeOf<DB: Backend, E>: Shape<DB, Entity = E> {}

impl<DB: Backend, E, T: LoadOf<DB, E>> ShapeOf<DB, E> for Of<T> {}

impl<DB: Backend, E, S: ShapeOf<DB, E>, R> ShapeOf<DB, E> for With<S, R> where Self: Shape<DB, Entity = E> {}

/// The shape of an entity or a view: `T` is what comes back.
pub struct Of<T>(PhantomData<fn() -> T>);

impl<T> Of<T> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for Of<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Of<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Of<T> {}

impl<DB: Backend, T: Load<DB>> Shape<DB> for Of<T> {
    type Entity = T::Entity;
    type Head = T::Head;
    type Output = T;

    fn assemble(&self, access: Access<'_, DB>, heads: Vec<Self::Head>) -> Result<Vec<T>> {
        T::assemble(access, heads)
    }

    fn assemble_one(&self, access: Access<'_, DB>, head: Self::Head) -> Result<Option<T>> {
        T::assemble_one(access, head)
    }

    const IS_WHOLE: bool = T::IS_WHOLE;

    fn whole(access: Access<'_, DB>, keys: &[<T::Entity as Entity>::Key]) -> Option<Result<Vec<Option<T>>>> {
        T::whole(access, keys)
    }
}

/// A whole row.
#[doc(hidden)]
#[derive(Clone)]
pub struct Whole<E>(pub E);

impl<DB: Backend, E: Table<DB>> Head<DB> for Whole<E> {
    type Entity = E;

    const WHOLE: bool = true;

    fn columns(list: &mut SelectList<DB>) {
        E::columns(list);
    }

    fn build<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        E::build(row).map(Self)
    }

    fn narrow(row: E) -> Self {
        Self(row)
    }
}

/// A whole row, which may be shared with the near cache and with others who read it.
#[doc(hidden)]
pub struct Shared<E>(Arc<E>);

impl<E> Clone for Shared<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<DB: Backend, E: Table<DB>> Head<DB> for Shared<E> {
    type Entity = E;

    const WHOLE: bool = true;

    fn columns(list: &mut SelectList<DB>) {
        E::columns(list);
    }

    fn build<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        E::build(row).map(Arc::new).map(Self)
    }

    fn narrow(row: E) -> Self {
        Self(Arc::new(row))
    }

    fn share(row: &Arc<E>) -> Self {
        Self(Arc::clone(row))
    }

    fn take(row: Arc<E>) -> Self {
        Self(row)
    }
}

/// A row that comes out of the near cache without being copied: `users.select::<Arc<User>>()`.
impl<DB: Backend, E: Table<DB>> Load<DB> for Arc<E> {
    type Entity = E;
    type Head = Shared<E>;

    fn assemble(_access: Access<'_, DB>, heads: Vec<Shared<E>>) -> Result<Vec<Self>> {
        Ok(heads.into_iter().map(|head| head.0).collect())
    }

    fn assemble_one(_access: Access<'_, DB>, head: Shared<E>) -> Result<Option<Self>> {
        Ok(Some(head.0))
    }
}

impl<DB: Backend, E: Table<DB>> LoadOf<DB, E> for Arc<E> {}

/// Nothing of a row but that it is there.
#[derive(Clone)]
pub(crate) struct Presence<E>(PhantomData<fn() -> E>);

impl<DB: Backend, E: Table<DB> + Entity> Head<DB> for Presence<E> {
    type Entity = E;

    const WHOLE: bool = false;

    fn columns(_list: &mut SelectList<DB>) {}

    fn build<'r, R: Row<'r, DB>>(_row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        Ok(Self(PhantomData))
    }

    fn narrow(_row: E) -> Self {
        Self(PhantomData)
    }

    fn share(_row: &Arc<E>) -> Self {
        Self(PhantomData)
    }
}
