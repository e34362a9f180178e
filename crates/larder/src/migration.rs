//! SQL for migrations of the application's own, made of what its models say: to be read, put into a folder by the diesel CLI's rules,
//! and run by that. The crate `larder-cli` prints it.

use std::time::SystemTime;

use diesel::pg::Pg;

use crate::{
    models::{Model, Models},
    partitions,
    tenant::policy,
    triggers::identifier,
    upkeep::Maintained,
};

/// What makes something in the database, and what takes it away again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The text of `up.sql`.
    pub up: String,
    /// The text of `down.sql`. Run twice, it does nothing.
    pub down: String,
}

/// Why there is no migration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// None of the models is a view of that name.
    #[error("there is no materialized view {name:?} among the models{}", named(known))]
    NoSuchView {
        /// What was asked for.
        name: String,
        /// The names of the views that there are.
        known: Vec<&'static str>,
    },
    /// None of the models is maintained under that name.
    #[error("no columns of {name:?} are maintained by the models{}", named(known))]
    NothingMaintained {
        /// What was asked for.
        name: String,
        /// The names of those of which columns are.
        known: Vec<&'static str>,
    },
    /// Rows of none of the models belong to tenants.
    #[error("no model has rows of tenants: `#[larder(tenant = field)]` says so")]
    NoTenants,
    /// None of the models of that name says how its table is cut into partitions.
    #[error("there is no partitioned table {name:?} among the models{}", named(known))]
    NotPartitioned {
        /// What was asked for.
        name: String,
        /// The names of those that there are.
        known: Vec<&'static str>,
    },
    /// The view's model does not say what the view's query is, and nobody else has.
    #[error("the query of {view:?} is not known: write `#[larder(query = \"..\")]` on its model, or give it")]
    NoQuery {
        /// The view.
        view: &'static str,
    },
}

fn named(known: &[&str]) -> String {
    if known.is_empty() { String::new() } else { format!(": {}", known.join(", ")) }
}

/// Makes the tables of write-behind (feature `behind`): how far each writer's changes are written, what can't be yet, and what the database has
/// rejected.
#[must_use]
pub fn behind() -> Migration {
    Migration { up: include_str!("behind/up.sql").to_owned(), down: include_str!("behind/down.sql").to_owned() }
}

/// Makes the materialized view of a model, with an index for each way in which its rows are found. That of the primary key is unique, so
/// that refreshes can go on [concurrently](crate::refresh::Manner::Concurrently).
///
/// `name` is one of [`Models::names`]. `query` takes the place of what the model says.
///
/// # Errors
/// [`Error::NoSuchView`] and [`Error::NoQuery`].
pub fn view(models: &Models<Pg>, name: &str, query: Option<&str>) -> Result<Migration, Error> {
    let Some((model, viewed)) = models.named(name).and_then(|model| Some((model, model.view?))) else {
        let known = models.iter().filter(|model| model.view.is_some()).map(|model| model.name).collect();
        return Err(Error::NoSuchView { name: name.to_owned(), known });
    };
    let query = query.or(viewed.query).ok_or(Error::NoQuery { view: model.name })?;
    let (view, query) = (&model.table, dedented(query));
    // Behind a comment it would be one of its words.
    let end = if query.lines().next_back().is_some_and(|line| line.contains("--")) { "\n;" } else { ";" };
    let indexes = indexes(model);
    Ok(Migration {
        up: format!("CREATE MATERIALIZED VIEW {view} AS\n{query}{end}\n\n{indexes}"),
        down: format!("DROP MATERIALIZED VIEW IF EXISTS {view};\n"),
    })
}

/// Has PostgreSQL itself keep the rows of tenants' models apart: a policy for each, by which a tenant sees and writes those rows whose it is,
/// also for the table's owner. [`Builder::row_security`](crate::Builder::row_security) names the tenant to it.
///
/// Superusers and roles with BYPASSRLS pass by policies: the application's role must be neither, and that of a relay, of
/// [`verify`](crate::Larder::verify) and of whatever else works for [all tenants](crate::Larder::all_tenants) has to be one. Who has named nobody
/// is refused with an error, and does not see an empty table.
///
/// # Errors
/// [`Error::NoTenants`].
pub fn tenant(models: &Models<Pg>) -> Result<Migration, Error> {
    let (up, down) = policy::migration(models).ok_or(Error::NoTenants)?;
    Ok(Migration { up, down })
}

/// Makes the columns that other models maintain in one: its table, where they insert its rows, or the columns in the table that is there.
///
/// `name` is what the cells of that model are called, which is its table's name unless it says otherwise; the models that maintain it have
/// to be among `models`. The columns hold zeros until they are [computed](crate::upkeep::Upkeeps::rebuild).
///
/// # Errors
/// [`Error::NothingMaintained`].
pub fn upkeep(models: &Models<Pg>, name: &str) -> Result<Migration, Error> {
    let all: Vec<&Maintained<Pg>> = models.iter().flat_map(|model| &model.maintains).collect();
    let of_it: Vec<&Maintained<Pg>> = all.iter().copied().filter(|maintained| maintained.name == name).collect();
    let Some(first) = of_it.first() else {
        let mut known: Vec<_> = all.iter().map(|maintained| maintained.name).collect();
        known.sort_unstable();
        known.dedup();
        return Err(Error::NothingMaintained { name: name.to_owned(), known });
    };
    let (table, columns) = (&first.target, of_it.iter().flat_map(|maintained| maintained.columns));
    let mut up =
        "-- Zeros, until they are computed: `upkeep --rebuild`, as soon as every process that writes maintains them.\n"
            .to_owned();
    for Maintained { child, by, .. } in &of_it {
        let by = by.iter().map(|column| identifier(column)).collect::<Vec<_>>().join(", ");
        up += &format!("-- They are computed by {child} ({by}), which should have an index.\n");
    }
    let down = match of_it.iter().find(|maintained| maintained.inserts) {
        Some(Maintained { child, key, by, .. }) => {
            let keys = key.iter().zip(*by).map(|(key, by)| format!("{} AS {}", identifier(by), identifier(key)));
            let zeros = columns.clone().map(|column| format!("0::{} AS {}", column.sql_type, identifier(column.name)));
            let selected = keys.chain(zeros).collect::<Vec<_>>().join(",\n       ");
            let key = key.iter().map(|column| identifier(column)).collect::<Vec<_>>().join(", ");
            let defaults = columns.map(|column| {
                let name = identifier(column.name);
                format!("    ALTER COLUMN {name} SET NOT NULL,\n    ALTER COLUMN {name} SET DEFAULT 0")
            });
            let defaults = defaults.collect::<Vec<_>>().join(",\n");
            // The types of the key are those of the columns that refer to it.
            up += &format!("CREATE TABLE {table} AS\nSELECT {selected}\nFROM {child}\nWITH NO DATA;\n\n");
            up += &format!("ALTER TABLE {table}\n    ADD PRIMARY KEY ({key}),\n{defaults};\n");
            format!("DROP TABLE IF EXISTS {table};\n")
        }
        None => {
            let added = columns.clone().map(|column| {
                format!("    ADD COLUMN {} {} DEFAULT 0 NOT NULL", identifier(column.name), column.sql_type)
            });
            up += &format!("ALTER TABLE {table}\n{};\n", added.collect::<Vec<_>>().join(",\n"));
            let dropped = columns.map(|column| format!("    DROP COLUMN IF EXISTS {}", identifier(column.name)));
            format!("ALTER TABLE {table}\n{};\n", dropped.collect::<Vec<_>>().join(",\n"))
        }
    };
    Ok(Migration { up, down })
}

/// Makes the table of a model one in partitions, and one table of them again. The table has to be there, empty or not; `at` is about when the
/// migration is run.
///
/// By ranges, the table that was there becomes the partition of all rows up to a bound ahead of now, as it lies on the disk; by values it
/// becomes the default partition; for a hash all rows are copied, as they are on the way back. Run twice, it does nothing. Rights, the owner,
/// foreign keys to other tables, defaults and identities go over to the new table. Where there are views, triggers, policies, publications, or
/// foreign keys that lead to the table, it fails and says which they are. `docs/partitions.md` tells for how long it locks the table, and
/// what makes that a moment.
///
/// # Errors
/// [`Error::NotPartitioned`].
pub fn partition(models: &Models<Pg>, name: &str, at: SystemTime) -> Result<Migration, Error> {
    partitions::migration::partition(models, name, at)
}

fn indexes(model: &Model<Pg>) -> String {
    let mut sql = "-- By it a refresh finds what has changed, and readers go on reading meanwhile.\n".to_owned();
    for pattern in &model.patterns {
        let unique = if pattern.is_unique { "UNIQUE " } else { "" };
        let columns = pattern.names.iter().map(|column| identifier(column)).collect::<Vec<_>>().join(", ");
        sql += &format!("CREATE {unique}INDEX ON {} ({columns});\n", model.table);
    }
    sql
}

/// A query as it would stand at the margin, without what ends it. One with a literal of several lines stays as it stands: blanks in there count.
fn dedented(query: &str) -> String {
    let query = query.trim_end().trim_end_matches(';').trim_end();
    let may_be_open =
        |line: &str| line.contains('$') || ['\'', '"'].iter().any(|quote| line.matches(*quote).count() % 2 == 1);
    if query.lines().any(may_be_open) {
        return query.to_owned();
    }
    let lines: Vec<&str> = query.lines().skip_while(|line| line.trim().is_empty()).collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    // What begins right behind the quote says nothing of how far the others are in.
    let (first, rest) = lines.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
    let filled = rest.iter().filter(|line| !line.trim().is_empty()).map(|line| indent(line));
    let margin = if indent(first) > 0 || rest.is_empty() { filled.chain([indent(first)]).min() } else { filled.min() };
    let margin = margin.unwrap_or(0);
    lines
        .iter()
        .map(|line| line.get(margin.min(indent(line))..).unwrap_or("").trim_end())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_stands_at_the_margin_as_it_stood_in_the_model() {
        for (query, expected) in [
            ("SELECT 1", "SELECT 1"),
            ("  SELECT 1 ; \n", "SELECT 1"),
            ("\n    SELECT a,\n           b\n    FROM c\n", "SELECT a,\n       b\nFROM c"),
            ("SELECT a\n    FROM b\n      WHERE c", "SELECT a\nFROM b\n  WHERE c"),
            ("\n    SELECT a\n\n    FROM b", "SELECT a\n\nFROM b"),
            ("", ""),
            ("\n    SELECT 'a\n      b'", "\n    SELECT 'a\n      b'"),
            ("  SELECT $$a\n  b$$;", "  SELECT $$a\n  b$$"),
        ] {
            assert_eq!(dedented(query), expected, "{query:?}");
        }
    }
}
