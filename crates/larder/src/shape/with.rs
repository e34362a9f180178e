//! Rows with their relations.

use std::sync::Arc;

use diesel::{deserialize, row::Row};

use super::{Head, Of, Shape};
use crate::{
    backend::Backend,
    entity::{Pattern, PatternOn, Table},
    error::Result,
    relation::Relation,
    row::{RowReader, SelectList},
    session::Access,
};

/// A shape, and relations of the same row: what comes back for each is a tuple, of the row and up to eight relations.
///
/// `With<Of<User>, (Rel<UserOrders, Of<Order>>,)>` is the shape of `users.with(User::orders())`, and gives `(User, Vec<Order>)`.
/// Costs what the shape costs, and for each relation what that says.
#[derive(Debug, Clone)]
pub struct With<S, R> {
    pub(crate) shape: S,
    pub(crate) relations: R,
}

/// A shape that can take one relation more.
pub trait Extend<R> {
    /// The shape with it.
    type Extended;

    /// Adds it.
    fn extend(self, relation: R) -> Self::Extended;
}

impl<T, R> Extend<R> for Of<T> {
    type Extended = With<Self, (R,)>;

    fn extend(self, relation: R) -> Self::Extended {
        With { shape: self, relations: (relation,) }
    }
}

/// Relations of one row. Implemented for tuples of them.
#[doc(hidden)]
pub trait Relations<DB: Backend, E> {
    /// The keys by which their rows are found.
    type Keys: Clone + Send + 'static;

    fn select(list: &mut SelectList<DB>);
    fn read<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self::Keys>;
    fn keys_of(row: &E) -> Self::Keys;
}

/// What is needed of a row for a shape and for finding its relations' rows.
#[doc(hidden)]
pub struct Linked<H, K> {
    pub head: H,
    pub keys: K,
}

impl<H: Clone, K: Clone> Clone for Linked<H, K> {
    fn clone(&self) -> Self {
        Self { head: self.head.clone(), keys: self.keys.clone() }
    }
}

/// A head that is linked by certain relations; the type says which.
#[doc(hidden)]
pub struct LinkedBy<H, K, R> {
    pub linked: Linked<H, K>,
    relations: std::marker::PhantomData<fn() -> R>,
}

impl<H: Clone, K: Clone, R> Clone for LinkedBy<H, K, R> {
    fn clone(&self) -> Self {
        Self { linked: self.linked.clone(), relations: std::marker::PhantomData }
    }
}

impl<DB, H, R> Head<DB> for LinkedBy<H, <R as Relations<DB, H::Entity>>::Keys, R>
where
    DB: Backend,
    H: Head<DB>,
    R: Relations<DB, H::Entity> + 'static,
{
    type Entity = H::Entity;

    const WHOLE: bool = H::WHOLE;

    fn columns(list: &mut SelectList<DB>) {
        H::columns(list);
        R::select(list);
    }

    fn build<'r, Row_: Row<'r, DB>>(row: &mut RowReader<'_, Row_>) -> deserialize::Result<Self> {
        let linked = Linked { head: H::build(row)?, keys: R::read(row)? };
        Ok(Self { linked, relations: std::marker::PhantomData })
    }

    fn narrow(row: H::Entity) -> Self {
        let keys = R::keys_of(&row);
        Self { linked: Linked { keys, head: H::narrow(row) }, relations: std::marker::PhantomData }
    }

    fn share(row: &Arc<H::Entity>) -> Self {
        Self { linked: Linked { keys: R::keys_of(row), head: H::share(row) }, relations: std::marker::PhantomData }
    }
}

/// Parts rows from the keys of their relations: all rows, and for each relation the keys of all rows.
#[doc(hidden)]
pub fn unlink<H, K, R, U>(heads: Vec<LinkedBy<H, K, R>>) -> (Vec<H>, U)
where
    U: Default + std::iter::Extend<K>,
{
    let (mut rows, mut keys) = (Vec::with_capacity(heads.len()), U::default());
    for head in heads {
        rows.push(head.linked.head);
        keys.extend(Some(head.linked.keys));
    }
    (rows, keys)
}

type KeyOf<R, DB> = <<R as Relation<DB>>::From as Pattern>::Key;

macro_rules! relations {
    ($($relation:ident $at:tt $values:ident),+) => {
        impl<DB, E, $($relation),+> Relations<DB, E> for ($($relation,)+)
        where
            DB: Backend,
            E: Table<DB>,
            $($relation: Relation<DB, From: PatternOn<DB, Entity = E>>,)+
        {
            type Keys = ($(Option<KeyOf<$relation, DB>>,)+);
            fn select(list: &mut SelectList<DB>) {
                $(<$relation::From as PatternOn<DB>>::select(list);)+
            }

            fn read<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self::Keys> {
                Ok(($(<$relation::From as PatternOn<DB>>::read(row)?,)+))
            }

            fn keys_of(row: &E) -> Self::Keys {
                ($(<$relation::From as Pattern>::key_of(row),)+)
            }
        }

        impl<DB, S, $($relation),+> Shape<DB> for With<S, ($($relation,)+)>
        where
            DB: Backend,
            S: Shape<DB>,
            $($relation: Relation<DB> + 'static,)+
            ($($relation,)+): Relations<DB, S::Entity, Keys = ($(Option<KeyOf<$relation, DB>>,)+)>,
        {
            type Entity = S::Entity;
            type Head = LinkedBy<S::Head, <($($relation,)+) as Relations<DB, S::Entity>>::Keys, ($($relation,)+)>;
            type Output = (S::Output, $($relation::Output,)+);

            fn assemble(&self, access: Access<'_, DB>, heads: Vec<Self::Head>) -> Result<Vec<Self::Output>> {
                let mut inner = Vec::with_capacity(heads.len());
                $(let mut $values = Vec::with_capacity(heads.len());)+
                for head in heads {
                    let Linked { head, keys } = head.linked;
                    inner.push(head);
                    $($values.push(keys.$at);)+
                }
                let outputs = self.shape.assemble(access, inner)?;
                $(let mut $values = self.relations.$at.load(access, $values)?.into_iter();)+
                let tuples = outputs.into_iter().map_while(|output| Some((output, $($values.next()?,)+)));
                Ok(tuples.collect())
            }
        }
    };
}

relations!(R0 0 v0);
relations!(R0 0 v0, R1 1 v1);
relations!(R0 0 v0, R1 1 v1, R2 2 v2);
relations!(R0 0 v0, R1 1 v1, R2 2 v2, R3 3 v3);
relations!(R0 0 v0, R1 1 v1, R2 2 v2, R3 3 v3, R4 4 v4);
relations!(R0 0 v0, R1 1 v1, R2 2 v2, R3 3 v3, R4 4 v4, R5 5 v5);
relations!(R0 0 v0, R1 1 v1, R2 2 v2, R3 3 v3, R4 4 v4, R5 5 v5, R6 6 v6);
relations!(R0 0 v0, R1 1 v1, R2 2 v2, R3 3 v3, R4 4 v4, R5 5 v5, R6 6 v6, R7 7 v7);

macro_rules! extend {
    ($($relation:ident $at:tt),+; $more:ident) => {
        impl<S, $($relation,)+ $more> Extend<$more> for With<S, ($($relation,)+)> {
            type Extended = With<S, ($($relation,)+ $more,)>;

            fn extend(self, relation: $more) -> Self::Extended {
                With { shape: self.shape, relations: ($(self.relations.$at,)+ relation,) }
            }
        }
    };
}

extend!(R0 0; R1);
extend!(R0 0, R1 1; R2);
extend!(R0 0, R1 1, R2 2; R3);
extend!(R0 0, R1 1, R2 2, R3 3; R4);
extend!(R0 0, R1 1, R2 2, R3 3, R4 4; R5);
extend!(R0 0, R1 1, R2 2, R3 3, R4 4, R5 5; R6);
extend!(R0 0, R1 1, R2 2, R3 3, R4 4, R5 5, R6 6; R7);
