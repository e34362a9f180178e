//! The slot through which the log is read, and what it keeps.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _,
    result::{OptionalExtension as _, QueryResult},
    sql_query,
    sql_types::{BigInt, Bool, Nullable, Oid, Text},
};

use crate::{Error, changes::Watched};

/// What the server knows of the slot.
#[derive(Debug, QueryableByName)]
pub(crate) struct Slot {
    /// Whether the log that it needs is no longer there.
    #[diesel(sql_type = Bool)]
    pub(crate) is_lost: bool,
    /// How much of the log is kept for it.
    #[diesel(sql_type = BigInt)]
    pub(crate) retained_bytes: i64,
}

/// Looks for the slot.
pub(crate) fn find(connection: &mut PgConnection, name: &str) -> QueryResult<Option<Slot>> {
    let look = "SELECT coalesce(wal_status = 'lost', false) AS is_lost,
            coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint AS retained_bytes
        FROM pg_replication_slots WHERE slot_name = $1 AND database = current_database()";
    sql_query(look).bind::<Text, _>(name).get_result(connection).optional()
}

/// Makes a slot that goes with the connection, and gives its name. What was committed before is not in it.
pub(crate) fn create_temporary(connection: &mut PgConnection, name: &str) -> QueryResult<String> {
    let create = "SELECT slot_name::text AS value FROM pg_create_logical_replication_slot(
        left($1, 40) || '_new_' || pg_backend_pid(), 'pgoutput', true)";
    let Setting { value } = sql_query(create).bind::<Text, _>(name).get_result(connection)?;
    Ok(value)
}

/// Makes the temporary slot a lasting one, from the same place in the log.
pub(crate) fn make_last(connection: &mut PgConnection, temporary: &str, name: &str) -> QueryResult<()> {
    let copy = "SELECT pg_copy_logical_replication_slot($1, $2, false)";
    sql_query(copy).bind::<Text, _>(temporary).bind::<Text, _>(name).execute(connection)?;
    drop_temporary(connection, temporary)
}

/// Drops a temporary slot of this connection.
pub(crate) fn drop_temporary(connection: &mut PgConnection, name: &str) -> QueryResult<()> {
    sql_query("SELECT pg_drop_replication_slot($1)").bind::<Text, _>(name).execute(connection).map(drop)
}

/// Drops the slot, if it is there and nobody reads through it.
pub(crate) fn give_up(connection: &mut PgConnection, name: &str) -> QueryResult<()> {
    let drop_it = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
        WHERE slot_name = $1 AND database = current_database() AND NOT active";
    sql_query(drop_it).bind::<Text, _>(name).execute(connection).map(drop)
}

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    value: String,
}

fn setting(connection: &mut PgConnection, name: &str) -> QueryResult<String> {
    let setting: Setting =
        sql_query("SELECT current_setting($1) AS value").bind::<Text, _>(name).get_result(connection)?;
    Ok(setting.value)
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Nullable<Oid>)]
    number: Option<u32>,
    #[diesel(sql_type = Bool)]
    is_published: bool,
    #[diesel(sql_type = Bool)]
    has_whole_rows: bool,
}

/// The numbers of the models' tables, as the stream has them.
pub(crate) fn tables(connection: &mut PgConnection, watched: &[Watched]) -> QueryResult<Vec<Option<u32>>> {
    let number = |watched: &Watched| {
        let found: Found = look_at(connection, watched, "")?;
        Ok(found.number)
    };
    watched.iter().map(number).collect()
}

fn look_at(connection: &mut PgConnection, watched: &Watched, publication: &str) -> QueryResult<Found> {
    let look = "SELECT c.oid AS number, coalesce(c.relreplident = 'f', false) AS has_whole_rows,
            EXISTS (SELECT FROM pg_publication_tables AS p
                WHERE p.pubname = $2 AND format('%I.%I', p.schemaname, p.tablename)::regclass = c.oid) AS is_published
        FROM (SELECT to_regclass($1) AS oid) AS named LEFT JOIN pg_class AS c USING (oid)";
    sql_query(look).bind::<Text, _>(&watched.table).bind::<Text, _>(publication).get_result(connection)
}

/// Says through `tracing` what would leave changes unseen or make them dear, and fails where nothing can be followed.
pub(crate) fn check(
    connection: &mut PgConnection,
    watched: &[Watched],
    needs_whole_rows: &[bool],
    publication: &str,
) -> Result<(), Error> {
    let level = setting(connection, "wal_level")?;
    if level != "logical" {
        return Err(Error::WalLevel { level });
    }
    if setting(connection, "max_slot_wal_keep_size")? == "-1" {
        tracing::warn!(
            "max_slot_wal_keep_size is not set: a slot that nobody reads keeps the log until the disk is full"
        );
    }
    for (watched, needs_whole_rows) in watched.iter().zip(needs_whole_rows) {
        let found = look_at(connection, watched, publication)?;
        if found.number.is_none() || !found.is_published {
            tracing::error!(table = watched.table, publication, "the table is not published: its changes are not seen");
        } else if *needs_whole_rows && !found.has_whole_rows {
            tracing::warn!(
                table = watched.table,
                "without REPLICA IDENTITY FULL every update of the table empties all of the model's cells"
            );
        }
    }
    Ok(())
}
