//! Looking whether maintained columns are what they should be.

use diesel::{deserialize, row::Row};

use super::{UpkeepOn, anew};
use crate::{
    backend::Backend,
    entity::{Entity as _, Pattern as _, Table},
    error::Result,
    load,
    lookout::Sent,
    row::{FromRow, RowReader, Text},
    session::Access,
    statement::Statement,
};

/// A row whose maintained columns are not what its children come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The table that has the columns, as its cells are called.
    pub table: &'static str,
    /// The table of which they are maintained.
    pub of: &'static str,
    /// The row's primary key: a JSON array.
    pub key: String,
    /// What the columns say: a JSON object. `None` if there is no such row.
    pub is: Option<String>,
    /// What they should say. `None` if there should be no such row.
    pub should_be: Option<String>,
}

/// Compares all rows, as of one instant: no write in flight makes a difference.
pub(super) fn check<DB: Backend, U: UpkeepOn<DB>>(access: Access<'_, DB>, at_most: usize) -> Result<Vec<Difference>> {
    let keys = <U::Target as Table<DB>>::ByKey::COLUMNS;
    let mut statement = Statement::new();
    statement.sql("SELECT CAST(jsonb_build_array(").separated(", ", keys.iter().enumerate(), |statement, (at, key)| {
        statement.sql("coalesce(larder_target.").identifier(key).sql(format!(", larder_truth.k{at})"));
    });
    statement.sql(") AS text), CASE WHEN larder_target.").identifier(keys.first().copied().unwrap_or_default());
    statement.sql(" IS NOT NULL THEN ");
    push_object::<DB, U>(&mut statement, |statement, _, name| {
        statement.sql("larder_target.").identifier(name);
    });
    statement.sql(" END, ");
    // Where a row without children should not be there, it should say nothing.
    if U::DELETES.is_some() {
        statement.sql("CASE WHEN larder_truth.k0 IS NOT NULL THEN ");
    }
    push_object::<DB, U>(&mut statement, |statement, at, _| {
        statement.sql(format!("coalesce(larder_truth.d{at}, 0)"));
    });
    if U::DELETES.is_some() {
        statement.sql(" END");
    }
    statement.sql(" FROM ").fragment(load::table::<DB, U::Target>()).sql(" AS larder_target ");
    // What refers to nothing is nobody's mistake where rows are not inserted for it.
    statement.sql(if U::INSERTS { "FULL JOIN (SELECT " } else { "LEFT JOIN (SELECT " });
    statement.separated(", ", U::By::COLUMNS.iter().enumerate(), |statement, (at, by)| {
        statement.sql("larder_child.").identifier(by).sql(format!(" AS k{at}"));
    });
    statement.sql(", ");
    anew::push_sums::<DB, U>(&mut statement);
    statement.sql(" FROM ").fragment(load::table::<DB, U::Child>()).sql(" AS larder_child WHERE ");
    statement.separated(" AND ", U::By::COLUMNS, |statement, by| {
        statement.sql("larder_child.").identifier(by).sql(" IS NOT NULL");
    });
    load::and_live_as::<U::Child, DB>("larder_child", &mut statement);
    statement.sql(" GROUP BY ").separated(", ", U::By::COLUMNS, |statement, by| {
        statement.sql("larder_child.").identifier(by);
    });
    statement.sql(") AS larder_truth ON ").separated(" AND ", keys.iter().enumerate(), |statement, (at, key)| {
        statement.sql("larder_target.").identifier(key).sql(format!(" = larder_truth.k{at}"));
    });
    statement.sql(" WHERE ").separated(" OR ", U::COLUMNS.iter().enumerate(), |statement, (at, column)| {
        statement.sql("larder_target.").identifier(column.name);
        statement.sql(format!(" IS DISTINCT FROM coalesce(larder_truth.d{at}, 0)"));
    });
    if U::DELETES.is_some() {
        statement.sql(" OR larder_truth.k0 IS NULL");
    }
    statement.sql(" ORDER BY 1 LIMIT ");
    DB::bind_limit(at_most, &mut statement);
    let sent = Sent { operation: "SELECT", is_own: true, is_call: false };
    let found: Vec<Found> = access.select::<U::Target, _>(sent, statement)?;
    let difference = |Found { key, is, should_be }| Difference {
        table: U::Target::cells_name(),
        of: U::Child::cells_name(),
        key,
        is,
        should_be,
    };
    Ok(found.into_iter().map(difference).collect())
}

/// The maintained columns as a JSON object.
fn push_object<'q, DB: Backend, U: UpkeepOn<DB>>(
    statement: &mut Statement<'q, DB>,
    mut value: impl FnMut(&mut Statement<'q, DB>, usize, &'static str),
) {
    statement.sql("CAST(jsonb_build_object(").separated(
        ", ",
        U::COLUMNS.iter().enumerate(),
        |statement, (at, column)| {
            statement.sql(format!("'{}', ", column.name.replace('\'', "''")));
            value(statement, at, column.name);
        },
    );
    statement.sql(") AS text)");
}

struct Found {
    key: String,
    is: Option<String>,
    should_be: Option<String>,
}

impl<DB: Backend> FromRow<DB> for Found {
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let [Text(key), Text(is), Text(should_be)] = [Text::from_row(row)?, Text::from_row(row)?, Text::from_row(row)?];
        Ok(Self { key: key.unwrap_or_default(), is, should_be })
    }
}
