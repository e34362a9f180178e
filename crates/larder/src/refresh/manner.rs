//! How a view can be refreshed, and why.

use std::fmt;

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    pg::Pg,
    result::QueryResult,
    sql_query,
    sql_types::{Bool, Nullable, Text},
};

use crate::{entity::Table, models};

/// How a view was refreshed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Manner {
    /// Others could read the old rows until COMMIT. PostgreSQL compares new rows with old ones, and writes those that differ.
    Concurrently,
    /// Others who read the view had to wait.
    Exclusively(Reason),
}

/// Why a view can't be refreshed while others read it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It was never filled, so there is nothing to read either. The next refresh may be another.
    NotPopulated,
    /// It has no unique index.
    NoUniqueIndex,
    /// It has unique indexes, of which none will do.
    Unsuited {
        /// One of them.
        index: String,
        /// What is wrong with it.
        flaw: Flaw,
    },
}

/// Why a unique index does not tell a view's rows apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// It has a condition, so it is not of all rows.
    Partial,
    /// It is on an expression and not on columns only.
    OnExpressions,
    /// It could not be built, or is not a B-tree.
    Unusable,
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Concurrently => f.write_str("concurrently"),
            Self::Exclusively(reason) => write!(f, "exclusively, since {reason}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPopulated => f.write_str("the view was never filled"),
            Self::NoUniqueIndex => f.write_str("the view has no unique index"),
            Self::Unsuited { index, flaw } => write!(f, "its unique index {index} {flaw}"),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Partial => "has a condition",
            Self::OnExpressions => "is on an expression",
            Self::Unusable => "is unusable",
        })
    }
}

/// The view and its unique indexes, as PostgreSQL itself looks at them before it refreshes concurrently.
const LOOK: &str = "
    SELECT v.relispopulated AS is_populated, i.indexrelid::regclass::text AS index, i.indpred IS NOT NULL AS is_partial,
           0 = ANY (i.indkey) AS is_on_expressions,
           NOT (i.indisvalid AND i.indimmediate AND m.amname = 'btree') AS is_unusable
    FROM pg_class AS v
    LEFT JOIN pg_index AS i ON i.indrelid = v.oid AND i.indisunique
    LEFT JOIN pg_class AS c ON c.oid = i.indexrelid
    LEFT JOIN pg_am AS m ON m.oid = c.relam
    WHERE v.oid = CAST($1 AS regclass)
    ORDER BY i.indexrelid";

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Bool)]
    is_populated: bool,
    #[diesel(sql_type = Nullable<Text>)]
    index: Option<String>,
    #[diesel(sql_type = Nullable<Bool>)]
    is_partial: Option<bool>,
    #[diesel(sql_type = Nullable<Bool>)]
    is_on_expressions: Option<bool>,
    #[diesel(sql_type = Nullable<Bool>)]
    is_unusable: Option<bool>,
}

/// How the view can be refreshed now.
pub(super) fn of<E: Table<Pg>>(connection: &mut PgConnection) -> QueryResult<Manner> {
    let found: Vec<Found> = sql_query(LOOK).bind::<Text, _>(models::table_of::<Pg, E>()).load(connection)?;
    if found.iter().any(|found| !found.is_populated) {
        return Ok(Manner::Exclusively(Reason::NotPopulated));
    }
    let mut reason = Reason::NoUniqueIndex;
    for Found { index, is_partial, is_on_expressions, is_unusable, .. } in found {
        let Some(index) = index else { continue };
        let flaw = match (is_partial, is_on_expressions, is_unusable) {
            (Some(true), ..) => Flaw::Partial,
            (_, Some(true), _) => Flaw::OnExpressions,
            (.., Some(true)) => Flaw::Unusable,
            _ => return Ok(Manner::Concurrently),
        };
        reason = Reason::Unsuited { index, flaw };
    }
    Ok(Manner::Exclusively(reason))
}
