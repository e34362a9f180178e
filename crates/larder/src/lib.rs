//! Cached repositories for Diesel models.

#![cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    allow(dead_code, reason = "without a back end nothing can be loaded")
)]

pub mod backend;
mod bind;
pub mod codec;
mod effect;
mod entity;
mod error;
mod event;
mod generated;
mod handle;
mod key;
mod layers;
mod load;
mod payload;
pub mod relation;
mod repository;
mod row;
mod session;
pub mod shape;
mod statement;
pub mod store;
mod transaction;

pub use larder_derive::{Codec, KeyPart, Repository, View};

pub use self::{
    backend::{Backend, Isolation},
    codec::Codec,
    entity::{Entity, Pattern, Table},
    error::{Error, Result},
    event::{Event, HandleEvent, NoEvents},
    handle::{Builder, Larder, TransactionOptions},
    key::{Key, KeyField, KeyPart},
    relation::{Filter, IntoOrder, Relation},
    repository::{List, Records, Repository},
    session::Session,
    shape::{Load, Shape},
    store::MemoryStore,
    transaction::Tx,
};

/// What the derives name. No part of larder's promises.
#[doc(hidden)]
pub mod __private {
    pub use diesel;

    pub use crate::{
        backend::Backend,
        bind::BindKey,
        codec::{Codec, Corrupt, Fingerprint, Input, Serde, put_varint},
        effect::Cells,
        entity::{Entity, ListedBy, Pattern, PatternOn, Related, Table},
        error::Result,
        generated::{
            Both, Embedded, Fills, If, Keeps, Taken, Tied, fields, is_counted, is_entity, is_key_field, is_key_part,
            layout, read, table_name, tied, viewed, viewed_with, whole,
        },
        key::{Key, KeyField, KeyPart},
        relation::{
            All, Arity, Count, Counted, Leads, Link, Many, Maybe, One, Ordering, Rel, Relation, StartsFrom, Term,
            Through, Where, column_name,
        },
        repository::{List, Repository},
        row::{RowReader, SelectList},
        session::{Access, Session},
        shape::{Extend, Head, Linked, LinkedBy, Load, LoadOf, Of, Relations, Shape, ShapeOf, Whole, With, unlink},
        statement::{Fragment, Statement},
        store::Layout,
        transaction::Dependents,
    };
}
