use std::time::Duration;

use diesel::r2d2::{ConnectionManager, Pool};
use larder::{
    backend::Database,
    once::Remember,
    types::{Id, Moment},
};

use super::{Keys, Money};
use crate::Meter;

/// A back end that the portable tests run on.
pub trait Ground: larder::Backend + Remember {
    /// A database of one test, with the shop's tables. It goes when it is dropped.
    type Database: Send + Sync;

    /// What it is called in tables.
    const NAME: &'static str;

    /// The same, as larder has it.
    const KIND: Database;

    /// The tables of the documents' archive.
    const ARCHIVE: &'static str;

    /// Whether writes go on while the store is away.
    const HAS_OUTBOX: bool;

    /// Whether rows of a stream are given before the last one has come.
    const STREAMS_IN_CONSTANT_MEMORY: bool;

    /// What a write costs here.
    const COSTS: Costs;

    /// What Diesel quotes names with.
    const QUOTE: char;

    /// How many keys larder puts into one statement.
    const N_KEYS: usize;

    /// How long a load lasts: longest where most of it can go wrong, which is where the stores and the connections are far.
    const LOAD: Duration;

    /// A database with nothing in it.
    fn database() -> Self::Database;

    /// A connection that no meter counts.
    fn connect(database: &Self::Database) -> Self::Connection;

    /// A pool of at most `size` connections whose statements `meter` counts.
    fn pool(database: &Self::Database, meter: &Meter, size: u32) -> Pool<ConnectionManager<Self::Connection>>;

    /// The cells of one test, in the store that goes with such a database.
    fn keys() -> Keys;

    /// An id, as it is written in SQL.
    fn id(id: Id) -> String;

    /// An instant, as it is written in SQL.
    fn moment(moment: Moment) -> String;

    /// An amount, as it is written in SQL.
    fn amount(amount: Money) -> String;
}

/// How many statements the writes of a repository take, where back ends differ.
#[derive(Debug, Clone, Copy)]
pub struct Costs {
    /// An insertion of one row.
    pub insert: usize,
    /// An insertion of `n` rows, for each of them and once.
    pub insert_many: fn(usize) -> usize,
    /// An insertion of those of `n` rows that are not there, of which some are not.
    pub insert_missing: fn(usize) -> usize,
    /// The same where all of them are.
    pub insert_none: fn(usize) -> usize,
    /// An UPDATE, by key or by a condition, that finds its rows.
    pub update: usize,
    /// The same where it finds none.
    pub update_none: usize,
    /// A deletion of a row that no other refers to.
    pub delete: usize,
    /// The same where there is no such row.
    pub delete_none: usize,
    /// A write of up to 500 rows, each by a value of its own.
    pub update_each: usize,
    /// A soft deletion of a row of which nothing goes along.
    pub delete_softly: usize,
    /// Bringing it back.
    pub restore: usize,
    /// Deleting it for good.
    pub delete_forever: usize,
    /// What is added to a write that is done once.
    pub once: usize,
    /// What takes its place where it was done before.
    pub once_before: usize,
}
