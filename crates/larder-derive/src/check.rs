//! Rules over the whole of what was written.

mod model;
mod pattern;
mod relation;
mod view;

use syn::Ident;

pub(crate) use self::{model::model, view::view};
use crate::{errors::Errors, names};

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
