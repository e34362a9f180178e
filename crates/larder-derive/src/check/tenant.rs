//! Rules of models whose rows belong to tenants.

use syn::Ident;

use super::find_field;
use crate::{
    errors::Errors,
    facts::{ModelField, tuple},
};

/// Where the tenant's field is: the first of the primary key.
pub(super) fn tenant(
    model: &Ident,
    fields: &[ModelField<'_>],
    written: Option<&Ident>,
    primary: &[usize],
    errors: &mut Errors,
) -> Option<usize> {
    let written = written?;
    let at = find_field(model, fields.iter().map(|field| field.ident), written, errors)?;
    if primary.first() == Some(&at) {
        return Some(at);
    }
    let Some(tenant) = fields[at].column_name() else {
        errors.at(written, format!("`{written}` is an embedded struct: make the tenant's column a field"));
        return None;
    };
    // Every key of the model begins with its tenant, so that no two tenants share one.
    let others = primary.iter().filter(|other| **other != at).filter_map(|other| fields[*other].column_name());
    let key: Vec<&Ident> = std::iter::once(tenant).chain(others).collect();
    let key = tuple(&key).to_string().replace(" ,", ",");
    let key = key.trim_start_matches('(').trim_end_matches(')').trim();
    errors.at(
        written,
        format!("the primary key of a tenant's rows begins with the tenant: `#[diesel(primary_key({key}))]`"),
    );
    None
}
