//! What differs between databases.

mod database;
#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::time::Duration;

use diesel::{
    connection::{LoadConnection, TransactionManager},
    query_builder::{QueryBuilder, QueryFragment},
    r2d2::R2D2Connection,
    result::{DatabaseErrorKind, Error, QueryResult},
};

pub use self::database::Database;
use crate::{
    entity::Table,
    guards::TimeForm,
    row::{Built, FromRow},
    statement::{Fragment, Statement},
    store::{CellKey, Nonce},
    tenant::Tenants,
};

/// A database that larder has repositories for: `diesel::pg::Pg`, `diesel::mysql::Mysql` (MariaDB too) and `diesel::sqlite::Sqlite`, by
/// the features `postgres`, `mysql` and `sqlite`. Sealed.
#[diagnostic::on_unimplemented(
    message = "larder has no back end for `{Self}`",
    note = "turn on larder's feature of that name: `postgres`, `mysql` or `sqlite`"
)]
pub trait Backend: diesel::backend::Backend<QueryBuilder: Default> + sealed::Sealed + Default + 'static {
    /// Diesel's connection to it.
    type Connection: LoadConnection<Backend = Self> + R2D2Connection + Send + 'static;

    /// What OpenTelemetry calls it: `db.system.name`.
    #[doc(hidden)]
    const SYSTEM: &'static str;

    /// Whether something may watch the tables for what others write.
    #[doc(hidden)]
    const IS_WATCHED: bool;

    /// How many values one statement may have.
    #[doc(hidden)]
    const MAX_BINDS: usize;

    /// What a value's place in a statement begins with.
    #[doc(hidden)]
    const PLACEHOLDER: char;

    /// How many values a piece of SQL binds. It counts the places for them, and so too many where a name has that character.
    #[doc(hidden)]
    fn n_binds(fragment: &impl QueryFragment<Self>) -> QueryResult<usize> {
        let mut sql = Self::QueryBuilder::default();
        fragment.to_sql(&mut sql, &Self::default())?;
        Ok(sql.finish().matches(Self::PLACEHOLDER).count())
    }

    /// Whether INSERT, UPDATE and DELETE return rows.
    #[doc(hidden)]
    const RETURNS: bool = true;

    /// Whether an UPDATE can return the old row beside the new one.
    #[doc(hidden)]
    const UPDATE_RETURNS_OLD: bool;

    /// Whether instants come back with their nanoseconds.
    #[doc(hidden)]
    const KEEPS_NANOSECONDS: bool;

    /// What time it is by the database's clock, as a time column takes it.
    #[doc(hidden)]
    fn now(_form: TimeForm) -> &'static str {
        "CURRENT_TIMESTAMP(6)"
    }

    /// Whether several rows may be inserted by more than one statement.
    #[doc(hidden)]
    const INSERTS_ROW_BY_ROW: bool;

    /// Whether the columns of a subselect must have names that differ.
    #[doc(hidden)]
    const NAMES_DIFFER: bool = false;

    /// What a list of rows begins with, behind `IN (`.
    #[doc(hidden)]
    const ROW_LIST: &'static str = "VALUES ";

    /// What stands around a column, so that only those of its texts are equal which have the same bytes in UTF-8.
    #[doc(hidden)]
    const EXACTLY: (&'static str, &'static str) = ("", "");

    /// How many values a part of a key may bind.
    #[doc(hidden)]
    const BINDS_A_PART: usize = 1;

    /// Whether arrays can be bound and unnested.
    #[doc(hidden)]
    const UNNESTS: bool;

    /// What keeps others from changing the rows of a SELECT until the transaction's end.
    #[doc(hidden)]
    const FOR_CHANGE: &'static str;

    /// What also keeps others from referring to them.
    #[doc(hidden)]
    const FOR_DELETE: &'static str;

    /// What keeps others from changing the rows of a SELECT, and lets them do the same.
    #[doc(hidden)]
    const FOR_SHARE: &'static str;

    /// What makes a SELECT in a transaction see the rows as they are, and not as they were when it began.
    #[doc(hidden)]
    const AS_OF_NOW: &'static str = "";

    /// The statement that keeps others from writing a table, if the back end needs one.
    #[doc(hidden)]
    fn lock_table<'q>(table: Fragment<'q, Self>, isolation: Isolation) -> QueryResult<Option<Statement<'q, Self>>>;

    /// The primary keys that an INSERT gives its rows. Only asked where it [returns](Backend::RETURNS) no rows.
    #[doc(hidden)]
    fn given_keys<E: Table<Self>>(values: &Fragment<'_, Self>) -> QueryResult<Vec<GivenKey<E::Key>>> {
        let _ = values;
        Err(Error::QueryBuilderError("the database returns the rows that it inserts".into()))
    }

    /// What a connection is told before it is used for the first time.
    #[doc(hidden)]
    const ON_CONNECTION: Option<&'static str> = None;

    /// How a table is joined to another, row by row in the order in which they are written: `None` where that takes `LATERAL`, and `OFFSET 0`,
    /// which keeps the planner from looking into a query.
    #[doc(hidden)]
    const JOINED_IN_ORDER: Option<&'static str> = None;

    /// Before a query of `WITH` that is made once, whoever reads its rows.
    #[doc(hidden)]
    const ONCE: &'static str = "MATERIALIZED ";

    /// How long a transaction may really idle that is to idle no longer than that.
    #[doc(hidden)]
    fn idle(within: Duration) -> Duration {
        within
    }

    /// Begins a transaction whose COMMIT can't come later than [`idle`](Self::idle) after its last statement.
    #[doc(hidden)]
    fn begin(connection: &mut Self::Connection, isolation: Isolation, idle: Duration) -> QueryResult<()>;

    /// Sends COMMIT, in such a way that a transaction which already failed is not taken for a committed one. The nonce goes into the log
    /// that the database writes, where there is one that others read.
    #[doc(hidden)]
    fn commit(connection: &mut Self::Connection, announced: Option<Nonce>) -> QueryResult<()>;

    /// Whether the transaction is still the one that was begun, and nothing of it was committed. Asked at its outermost level, before it is
    /// rolled back.
    #[doc(hidden)]
    fn is_whole(connection: &mut Self::Connection) -> bool {
        let _ = connection;
        true
    }

    /// What the database said, with its number of the error where Diesel leaves that out. Asked right after the statement.
    #[doc(hidden)]
    fn numbered(connection: &mut Self::Connection, error: Error) -> Error {
        let _ = connection;
        error
    }

    /// Whether a statement's error, with its [number](Backend::numbered), has ended the transaction, so that the next one would be in none.
    #[doc(hidden)]
    fn has_ended(connection: &mut Self::Connection, error: &Error) -> bool {
        let _ = (connection, error);
        false
    }

    /// Whether no transaction is open any more, on databases that end one by themselves: a round trip on MySQL, and none on SQLite. Asked after
    /// what somebody else has sent.
    #[doc(hidden)]
    fn is_over(connection: &mut Self::Connection) -> bool {
        let _ = connection;
        false
    }

    /// Whether an error says that the connection is lost. Asked outside of transactions.
    #[doc(hidden)]
    fn is_lost(connection: &mut Self::Connection, error: &Error) -> bool {
        let _ = connection;
        let is = |kind| matches!(kind, &DatabaseErrorKind::ClosedConnection | &DatabaseErrorKind::UnableToSendCommand);
        matches!(error, Error::DatabaseError(kind, _) if is(kind))
    }

    /// The table in which a write can leave the keys of its cells, if the back end can have one.
    #[doc(hidden)]
    const OUTBOX: Option<Outbox<Self>>;

    /// How the database is told of tenants, if it has policies that ask.
    #[doc(hidden)]
    const TENANTS: Option<Tenants<Self>> = None;

    /// Appends a number of rows, as a value: the statement's text must not depend on it.
    #[doc(hidden)]
    fn bind_limit(n: usize, statement: &mut Statement<'_, Self>);

    /// Appends a number, as a value where the back end says how.
    #[doc(hidden)]
    fn bind_number(n: i64, statement: &mut Statement<'_, Self>) {
        statement.sql(n.to_string()).unprepared();
    }

    /// Appends to `SELECT .. FROM table` what draws at most `n` of its rows at random. `table` is its name, quoted.
    #[doc(hidden)]
    fn push_sample(table: String, n: usize, seed: u64, statement: &mut Statement<'_, Self>);

    #[doc(hidden)]
    fn read_count<'r>(row: &impl diesel::row::Row<'r, Self>, at: usize) -> diesel::deserialize::Result<i64>;

    #[doc(hidden)]
    fn read_text<'r>(row: &impl diesel::row::Row<'r, Self>, at: usize) -> diesel::deserialize::Result<Option<String>>;

    #[doc(hidden)]
    fn load<T: FromRow<Self> + 'static>(
        connection: &mut Self::Connection,
        statement: Statement<'_, Self>,
    ) -> QueryResult<Vec<T>>;

    #[doc(hidden)]
    fn execute(connection: &mut Self::Connection, statement: Statement<'_, Self>) -> QueryResult<usize>;
}

/// What an INSERT says of a row's primary key.
#[doc(hidden)]
#[derive(Debug)]
pub enum GivenKey<K> {
    /// The row will have it.
    Known(K),
    /// The number 0, in whose place the database may count one: it depends on the column and on the session.
    Zero(K),
    /// None: the database counts one.
    Counted,
}

/// What can be done with a back end's outbox.
#[doc(hidden)]
pub struct Outbox<DB: Backend> {
    /// Whether the database has the table.
    pub(crate) is_there: fn(&mut DB::Connection) -> QueryResult<bool>,
    /// Adds the keys of cells, in the transaction that is open.
    pub(crate) add: fn(&mut DB::Connection, &[&CellKey]) -> QueryResult<()>,
}

/// The transaction manager of a back end's connection.
pub(crate) type Manager<DB> = <<DB as Backend>::Connection as diesel::Connection>::TransactionManager;

/// Whether it can't be known what became of the connection's transaction.
pub(crate) fn is_broken<DB: Backend>(connection: &mut DB::Connection) -> bool {
    Manager::<DB>::is_broken_transaction_manager(connection)
        || Manager::<DB>::transaction_manager_status_mut(connection).transaction_depth().is_err()
}

/// Has the pool throw a connection away that the server has closed. Diesel takes no note of it where a statement could not even be
/// prepared, and without a test at check-out the pool would hand that connection out for good.
pub(crate) fn throw_away_if_lost<DB: Backend>(connection: &mut DB::Connection, error: &Error) {
    if DB::is_lost(connection, error) {
        Manager::<DB>::transaction_manager_status_mut(connection).set_in_error();
    }
}

/// How much a transaction is kept apart from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Isolation {
    /// What is committed is seen: the default, but on SQLite, where every level is serializable.
    #[default]
    ReadCommitted,
    /// One snapshot for the whole transaction.
    RepeatableRead,
    /// As if transactions ran one after the other; some fail and have to be tried again.
    Serializable,
}

/// Binds a list of values of one type. Implemented by the back ends for whatever Diesel can bind.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{T}` can't be sent to this database as the column's SQL type",
    note = "the key's field type must implement Diesel's `ToSql` for the column"
)]
pub trait BindValues<ST, T>: Backend {
    /// Whether the database calls values equal that Rust calls different.
    fn is_loose() -> bool {
        false
    }

    /// Appends the condition that what was written before is one of `values`.
    fn any_of<'q>(values: Vec<T>, statement: &mut Statement<'q, Self>)
    where
        T: 'q,
        ST: 'q;

    /// Appends the values as one array. Only where the back end [unnests](Backend::UNNESTS) them.
    fn values<'q>(values: Vec<T>, statement: &mut Statement<'q, Self>)
    where
        T: 'q,
        ST: 'q;

    /// Appends one value.
    fn value<'q>(value: T, statement: &mut Statement<'q, Self>)
    where
        T: 'q,
        ST: 'q;
}

/// Binds what has changed in maintained columns. Implemented by the back ends on which they are maintained.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "columns can't be maintained on `{Self}`",
    note = "larder maintains columns on PostgreSQL only"
)]
pub trait BindChanges<ST, T>: Backend {
    /// Appends values, of which some may be NULL, as one array.
    fn changes<'q>(values: Vec<Option<T>>, statement: &mut Statement<'q, Self>)
    where
        T: 'q,
        ST: 'q;
}

/// Writes several rows to insert as the back end can.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{R}` can't be inserted into this table",
    note = "add `#[derive(diesel::Insertable)]` and `#[diesel(table_name = ..)]` with the repository's table to `{R}`"
)]
pub trait InsertRows<'r, R, T>: Backend {
    /// What stands behind `INSERT INTO table`, for one statement or several.
    fn insert_rows(records: &'r [R]) -> Vec<Fragment<'r, Self>>;
}

mod sealed {
    pub trait Sealed {}

    #[cfg(feature = "mysql")]
    impl Sealed for diesel::mysql::Mysql {}

    #[cfg(feature = "postgres")]
    impl Sealed for diesel::pg::Pg {}

    #[cfg(feature = "sqlite")]
    impl Sealed for diesel::sqlite::Sqlite {}
}

fn unwrap_rows<T>(rows: Vec<Built<T>>) -> Vec<T> {
    rows.into_iter().map(|Built(row)| row).collect()
}

/// Writes that a column is one of the values, each a bind of its own, of which as many as there are would fill a cache of statements.
#[cfg(any(feature = "mysql", feature = "sqlite"))]
fn bind_each<'q, DB, ST, T>(values: Vec<T>, statement: &mut Statement<'q, DB>)
where
    DB: Backend + diesel::sql_types::HasSqlType<ST>,
    T: diesel::serialize::ToSql<ST, DB> + 'q,
    ST: 'q,
{
    if values.len() > 1 {
        statement.unprepared();
    }
    statement.sql(" IN (").separated(", ", values, |statement, value| {
        statement.bind::<ST, T>(value);
    });
    statement.sql(")");
}

/// A number of rows as SQL has it: what is larger than it can say is all.
fn limit(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
