//! Whose fault it is that the database has refused something, by its own code for it.

use diesel::{
    RunQueryDsl as _,
    dsl::sql,
    pg::Pg,
    result::{DatabaseErrorKind as Kind, Error as Diesel},
    select, sql_query,
    sql_types::Text,
};

use super::{
    apply::{Shape, Types, sources},
    change::Change,
    models::Model,
};
use crate::{
    error::{Error, Result},
    statement::Statement,
    transaction::Tx,
};

/// What becomes of changes that can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are bad themselves: they will not be written for as long as they stay as they are.
    Rejected,
    /// Nothing that is here now can write them: somebody else may, for some time.
    Unfit,
    /// It is not on them, and ends: they wait.
    Waits,
}

/// The verdict on a row that was refused with this code, while the same statement goes well for no rows.
pub(super) fn on_row(code: &str) -> Verdict {
    match code.get(..2) {
        // Too many or too few rows, no good value, a constraint, a check of a view, a limit of a single row, and what functions raise.
        Some("09" | "21" | "22" | "23" | "27" | "38" | "39" | "44" | "54" | "P0") => Verdict::Rejected,
        // What is none of PostgreSQL's or the standard's own is an application's.
        Some(class) if !KNOWN.contains(&class) => Verdict::Rejected,
        Some("08" | "25" | "40" | "53" | "55" | "57" | "58" | "72" | "XX") | None => Verdict::Waits,
        // As of a trigger that calls what is not there.
        Some(_) => Verdict::Unfit,
    }
}

/// The verdict on changes for whom a statement was refused with this code, as it is for no rows at all.
pub(super) fn on_statement(code: &str) -> Verdict {
    match code {
        // No such right, column, table or schema: that comes with the next migration.
        "42501" | "42703" | "42P01" | "3F000" => Verdict::Waits,
        // Another type, which has no such operator, or another number of columns.
        _ if code.starts_with("42") || code.starts_with("22") || code.starts_with("0A") => Verdict::Unfit,
        _ => Verdict::Waits,
    }
}

/// All classes of codes that PostgreSQL has.
const KNOWN: [&str; 43] = [
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22", "23", "24", "25",
    "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40", "42", "44", "53", "54", "55", "57",
    "58", "72", "F0", "HV", "XX",
];

/// Whether an error says by itself that it is on the rows.
pub(super) fn is_of_the_rows(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::UniqueViolation
            | Kind::ForeignKeyViolation
            | Kind::NotNullViolation
            | Kind::CheckViolation
            | Kind::RestrictViolation
            | Kind::ExclusionViolation
    )
}

/// What the database says to changes that it has refused.
pub(super) enum Answer {
    /// Its code, and what it says beside.
    Code(String, String),
    /// A value is none of its type.
    NoValue(Error),
    /// The statement was cancelled, or could not be sent.
    Nothing(Error),
}

/// Asks the database what is wrong with changes. None of them has happened then.
///
/// Diesel gives few codes away, so a block of PL/pgSQL tells them: the same UPDATE, its values as text. Such a block does not catch that it
/// is cancelled. Six short statements.
pub(super) fn ask(tx: &Tx<Pg>, (model, shape, types): (&Model, &Shape, &Types), changes: &[&Change]) -> Result<Answer> {
    const RUN: &str = "DO $larder$ BEGIN
            EXECUTE current_setting('larder.behind_statement');
            PERFORM set_config('larder.behind_answer', '00000', true);
        EXCEPTION WHEN OTHERS OR ASSERT_FAILURE THEN
            PERFORM set_config('larder.behind_answer', SQLSTATE || SQLERRM, true);
        END $larder$";
    let (mut has_values, mut answer) = (false, None);
    let rolled_back = tx.savepoint(|tx| -> Result<()> {
        let keep = keep(tx, (model, shape, types), changes)?;
        tx.run(|connection| keep.execute(connection))?;
        has_values = true;
        tx.run(|connection| sql_query(RUN).execute(connection))?;
        let setting = sql::<Text>("current_setting('larder.behind_answer')");
        answer = Some(tx.run(|connection| select(setting).get_result::<String>(connection))?);
        Err(Diesel::RollbackTransaction.into())
    });
    match (answer, rolled_back) {
        (Some(answer), Err(Error::Database(Diesel::RollbackTransaction))) => {
            let (code, message) = answer.split_at_checked(5).unwrap_or((&answer, ""));
            Ok(Answer::Code(code.to_owned(), message.to_owned()))
        }
        (None, Err(error @ Error::Database(Diesel::DatabaseError(Kind::Unknown, _)))) => {
            Ok(if has_values { Answer::Nothing(error) } else { Answer::NoValue(error) })
        }
        (_, Err(error)) => Err(error),
        (_, Ok(())) => Err(Error::Doomed),
    }
}

/// Puts the values and the statement that takes them from there into settings of the transaction.
fn keep<'q>(
    tx: &Tx<Pg>,
    (model, shape, types): (&Model, &'q Shape, &Types),
    changes: &[&'q Change],
) -> Result<Statement<'q, Pg>> {
    let (mut keep, mut kept) = (Statement::new(), Vec::new());
    keep.sql("SELECT ");
    for (at, source) in sources(shape, types, changes)?.into_iter().enumerate() {
        keep.sql(format!("set_config('larder.behind_{at}', CAST(")).fragment(Box::new(source.array));
        keep.sql(" AS text), true), ");
        let mut array = Statement::<Pg>::new();
        array.sql(format!("CAST(current_setting('larder.behind_{at}') AS {})", source.sql_type));
        kept.push(array);
    }
    let text = (model.text)(tx, shape, kept).ok_or(Diesel::NotFound)?;
    keep.sql("set_config('larder.behind_statement', ").bind::<Text, String>(text).sql(", true)");
    keep.unprepared();
    Ok(keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_on_the_row_is_laid_to_it() {
        for code in ["22003", "22P02", "23514", "44000", "54000", "P0001", "SHOP1", "U0042"] {
            assert_eq!(on_row(code), Verdict::Rejected, "{code}");
        }
        for code in
            ["40001", "40P01", "53100", "53200", "55P03", "57014", "57P01", "58030", "25006", "08006", "XX000", ""]
        {
            assert_eq!(on_row(code), Verdict::Waits, "{code}");
        }
        for code in ["42501", "42P01", "0A000", "28000", "42883"] {
            assert_eq!(on_row(code), Verdict::Unfit, "{code}");
        }
        for (code, verdict) in [
            ("42703", Verdict::Waits),
            ("42P01", Verdict::Waits),
            ("42501", Verdict::Waits),
            ("53200", Verdict::Waits),
            ("42804", Verdict::Unfit),
            ("42P10", Verdict::Unfit),
            ("42601", Verdict::Unfit),
        ] {
            assert_eq!(on_statement(code), verdict, "{code}");
        }
    }
}
