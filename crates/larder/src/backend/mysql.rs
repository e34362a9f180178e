//! MySQL and MariaDB.

mod given;
pub(crate) mod number;

use std::time::Duration;

use diesel::{
    Insertable, MysqlConnection, RunQueryDsl,
    connection::{AnsiTransactionManager, SimpleConnection, TransactionManager as _, TransactionManagerStatus},
    deserialize,
    mysql::{Mysql, MysqlType},
    query_builder::QueryFragment,
    result::{DatabaseErrorKind, Error, QueryResult},
    row::Row,
    serialize::ToSql,
    sql_types::{BigInt, HasSqlType, Nullable, SqlType, Text, is_nullable::NotNull},
};

use super::{Backend, BindValues, GivenKey, InsertRows, Isolation, Manager, Outbox, bind_each, limit, unwrap_rows};
use crate::{
    entity::Table,
    guards::TimeForm,
    row::{Built, FromRow},
    statement::{Fragment, Statement},
    store::Nonce,
};

/// Gives the session its own time to idle again: the connection is the pool's, and others have transactions on it too.
macro_rules! forget_idle {
    () => {
        "SET @larder_idles = NULL /*M!100300 , SESSION idle_transaction_timeout = DEFAULT */"
    };
}

impl Backend for Mysql {
    type Connection = MysqlConnection;

    const SYSTEM: &'static str = "mysql";
    const IS_WATCHED: bool = false;
    const MAX_BINDS: usize = 65_535;
    const PLACEHOLDER: char = '?';
    const RETURNS: bool = false;
    const UPDATE_RETURNS_OLD: bool = false;
    const KEEPS_NANOSECONDS: bool = false;
    const INSERTS_ROW_BY_ROW: bool = true;
    const NAMES_DIFFER: bool = true;
    const ROW_LIST: &'static str = "";
    // Most collations call texts equal that differ in case, in accents, or in the spaces at their end.
    const EXACTLY: (&'static str, &'static str) = ("CAST(CONVERT(", " USING utf8mb4) AS BINARY)");
    const BINDS_A_PART: usize = 2;
    const UNNESTS: bool = false;
    const FOR_CHANGE: &'static str = " FOR UPDATE";
    const FOR_DELETE: &'static str = " FOR UPDATE";
    // The words that MariaDB knows too.
    const FOR_SHARE: &'static str = " LOCK IN SHARE MODE";
    const AS_OF_NOW: &'static str = " FOR UPDATE";

    const OUTBOX: Option<Outbox<Self>> = None;

    // LOCK TABLES would commit. A locking read of all that the primary key has, from one end to the other, keeps others from changing rows
    // and from adding some; but below REPEATABLE READ only from changing them.
    fn lock_table<'q>(table: Fragment<'q, Self>, isolation: Isolation) -> QueryResult<Option<Statement<'q, Self>>> {
        if isolation == Isolation::ReadCommitted {
            let reason = "MySQL can keep others from adding rows to a table only above READ COMMITTED: \
                          use `transaction_with` and `Isolation::RepeatableRead`";
            return Err(Error::QueryBuilderError(reason.into()));
        }
        let mut statement = Statement::new();
        statement.sql("SELECT COUNT(*) FROM ").fragment(table).sql(" FORCE INDEX (PRIMARY) FOR UPDATE");
        Ok(Some(statement))
    }

    fn given_keys<E: Table<Self>>(values: &Fragment<'_, Self>) -> QueryResult<Vec<GivenKey<E::Key>>> {
        given::keys::<E>(values)
    }

    const JOINED_IN_ORDER: Option<&'static str> = Some("STRAIGHT_JOIN");
    const ONCE: &'static str = "";

    // Without autocommit a connection would go on seeing what was there at its first read, and caches be filled with it. Nothing is to be
    // rolled back, unless somebody else has given a connection back to the pool in the middle of something: that must not be committed.
    const ON_CONNECTION: Option<&'static str> = Some("ROLLBACK; SET autocommit = 1");

    // MariaDB ends a transaction that idles, in whole seconds; MySQL has no such setting, and skips the comment.
    fn idle(within: Duration) -> Duration {
        Duration::from_secs(within.as_secs() + u64::from(within.subsec_nanos() > 0))
    }

    // The savepoint is how COMMIT knows the transaction again. A deadlock rolls all of one back, CREATE TABLE commits it, and what comes
    // after is in none and committed statement by statement.
    fn begin(connection: &mut MysqlConnection, isolation: Isolation, idle: Duration) -> QueryResult<()> {
        let isolation = match isolation {
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::RepeatableRead => "REPEATABLE READ",
            Isolation::Serializable => "SERIALIZABLE",
        };
        let idle = Self::idle(idle).as_secs();
        let sql = format!(
            "SET TRANSACTION ISOLATION LEVEL {isolation}; \
             SET @larder_idles = {idle} /*M!100300 , SESSION idle_transaction_timeout = {idle} */; \
             START TRANSACTION; SAVEPOINT larder"
        );
        AnsiTransactionManager::begin_transaction_sql(connection, &sql)
    }

    // In one message: what follows a statement that failed is not done.
    fn commit(connection: &mut MysqlConnection, _announced: Option<Nonce>) -> QueryResult<()> {
        connection.batch_execute(concat!("RELEASE SAVEPOINT larder; COMMIT; ", forget_idle!()))?;
        *Manager::<Self>::transaction_manager_status_mut(connection) = TransactionManagerStatus::default();
        Ok(())
    }

    fn is_whole(connection: &mut MysqlConnection) -> bool {
        connection.batch_execute(concat!(forget_idle!(), "; ROLLBACK TO SAVEPOINT larder")).is_ok()
    }

    // Outside of a transaction a savepoint is not set, and no error.
    fn is_over(connection: &mut MysqlConnection) -> bool {
        connection.batch_execute("SAVEPOINT larder_here; RELEASE SAVEPOINT larder_here").is_err()
    }

    fn numbered(connection: &mut MysqlConnection, error: Error) -> Error {
        number::numbered(connection, error)
    }

    fn has_ended(connection: &mut MysqlConnection, error: &Error) -> bool {
        number::has_ended(connection, error)
    }

    // Diesel has no kind for it, and the messages differ by client library and language.
    fn is_lost(connection: &mut MysqlConnection, error: &Error) -> bool {
        number::forget_statements(connection, error);
        matches!(error, Error::DatabaseError(DatabaseErrorKind::Unknown, _))
            && connection.batch_execute("DO 0").is_err()
    }

    fn bind_limit(n: usize, statement: &mut Statement<'_, Self>) {
        statement.bind::<BigInt, i64>(limit(n));
    }

    fn bind_number(n: i64, statement: &mut Statement<'_, Self>) {
        statement.bind::<BigInt, i64>(n);
    }

    // What is in UTC must not depend on the session's time zone.
    fn now(form: TimeForm) -> &'static str {
        match form {
            TimeForm::Own => "CURRENT_TIMESTAMP(6)",
            TimeForm::Moment => "UTC_TIMESTAMP(6)",
        }
    }

    fn push_sample(_table: String, n: usize, _seed: u64, statement: &mut Statement<'_, Self>) {
        statement.sql(" ORDER BY rand() LIMIT ");
        Self::bind_limit(n, statement);
    }

    fn read_count<'r>(row: &impl Row<'r, Self>, at: usize) -> deserialize::Result<i64> {
        row.get_value::<BigInt, i64, usize>(at)
    }

    fn read_text<'r>(row: &impl Row<'r, Self>, at: usize) -> deserialize::Result<Option<String>> {
        row.get_value::<Nullable<Text>, Option<String>, usize>(at)
    }

    fn load<T: FromRow<Self> + 'static>(
        connection: &mut MysqlConnection,
        statement: Statement<'_, Self>,
    ) -> QueryResult<Vec<T>> {
        statement.load::<Built<T>>(connection).map(unwrap_rows)
    }

    fn execute(connection: &mut MysqlConnection, statement: Statement<'_, Self>) -> QueryResult<usize> {
        RunQueryDsl::execute(statement, connection)
    }
}

/// A list is as many binds as it has values.
impl<ST, T> BindValues<ST, T> for Mysql
where
    ST: SqlType<IsNull = NotNull>,
    T: ToSql<ST, Mysql>,
    Mysql: HasSqlType<ST>,
{
    fn is_loose() -> bool {
        let sql_type = <Mysql as HasSqlType<ST>>::metadata(&mut ());
        matches!(sql_type, MysqlType::String | MysqlType::Enum | MysqlType::Set)
    }

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

impl<'r, R: 'r, T> InsertRows<'r, R, T> for Mysql
where
    &'r [R]: Insertable<T, Values: QueryFragment<Mysql> + 'r>,
{
    fn insert_rows(records: &'r [R]) -> Vec<Fragment<'r, Self>> {
        vec![Box::new(records.values())]
    }
}
