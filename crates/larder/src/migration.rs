//! SQL for migrations of the application's own, made of what its models say: to be read, put into a folder by the diesel CLI's rules,
//! and run by that. The crate `larder-cli` prints it.

use diesel::pg::Pg;

use crate::{
    models::{Model, Models},
    triggers::identifier,
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
    let indexes = indexes(model);
    Ok(Migration {
        up: format!("CREATE MATERIALIZED VIEW {view} AS\n{query};\n\n{indexes}"),
        down: format!("DROP MATERIALIZED VIEW IF EXISTS {view};\n"),
    })
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

/// A query as it would stand at the margin, without what ends it.
fn dedented(query: &str) -> String {
    let query = query.trim_end().trim_end_matches(';').trim_end();
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
        ] {
            assert_eq!(dedented(query), expected, "{query:?}");
        }
    }
}
