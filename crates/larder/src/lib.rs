//! Cached repositories for Diesel models, coherent with what the database committed.
//!
//! A model with [`derive@Repository`] gets a repository: made on a [`Larder`], it answers from the caches and writes in transactions of its
//! own; made on a [`Tx`], it belongs to that transaction and passes by every cache.
//!
//! - **Finders** exist for what the model declares: `find`, `get`, `find_many`, `exists` by primary key, `find_by_..` for each
//!   `unique(..)`, `list_by_..` and `count_by_..` for each `index(..)` and foreign key, and each but the first few with `_many`.
//!   Lists have [pages](List::page), by cursors.
//!   [`Repository::query`] takes any query of Diesel's on the table.
//! - **Shapes** say what comes back: the row; with [`select`](Repository::select), a [`derive@View`] of it; with
//!   [`with`](Repository::with), a tuple of it and a relation's rows. They nest, and are types: what can't be loaded does not compile.
//! - **Writes** ([`insert`](Repository::insert), [`update`](Repository::update), [`upsert`](Repository::upsert),
//!   [`delete`](Repository::delete) and those by condition) give rows back as the database has them. [`Larder::transaction`] makes
//!   several of them one. What Diesel does besides goes through [`Tx::run`], and is told of by [`Tx::touching`].
//! - **Reads as asked for**: [`Builder::near`] keeps rows in the process; [`Consistency`] says where a read may take its answer from,
//!   a [`Token`] that it sees a write of another process, and [`Patience`] for how long it is waited for and what may be given in its
//!   place. [`Larder::scope`] has them for one request or client.
//! - **Views**: a model that derives [`derive@MaterializedView`] is read as a table is, and refreshed by [`MaterializedView::refresh`] or a
//!   `refresh::Refresher` (PostgreSQL only). Counts and sums that can't wait are kept in columns of other rows, by each write: [`upkeep`].
//! - **While the store is away** reads go to the database, and [`Writes`] says whether writes go on: with the table `larder_outbox` and a
//!   relay they do (modules `outbox` and `relay`, PostgreSQL only).
//! - **Stores** hold the cells: [`MemoryStore`] for one process, `RedisStore` (crate `larder-redis`) for many. The module [`store`] has
//!   the trait and the suite that checks an implementation.
//!
//! Costs stand with each call, in SQL statements and in round trips to the store, and do not depend on the number of rows. What is promised,
//! and what breaks it, stands in `docs/guarantees.md` of the repository.
//!
//! # Features
//!
//! `postgres`, `mysql` (MariaDB too) and `sqlite`: the back ends, any of them together. `uuid`, `chrono`, `bigdecimal`, `serde_json`: column types. `conformance`: the suite for stores.
//! `metrics`: [`Larder::publish_metrics`](Larder). `tokio`: the same from async code. `failpoints`: places where tests can stop a thread. On by default: `postgres`, `uuid`, `chrono`, `bigdecimal`.

#![cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    allow(dead_code, reason = "without a back end nothing can be loaded")
)]

// Models of unit tests are derived, and what is derived calls the crate by its name.
#[cfg(all(test, feature = "sqlite"))]
extern crate self as larder;

#[cfg(feature = "tokio")]
pub mod asynchronous;
pub mod backend;
#[cfg(feature = "behind")]
pub mod behind;
mod bind;
pub mod buffer;
pub mod catalogue;
#[cfg(feature = "postgres")]
mod changes;
pub mod codec;
mod cursor;
pub mod doctor;
mod effect;
mod entity;
mod error;
mod event;
pub mod explain;
#[cfg(feature = "failpoints")]
pub mod failpoints;
#[cfg(not(feature = "failpoints"))]
mod failpoints;
mod figures;
mod generated;
mod guards;
mod handle;
mod inline;
mod key;
mod layers;
#[cfg(feature = "postgres")]
mod leader;
mod load;
mod lookout;
mod memo;
#[cfg(feature = "postgres")]
pub mod migration;
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "rows changed past larder are told of by PostgreSQL only")
)]
mod models;
mod near;
pub mod once;
#[cfg(feature = "postgres")]
pub mod outbox;
pub mod partitions;
mod patience;
mod payload;
mod place;
#[cfg(feature = "metrics")]
mod publish;
mod queries;
#[cfg(feature = "postgres")]
pub mod refresh;
pub mod relation;
#[cfg(feature = "postgres")]
pub mod relay;
pub mod repeats;
mod repository;
mod row;
mod scope;
#[cfg(feature = "postgres")]
pub mod search;
#[cfg(all(feature = "postgres", feature = "chrono"))]
pub mod series;
mod session;
pub mod shape;
pub mod source;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod statement;
pub mod stats;
#[cfg(feature = "postgres")]
mod stop;
pub mod store;
pub mod tenant;
mod token;
mod trail;
mod transaction;
#[cfg(feature = "postgres")]
pub mod triggers;
pub mod types;
pub mod upkeep;
pub mod verify;
mod view_cells;
mod writes;

pub use larder_derive::{Codec, KeyPart, MaterializedView, Repository, View};

#[cfg(feature = "tokio")]
pub use self::asynchronous::Async;
#[cfg(feature = "sqlite")]
pub use self::sqlite::embedded;
pub use self::{
    backend::{Backend, Isolation},
    codec::Codec,
    cursor::{Cursor, InvalidCursor},
    entity::{Entity, MaterializedView, Pattern, Table, Writable},
    error::{Error, PoolError, Result},
    event::{Event, HandleEvent, NoEvents},
    explain::Explanation,
    guards::{SoftDelete, Versioned},
    handle::{Builder, Larder, TransactionOptions},
    key::{Key, KeyField, KeyPart},
    memo::Memo,
    models::{Described, Models},
    near::{Near, NearOptions},
    patience::Patience,
    queries::{Aside, CachedQuery, CachedRows, Dependencies, KeyOf, Looked, Turn, Version},
    relation::{Filter, IntoOrder, Relation},
    repository::{
        Batch, Batches, EachColumns, Graph, InAnotherOrder, InOwnOrder, List, Node, Page, Records, Repository, Rest,
        Stream, Tree,
    },
    scope::Scope,
    session::{Consistency, Session},
    shape::{Load, Shape},
    stats::Stats,
    store::{BreakerOptions, BreakerState, BreakerStats, MemoryStore},
    tenant::{AllTenants, TenantBatches, TenantRepository, Tenanted},
    token::{InvalidToken, Token},
    trail::{Source, Trail},
    transaction::{Lock, Locking, Tx},
    writes::Writes,
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
        entity::{Entity, ListedBy, MaterializedView, Pattern, PatternOn, Related, Table, Viewed, Writable},
        error::Result,
        explain::Explanation,
        generated::{
            Both, Embedded, Fills, If, Keeps, Taken, Tied, fields, is_common, is_counted, is_entity, is_key_field,
            is_key_part, layout, read, table_name, tied, viewed, viewed_with, whole, whole_one,
        },
        guards::{
            DeletedField, Guards, SoftDelete, TimeField, VersionField, Versioned, deletion, is_deleted, stamp,
            version_of,
        },
        key::{Key, KeyField, KeyPart},
        load::trees_by,
        models::VisitPatterns,
        near::Near,
        partitions::{Partition, Step, partitioned},
        patience::Patience,
        place::Listed,
        queries::KeyOf,
        relation::{
            All, Arity, Count, Counted, Leads, Link, Many, Maybe, One, Ordering, Rel, Relation, StartsFrom, Term,
            Through, Where, column_name,
        },
        repository::{List, Repository},
        row::{RowReader, SelectList},
        session::{Access, Consistency, Session},
        shape::{Extend, Head, Linked, LinkedBy, Load, LoadOf, Of, Relations, Shape, ShapeOf, Whole, With, unlink},
        statement::{Fragment, Statement},
        store::Layout,
        tenant::{Common, InTenant, OfTenant, TenantPattern, TenantRepository, TenantSession, TenantTable},
        token::Token,
        transaction::Dependents,
        upkeep::{BindFactors, Kept, Upkeep, UpkeepOn, VisitUpkeeps},
        view_cells::{Branches, CachedView, InTree, InView, OneStep, Packed, VisitBranches, VisitViews},
        writes::Writes,
    };
}
