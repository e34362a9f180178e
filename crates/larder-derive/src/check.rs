//! Rules over the whole of what was written.

mod guard;
mod maintains;
mod model;
mod near;
mod partition;
mod pattern;
mod relation;
mod source;
mod tenant;
mod view;

use syn::Ident;

pub(crate) use self::{model::model, view::view};
use crate::{errors::Errors, facts::ModelField, names};

/// Where the field of a column is, by the column's name: Diesel's attributes name columns, and larder's name fields.
fn find_column(model: &Ident, fields: &[ModelField<'_>], wanted: &Ident, errors: &mut Errors) -> Option<usize> {
    let name = names::plain(wanted);
    let columns: Vec<Option<String>> = fields.iter().map(|field| field.column_name().map(names::plain)).collect();
    let found = columns.iter().position(|column| column.as_ref() == Some(&name));
    if found.is_none() {
        let suggestion = names::suggestion(&name, columns.iter().flatten().map(String::as_str));
        errors.at(wanted, format!("`{model}` has no column `{name}`; {suggestion}"));
    }
    found
}

/// Where a field is, by its name.
fn find_field<'a>(
    model: &Ident,
    known: impl IntoIterator<Item = &'a Ident> + Clone,
    wanted: &Ident,
    errors: &mut Errors,
) -> Option<usize> {
    let name = names::plain(wanted);
    let names: Vec<String> = known.into_iter().map(names::plain).collect();
    let found = names.iter().position(|known| *known == name);
    if found.is_none() {
        let suggestion = names::suggestion(&name, names.iter().map(String::as_str));
        errors.at(wanted, format!("`{model}` has no field `{name}`; {suggestion}"));
    }
    found
}
