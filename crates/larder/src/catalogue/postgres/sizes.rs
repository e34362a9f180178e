//! How much room tables and indexes take, as far as that can be asked for without waiting.

use std::collections::{HashMap, HashSet};

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
    result::{DatabaseErrorKind, Error, QueryResult},
    sql_query,
    sql_types::{BigInt, Bool, Nullable, Oid},
};

use super::sql;

#[derive(QueryableByName)]
struct SizeRow {
    #[diesel(sql_type = Oid)]
    oid: u32,
    #[diesel(sql_type = Nullable<BigInt>)]
    bytes: Option<i64>,
    #[diesel(sql_type = Bool)]
    is_locked: bool,
}

/// The sizes of tables and indexes, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    bytes: HashMap<u32, u64>,
    locked: HashSet<u32>,
    /// Somebody came to hold one of them while they were asked for.
    is_unknown: bool,
}

impl Sizes {
    /// The size of a table or an index.
    pub(super) fn of(&self, oid: u32) -> Option<u64> {
        self.bytes.get(&oid).copied()
    }

    /// Whether its size is not known, since somebody holds it.
    pub(super) fn is_locked(&self, oid: u32) -> bool {
        self.is_unknown || self.locked.contains(&oid)
    }

    /// Asks for all of them. In a transaction, of which a part is rolled back if it would have to wait.
    pub(super) fn read(connection: &mut PgConnection) -> QueryResult<Self> {
        let rows =
            connection.transaction::<Vec<SizeRow>, Error, _>(|connection| sql_query(sql::SIZES).load(connection));
        match rows {
            Ok(rows) => {
                let mut sizes = Self::default();
                for SizeRow { oid, bytes, is_locked } in rows {
                    sizes.bytes.extend(bytes.and_then(|n| u64::try_from(n).ok()).map(|n| (oid, n)));
                    sizes.locked.extend(is_locked.then_some(oid));
                }
                Ok(sizes)
            }
            // A lock that was taken since the statement began: the server's words for it depend on its language.
            Err(Error::DatabaseError(kind, _)) if !matches!(kind, DatabaseErrorKind::ClosedConnection) => {
                Ok(Self { is_unknown: true, ..Self::default() })
            }
            Err(error) => Err(error),
        }
    }
}
