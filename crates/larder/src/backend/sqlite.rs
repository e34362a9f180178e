use std::time::Duration;

use diesel::{
    Insertable, RunQueryDsl, SqliteConnection,
    connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _, TransactionManagerStatus},
    deserialize,
    query_builder::QueryFragment,
    result::{Error, QueryResult},
    row::Row,
    serialize::ToSql,
    sql_types::{BigInt, HasSqlType, Nullable, SqlType, Text, is_nullable::NotNull},
    sqlite::Sqlite,
};

use super::{Backend, BindValues, InsertRows, Isolation, Manager, Outbox, bind_each, limit, unwrap_rows};
use crate::{
    guards::TimeForm,
    row::{Built, FromRow},
    statement::{Fragment, Statement},
    store::Nonce,
};

impl Backend for Sqlite {
    type Connection = SqliteConnection;

    const SYSTEM: &'static str = "sqlite";
    const IS_WATCHED: bool = false;
    const MAX_BINDS: usize = 32_766;
    const PLACEHOLDER: char = '?';
    const UPDATE_RETURNS_OLD: bool = false;
    const KEEPS_NANOSECONDS: bool = true;
    const INSERTS_ROW_BY_ROW: bool = true;
    const UNNESTS: bool = false;
    const JOINED_IN_ORDER: Option<&'static str> = Some("CROSS JOIN");
    // A write transaction has the database to itself.
    const FOR_CHANGE: &'static str = "";
    const FOR_DELETE: &'static str = "";
    const FOR_SHARE: &'static str = "";

    const OUTBOX: Option<Outbox<Self>> = None;

    fn lock_table<'q>(_table: Fragment<'q, Self>, _isolation: Isolation) -> QueryResult<Option<Statement<'q, Self>>> {
        Ok(None)
    }

    // Every level is serializable. IMMEDIATE takes the write lock at once, where the busy time-out can wait for it; a
    // transaction that first read and then wants to write would fail without waiting.
    //
    // The savepoint is how COMMIT knows the transaction again. RAISE(ROLLBACK), ON CONFLICT ROLLBACK and a full disk end one, and what comes
    // after is in none and committed statement by statement.
    fn begin(connection: &mut SqliteConnection, _isolation: Isolation, _idle: Duration) -> QueryResult<()> {
        AnsiTransactionManager::begin_transaction_sql(connection, "BEGIN IMMEDIATE; SAVEPOINT larder")
    }

    // In one call, which stops at what fails. The savepoint is set anew for a COMMIT that is refused, as for a deferred foreign key: the
    // transaction is whole then.
    fn commit(connection: &mut SqliteConnection, _announced: Option<Nonce>) -> QueryResult<()> {
        connection.batch_execute("RELEASE larder; SAVEPOINT larder; COMMIT")?;
        *Manager::<Self>::transaction_manager_status_mut(connection) = TransactionManagerStatus::default();
        Ok(())
    }

    fn is_whole(connection: &mut SqliteConnection) -> bool {
        connection.batch_execute("ROLLBACK TO larder").is_ok()
    }

    // No code tells of it.
    fn has_ended(connection: &mut SqliteConnection, error: &Error) -> bool {
        matches!(error, Error::DatabaseError(..)) && Self::is_over(connection)
    }

    // Only where none is open can one begin, and that one is what will be rolled back.
    fn is_over(connection: &mut SqliteConnection) -> bool {
        connection.batch_execute("BEGIN").is_ok()
    }

    fn bind_limit(n: usize, statement: &mut Statement<'_, Self>) {
        statement.bind::<BigInt, i64>(limit(n));
    }

    // In the form in which Diesel writes times; CURRENT_TIMESTAMP would leave out what a second has behind it.
    fn now(form: TimeForm) -> &'static str {
        match form {
            TimeForm::Own => "strftime('%Y-%m-%d %H:%M:%f', 'now')",
            TimeForm::Moment => {
                "CAST(strftime('%s', 'now') AS INTEGER) * 1000000 + CAST(substr(strftime('%f', 'now'), 4) AS INTEGER) * 1000"
            }
        }
    }

    fn bind_number(n: i64, statement: &mut Statement<'_, Self>) {
        statement.bind::<BigInt, i64>(n);
    }

    fn push_sample(_table: String, n: usize, _seed: u64, statement: &mut Statement<'_, Self>) {
        statement.sql(" ORDER BY random() LIMIT ");
        Self::bind_limit(n, statement);
    }

    fn read_count<'r>(row: &impl Row<'r, Self>, at: usize) -> deserialize::Result<i64> {
        row.get_value::<BigInt, i64, usize>(at)
    }

    fn read_text<'r>(row: &impl Row<'r, Self>, at: usize) -> deserialize::Result<Option<String>> {
        row.get_value::<Nullable<Text>, Option<String>, usize>(at)
    }

    fn load<T: FromRow<Self> + 'static>(
        connection: &mut SqliteConnection,
        statement: Statement<'_, Self>,
    ) -> QueryResult<Vec<T>> {
        statement.load::<Built<T>>(connection).map(unwrap_rows)
    }

    fn execute(connection: &mut SqliteConnection, statement: Statement<'_, Self>) -> QueryResult<usize> {
        RunQueryDsl::execute(statement, connection)
    }
}

/// A list is as many binds as it has values.
impl<ST, T> BindValues<ST, T> for Sqlite
where
    ST: SqlType<IsNull = NotNull>,
    T: ToSql<ST, Sqlite>,
    Sqlite: HasSqlType<ST>,
{
    fn any_of<'q>(values: Vec<T>, statement: &mut Statement<'q, Self>)
    where
        T: 'q,
        ST: 'q,
    {
        bind_each::<Self, ST, T>(values, statement);
    }

    fn values<'q>(values: Vec<T>, statement: &mut Statement<'q, Self>)
    where
        T: 'q,
        ST: 'q,
    {
        Self::any_of(values, statement);
    }

    fn value<'q>(value: T, statement: &mut Statement<'q, Self>)
    where
        T: 'q,
        ST: 'q,
    {
        statement.bind::<ST, T>(value);
    }
}

/// SQLite has no word for a column's default in a list of rows, so each row is a statement.
impl<'r, R: 'r, T> InsertRows<'r, R, T> for Sqlite
where
    &'r R: Insertable<T, Values: QueryFragment<Sqlite> + 'r>,
{
    fn insert_rows(records: &'r [R]) -> Vec<Fragment<'r, Self>> {
        records.iter().map(|record| Box::new(record.values()) as Fragment<'r, Self>).collect()
    }
}
