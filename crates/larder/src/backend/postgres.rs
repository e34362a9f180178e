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
    sql_types::{Array, BigInt, HasSqlType, Nullable, SqlType, Text, is_nullable::NotNull},
};

use super::{Backend, BindChanges, BindValues, InsertRows, Isolation, Outbox, limit, unwrap_rows};
use crate::{
    outbox,
    row::{Built, FromRow},
    statement::{Fragment, Statement},
    store::Nonce,
    tenant::{Tenants, policy},
};

impl Backend for Pg {
    type Connection = PgConnection;

    const SYSTEM: &'static str = "postgresql";
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
    const FOR_SHARE: &'static str = " FOR SHARE";

    const TENANTS: Option<Tenants<Self>> = Some(policy::TENANTS);
    const OUTBOX: Option<Outbox<Self>> = Some(Outbox { is_there: outbox::is_there, add: outbox::add });

    fn lock_table<'q>(table: Fragment<'q, Self>, _isolation: Isolation) -> QueryResult<Option<Statement<'q, Self>>> {
        let mut statement = Statement::new();
        statement.sql("LOCK TABLE ").fragment(table).sql(" IN SHARE ROW EXCLUSIVE MODE");
        Ok(Some(statement))
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

    fn commit(connection: &mut PgConnection, announced: Option<Nonce>) -> QueryResult<()> {
        // PostgreSQL answers the COMMIT of a failed transaction with success and rolls back. The SELECT fails in such a one, and
        // what follows it in the same message is not done.
        let Some(nonce) = announced else { return connection.batch_execute("SELECT; COMMIT") };
        connection.batch_execute(&format!("SELECT pg_logical_emit_message(true, 'larder', '{nonce:?}'); COMMIT"))
    }

    fn bind_limit(n: usize, statement: &mut Statement<'_, Self>) {
        statement.bind::<BigInt, i64>(limit(n));
    }

    fn bind_number(n: i64, statement: &mut Statement<'_, Self>) {
        statement.bind::<BigInt, i64>(n);
    }

    // Random pages, as many as have four times the wanted rows and at least twenty, and of their rows some: neighbours were often written
    // together, and one page alone would tell little. The rows of a table that was never analyzed are taken to have 160 bytes.
    fn push_sample(table: String, n: usize, seed: u64, statement: &mut Statement<'_, Self>) {
        statement.sql(format!(
            " TABLESAMPLE SYSTEM ((SELECT least(100, greatest(400.0 * {n} / n_rows, 2000.0 / n_pages)) FROM ("
        ));
        statement.sql(
            "SELECT greatest(n_bytes / current_setting('block_size')::int, 1) AS n_pages, \
             CASE WHEN reltuples > 0 THEN reltuples ELSE greatest(n_bytes / 160, 1) END AS n_rows FROM (",
        );
        statement.sql(
            "SELECT reltuples, greatest(pg_relation_size(oid), \
             (SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree(oid))) AS n_bytes FROM pg_class WHERE oid = CAST(",
        );
        statement.bind::<Text, String>(table);
        // PostgreSQL hashes the seed; a number of 32 bits is exact there.
        statement
            .sql(format!(" AS regclass)) AS size) AS shape)) REPEATABLE ({}) ORDER BY random() LIMIT ", seed >> 32));
        Self::bind_limit(n, statement);
        statement.unprepared();
    }

    fn read_count<'r>(row: &impl Row<'r, Self>, at: usize) -> deserialize::Result<i64> {
        row.get_value::<BigInt, i64, usize>(at)
    }

    fn read_text<'r>(row: &impl Row<'r, Self>, at: usize) -> deserialize::Result<Option<String>> {
        row.get_value::<Nullable<Text>, Option<String>, usize>(at)
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

impl<ST, T> BindChanges<ST, T> for Pg
where
    ST: SqlType<IsNull = NotNull>,
    T: ToSql<ST, Pg> + Debug,
    Pg: HasSqlType<ST> + HasSqlType<Array<Nullable<ST>>>,
{
    fn changes<'q>(values: Vec<Option<T>>, statement: &mut Statement<'q, Self>)
    where
        T: 'q,
        ST: 'q,
    {
        statement.bind::<Array<Nullable<ST>>, Vec<Option<T>>>(values);
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
