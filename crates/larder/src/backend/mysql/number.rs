//! The numbers of errors, of which Diesel gives a kind for some and a text, in the server's language, for all others.

use diesel::{
    MysqlConnection, QueryableByName, RunQueryDsl as _,
    connection::{CacheSize, Connection as _, SimpleConnection as _},
    result::{DatabaseErrorInformation, DatabaseErrorKind, Error, QueryResult},
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};

/// A lock was waited for too long, or was not to be waited for on MariaDB: InnoDB undoes the statement, or all where it is told to.
const LOCK_WAIT: u32 = 1205;
/// A lock was not to be waited for, on MySQL.
const LOCK_NOWAIT: u32 = 3572;
/// Two waited for each other: InnoDB has rolled all back.
const DEADLOCK: u32 = 1213;
/// The row has changed since the snapshot (MariaDB, `innodb_snapshot_isolation`): the same.
const RECORD_CHANGED: u32 = 1020;
/// There is no memory for more locks: the same.
const LOCK_TABLE_FULL: u32 = 1206;

/// What a number is told by: MySQL has no details of its own.
const MARK: &str = "error number ";

/// What the server said, and by which number.
#[derive(Debug)]
struct Numbered {
    message: String,
    details: String,
}

impl DatabaseErrorInformation for Numbered {
    fn message(&self) -> &str {
        &self.message
    }

    fn details(&self) -> Option<&str> {
        Some(&self.details)
    }

    fn hint(&self) -> Option<&str> {
        None
    }

    fn table_name(&self) -> Option<&str> {
        None
    }

    fn column_name(&self) -> Option<&str> {
        None
    }

    fn constraint_name(&self) -> Option<&str> {
        None
    }

    fn statement_position(&self) -> Option<i32> {
        None
    }
}

#[derive(QueryableByName)]
struct Shown {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    message: Option<String>,
}

/// The number of an error, if it has been asked for.
fn number(error: &Error) -> Option<u32> {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Some(DEADLOCK),
        Error::DatabaseError(DatabaseErrorKind::Unknown, info) => info.details()?.strip_prefix(MARK)?.parse().ok(),
        _ => None,
    }
}

/// Whether all was rolled back for others' sake.
pub(crate) fn is_collision(error: &Error) -> bool {
    matches!(number(error), Some(DEADLOCK | RECORD_CHANGED))
}

/// Whether a lock was not to be had in time.
pub(crate) fn is_lock_wait(error: &Error) -> bool {
    matches!(number(error), Some(LOCK_WAIT | LOCK_NOWAIT))
}

/// The same error with its number, if the statement that failed was the last one: a round trip, for what Diesel knows no kind of.
pub(super) fn numbered(connection: &mut MysqlConnection, error: Error) -> Error {
    let error = match error {
        Error::DatabaseError(DatabaseErrorKind::Unknown, info) => with_number(connection, info),
        other => other,
    };
    forget_statements(connection, &error);
    error
}

/// Has the connection prepare its statements anew after an error that may have come in the middle of rows. The client library takes the rest of
/// them for still to come: where the same prepared statement is sent again, it waits for them until the server ends the connection.
pub(super) fn forget_statements(connection: &mut MysqlConnection, error: &Error) {
    use DatabaseErrorKind::{SerializationFailure, Unknown};
    if matches!(error, Error::DatabaseError(Unknown | SerializationFailure, _)) {
        connection.set_prepared_statement_cache_size(CacheSize::Disabled);
        connection.set_prepared_statement_cache_size(CacheSize::Unbounded);
    }
}

fn with_number(connection: &mut MysqlConnection, info: Box<dyn DatabaseErrorInformation + Send + Sync>) -> Error {
    if info.details().is_some() {
        return Error::DatabaseError(DatabaseErrorKind::Unknown, info);
    }
    match shown(connection) {
        Ok(Shown { number: Some(number), message: Some(message) }) if message == info.message() => {
            let info = Numbered { message, details: format!("{MARK}{number}") };
            Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(info))
        }
        _ => Error::DatabaseError(DatabaseErrorKind::Unknown, info),
    }
}

/// What the server knows of the last statement. To prepare anything, `SHOW ERRORS` too, would make it forget that.
fn shown(connection: &mut MysqlConnection) -> QueryResult<Shown> {
    connection.batch_execute(
        "GET DIAGNOSTICS @larder_n = NUMBER; \
         GET DIAGNOSTICS CONDITION @larder_n @larder_number = MYSQL_ERRNO, @larder_message = MESSAGE_TEXT",
    )?;
    sql_query("SELECT CAST(@larder_number AS SIGNED) AS number, CAST(@larder_message AS CHAR) AS message")
        .get_result(connection)
}

/// Whether InnoDB has rolled back the whole transaction at that error.
pub(super) fn has_ended(connection: &mut MysqlConnection, error: &Error) -> bool {
    match number(error) {
        Some(DEADLOCK | RECORD_CHANGED | LOCK_TABLE_FULL) => true,
        Some(LOCK_WAIT) => rolls_back_on_timeout(connection).unwrap_or(true),
        _ => false,
    }
}

fn rolls_back_on_timeout(connection: &mut MysqlConnection) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Set {
        #[diesel(sql_type = BigInt)]
        is_set: i64,
    }
    let set: Set = sql_query("SELECT @@innodb_rollback_on_timeout AS is_set").get_result(connection)?;
    Ok(set.is_set != 0)
}
