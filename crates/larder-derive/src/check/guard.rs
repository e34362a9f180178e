//! Rules of the columns that larder itself writes.

use syn::Ident;

use super::find_field;
use crate::{
    ast::Struct,
    attr::GuardAttrs,
    errors::Errors,
    facts::{Guards, ModelField, Source},
    names,
};

/// Which fields they are: `attrs` has what was written on each.
pub(super) fn guards(
    input: &Struct<'_>,
    source: Source,
    fields: &[ModelField<'_>],
    primary: &[usize],
    attrs: &[GuardAttrs],
    soft_delete: Option<&Ident>,
    errors: &mut Errors,
) -> Guards {
    let mut found = [None; 3];
    for (at, attrs) in attrs.iter().enumerate() {
        for (slot, word) in found.iter_mut().zip(attrs.words()) {
            let Some(word) = word else { continue };
            if slot.is_some() {
                // Two could not both be what a writer compares.
                errors.at(word, format!("a model has one `{word}` at most: remove one"));
            } else if rules(source, fields, primary, at, word, errors) {
                *slot = Some(at);
            }
        }
    }
    let [version, created_at, updated_at] = found;
    let deleted_at = soft_delete.and_then(|word| {
        let at = find_field(input.ident, fields.iter().map(|field| field.ident), word, errors)?;
        rules(source, fields, primary, at, word, errors).then_some(at)
    });
    if let (Some(word), Some(at)) = (soft_delete, deleted_at)
        && [version, created_at, updated_at].contains(&Some(at))
    {
        errors.at(word, format!("`{}` is set by other writes too: use a column of its own", names::plain(word)));
    }
    Guards { version, deleted_at, created_at, updated_at }
}

fn rules(
    source: Source,
    fields: &[ModelField<'_>],
    primary: &[usize],
    at: usize,
    word: &Ident,
    errors: &mut Errors,
) -> bool {
    let field = names::plain(fields[at].ident);
    let problem = if source == Source::MaterializedView {
        format!("a view is written by its refresh only: leave out `{}`", names::plain(word))
    } else if fields[at].column.is_none() {
        format!("`{field}` is an embedded struct: give the column a field of its own")
    } else if primary.contains(&at) && word != "created_at" {
        // A write would move the row: only the time of its creation is never written again.
        format!("`{field}` is in the primary key, which a write must not change: use another column")
    } else {
        return true;
    };
    errors.at(word, problem);
    false
}
