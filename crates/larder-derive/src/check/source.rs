//! Rules of what is a table and what is a view.

use syn::Ident;

use crate::{
    attr::{Diesel, ModelAttrs},
    errors::Errors,
    facts::Source,
};

/// A model must not say of a view what is true of tables only, nor the other way round.
pub(super) fn source(source: Source, model: &Ident, diesel: &Diesel, attrs: &ModelAttrs, errors: &mut Errors) {
    match source {
        Source::Table => table(attrs, errors),
        Source::MaterializedView => view(model, diesel, attrs, errors),
    }
}

fn table(attrs: &ModelAttrs, errors: &mut Errors) {
    if let Some(query) = &attrs.query {
        errors.at(&query.word, "only a view has a query: derive `MaterializedView` in the place of `Repository`");
    }
}

fn view(model: &Ident, diesel: &Diesel, attrs: &ModelAttrs, errors: &mut Errors) {
    if diesel.primary_key.is_none() {
        // The database knows none, and its refresh needs the index.
        errors.at(
            model,
            "a view has no primary key: name the columns of a unique index on it, by which a refresh tells its rows apart, \
             `#[diesel(primary_key(..))]`",
        );
    }
    let written = "a view is written by its refresh only";
    if let Some(given) = &attrs.write_through {
        errors.at(&given.word, format!("{written}: leave out `write_through`"));
    }
    if let Some(given) = &attrs.writes {
        errors.at(&given.word, format!("{written}: leave out `writes`"));
    }
    if attrs.near.near.is_some_and(crate::attr::Near::is_strict) {
        // Whoever keeps its rows is told after the refresh's COMMIT, and not before.
        errors.at(
            model,
            format!("{written}, of which nobody is told before it: write `near = bounded`, or `near = off`"),
        );
    }
    for relation in attrs.relations.iter().filter(|relation| relation.on_delete.is_some()) {
        errors.at(&relation.name, format!("{written}, so nothing goes with its rows: leave out `on_delete`"));
    }
}
