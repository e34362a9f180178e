use std::{fmt::Debug, time::Duration};

use diesel::{
    Insertable, PgConnection, RunQueryDsl,
    connection::{AnsiTransactionManager, SimpleConnection},
    deserialize,
    pg::Pg,
    query_builder::QueryFragment,
    result::QueryResult,
    row::Row,
    serialize::ToSql,
    sql_types::{Array, BigInt, HasSqlType, SqlType, is_nullable::NotNull},
};

use super::{Backend, BindValues, InsertRows, Isolation, Outbox, limit, unwrap_rows};
use crate::{
    outbox,
    row::{Built, FromRow},
    statement::{Fragment, Statement},
};

impl Backend for Pg {
    type Connection = PgConnection;

    const IS_WATCHED: bool = true;
    const MAX_BINDS: usize = 65_535;
    const PLACEHOLDER: char = '$';
    const UPDATE_RETURNS_OLD: bool = true;
    const KEEPS_NANOSECONDS: bool = false;
    const INSERTS_ROW_BY_ROW: bool = false;
    const UNNESTS: bool = true;
    // An insertion of a child locks its parent's key against deletion. A change of the parent goes well with that, and must not
    // wait for it; if it changes the key, PostgreSQL takes the stronger lock by itself.
    const FOR_CHANGE: &'static str = " FOR NO KEY UPDATE";
    const FOR_DELETE: &'static str = " FOR UPDATE";

    const OUTBOX: Option<Outbox<Self>> = Some(Outbox { is_there: outbox::is_there, add: outbox::add });

    fn lock_table<'q>(table: Fragment<'q, Self>) -> Option<Statement<'q, Self>> {
        let mut statement = Statement::new();
        statement.sql("LOCK TABLE ").fragment(table).sql(" IN SHARE ROW EXCLUSIVE MODE");
        Some(statement)
    }

    fn begin(connection: &mut PgConnection, isolation: Isolation, idle: Duration) -> QueryResult<()> {
        let isolation = match isolation {
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::RepeatableRead => "REPEATABLE READ",
            Isolation::Serializable => "SERIALIZABLE",
        };
        // The server's own proof that a COMMIT can't arrive long after the last statement, even if this process stood still.
        let idle = idle.as_millis().max(1);
        let sql = format!("BEGIN ISOLATION LEVEL {isolation}; SET LOCAL idle_in_transaction_session_timeout = {idle}");
        AnsiTransactionManager::begin_transaction_sql(connection, &sql)
    }

    fn commit(connection: &mut PgConnection) -> QueryResult<()> {
        // PostgreSQL answers the COMMIT of a failed transaction with success and rolls back. The SELECT fails in such a one, and
        // what follows it in the same message is not done.
        connection.batch_execute("SELECT; COMMIT")
    }

    fn bind_limit(n: usize, statement: &mut Statement<'_, Self>) {
        statement.bind::<BigInt, i64>(limit(n));
    }

    fn read_count<'r>(row: &impl Row<'r, Self>, at: usize) -> deserialize::Result<i64> {
        row.get_value::<BigInt, i64, usize>(at)
    }

    fn load<T: FromRow<Self> + 'static>(
        connection: &mut PgConnection,
        statement: Statement<'_, Self>,
    ) -> QueryResult<Vec<T>> {
        statement.load::<Built<T>>(connection).map(unwrap_rows)
    }

    fn execute(connection: &mut PgConnection, statement: Statement<'_, Self>) -> QueryResult<usize> {
        RunQueryDsl::execute(statement, connection)
    }
}

/// A list is one bind, an array: the statement's text does not depend on its length.
impl<ST, T> BindValues<ST, T> for Pg
where
    ST: SqlType<IsNull = NotNull>,
    T: ToSql<ST, Pg> + Debug,
    Pg: HasSqlType<ST> + HasSqlType<Array<ST>>,
{
    fn any_of<'q>(values: Vec<T>, statement: &mut Statement<'q, Self>)
    where
        T: 'q,
        ST: 'q,
    {
        statement.sql(" = ANY(").bind::<Array<ST>, Vec<T>>(values).sql(")");
    }

    fn values<'q>(values: Vec<T>, statement: &mut Statement<'q, Self>)
    where
        T: 'q,
        ST: 'q,
    {
        statement.bind::<Array<ST>, Vec<T>>(values);
    }

    fn value<'q>(value: T, statement: &mut Statement<'q, Self>)
    where
        T: 'q,
        ST: 'q,
    {
        statement.bind::<ST, T>(value);
    }
}

impl<'r, R: 'r, T> InsertRows<'r, R, T> for Pg
where
    &'r [R]: Insertable<T, Values: QueryFragment<Pg> + 'r>,
{
    fn insert_rows(records: &'r [R]) -> Vec<Fragment<'r, Self>> {
        vec![Box::new(records.values())]
    }
}
