//! The columns that larder writes beside what an UPDATE was asked for.

use diesel::query_builder::{QueryBuilder, QueryFragment};

use crate::{
    backend::Backend,
    entity::Table,
    error::{Error, Result},
    guards::Stamp,
    load,
    statement::Statement,
};

/// What stands behind the caller's own assignments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Guarded {
    bumps: Option<&'static str>,
    stamps: Option<Stamp>,
}

impl Guarded {
    /// What an UPDATE of `E` sets that was asked for nothing of the kind.
    pub(crate) fn of<DB: Backend, E: Table<DB>>() -> Self {
        Self { bumps: E::GUARDS.version, stamps: E::GUARDS.updated_at }
    }

    /// Appends `, version = t.version + 1, updated_at = now`.
    pub(crate) fn push<DB: Backend, E: Table<DB>>(self, statement: &mut Statement<'_, DB>) {
        if let Some(version) = self.bumps {
            statement.sql(", ").identifier(version).sql(" = ").fragment(load::table::<DB, E>());
            statement.sql(".").identifier(version).sql(" + 1");
        }
        if let Some(updated_at) = self.stamps {
            statement.sql(", ").identifier(updated_at.column).sql(" = ").sql(DB::now(updated_at.form));
        }
    }
}

/// What is to be set beside these changes. A time of change that they set themselves is theirs.
///
/// # Errors
/// [`Error::SetByLarder`] if they set what larder alone may: two assignments of one column are an error on PostgreSQL, and on others one
/// of them is lost.
pub(crate) fn guarded<DB: Backend, E: Table<DB>>(changes: &impl QueryFragment<DB>) -> Result<Guarded> {
    let guarded = Guarded::of::<DB, E>();
    if guarded == Guarded::default() && E::GUARDS.created_at.is_none() {
        return Ok(guarded);
    }
    let mut sql = DB::QueryBuilder::default();
    changes.to_sql(&mut sql, &DB::default())?;
    let sql = sql.finish();
    let created_at = E::GUARDS.created_at.map(|stamp| stamp.column);
    for column in [E::GUARDS.version, created_at].into_iter().flatten() {
        if assigns::<DB>(&sql, column)? {
            return Err(Error::SetByLarder { table: E::NAME, column });
        }
    }
    match guarded.stamps {
        Some(updated_at) if assigns::<DB>(&sql, updated_at.column)? => Ok(Guarded { stamps: None, ..guarded }),
        _ => Ok(guarded),
    }
}

/// Whether the text of a changeset sets a column: Diesel writes its bare name there, and everywhere else the table in front of it.
fn assigns<DB: Backend>(changes: &str, column: &'static str) -> Result<bool> {
    let mut name = DB::QueryBuilder::default();
    name.push_identifier(column)?;
    let assignment = format!("{} = ", name.finish());
    let mut places = changes.match_indices(&assignment).map(|(at, _)| &changes[..at]);
    Ok(places.any(|before| before.is_empty() || before.ends_with(", ")))
}

/// Appends a condition, and that the row is not deleted.
pub(crate) fn live<'q, DB: Backend, E: Table<DB>>(
    condition: impl FnOnce(&mut Statement<'q, DB>),
    statement: &mut Statement<'q, DB>,
) {
    if E::GUARDS.deleted_at.is_none() {
        return condition(statement);
    }
    statement.sql("(");
    condition(statement);
    statement.sql(")");
    load::and_live::<DB, E>(statement);
}
