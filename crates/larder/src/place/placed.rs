//! Rows that know their places.

use std::sync::Arc;

use diesel::{deserialize, row::Row};

use super::{Behind as _, Listed, PagedOn};
use crate::{
    backend::Backend,
    entity::Table,
    row::{RowReader, SelectList},
    shape::Head,
};

/// What a shape needs of a row, and the row's place.
pub(crate) enum Placed<P: Listed, H> {
    /// The row, which says both.
    Row(Arc<P::Entity>),
    Narrow {
        head: H,
        place: P::Place,
    },
}

impl<P: Listed, H> Placed<P, H> {
    pub(crate) fn place(&self) -> P::Place {
        match self {
            Self::Row(row) => P::place(row),
            Self::Narrow { place, .. } => place.clone(),
        }
    }

    pub(crate) fn into_head<DB>(self) -> H
    where
        DB: Backend,
        H: Head<DB, Entity = P::Entity>,
        P::Entity: Table<DB>,
    {
        match self {
            Self::Row(row) => Arc::try_unwrap(row).map_or_else(H::take, H::narrow),
            Self::Narrow { head, .. } => head,
        }
    }
}

impl<P: Listed, H: Clone> Clone for Placed<P, H> {
    fn clone(&self) -> Self {
        match self {
            Self::Row(row) => Self::Row(Arc::clone(row)),
            Self::Narrow { head, place } => Self::Narrow { head: head.clone(), place: place.clone() },
        }
    }
}

impl<DB, P, H> Head<DB> for Placed<P, H>
where
    DB: Backend,
    P: PagedOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    type Entity = P::Entity;

    const WHOLE: bool = H::WHOLE;

    fn columns(list: &mut SelectList<DB>) {
        H::columns(list);
        P::Place::columns(list);
    }

    fn build<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        Ok(Self::Narrow { head: H::build(row)?, place: P::Place::read(row)? })
    }

    fn narrow(row: P::Entity) -> Self {
        Self::Row(Arc::new(row))
    }

    fn share(row: &Arc<P::Entity>) -> Self {
        Self::Row(Arc::clone(row))
    }

    fn take(row: Arc<P::Entity>) -> Self {
        Self::Row(row)
    }
}
