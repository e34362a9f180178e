//! Rules of relations.

use proc_macro2::Span;
use syn::{Ident, Path, spanned::Spanned};

use super::{find_column, pattern::Patterns};
use crate::{
    attr::{Diesel, Direction, Parent, RelationAttr},
    errors::Errors,
    facts::{Leads, Model, Relation},
    names,
};

/// The relations of a model: those that Diesel knows, and then those that only larder does.
pub(super) fn relations(
    model: &Ident,
    diesel: &Diesel,
    declared: Vec<RelationAttr>,
    patterns: &mut Patterns<'_, '_>,
    errors: &mut Errors,
) -> Vec<Relation> {
    let mut attrs = Vec::with_capacity(diesel.parents.len() + declared.len());
    for parent in &diesel.parents {
        let Some(at) = find_column(model, patterns.fields(), &key_of_parent(parent), errors) else { continue };
        attrs.push(RelationAttr {
            direction: Direction::BelongsTo,
            name: name_of_parent(parent),
            target: parent.target.clone(),
            foreign_key: Some(vec![patterns.fields()[at].ident.clone()]),
            on_delete: None,
            common: None,
        });
    }
    attrs.extend(declared);
    let mut relations: Vec<Relation> = Vec::new();
    for attr in attrs {
        let name = names::plain(&attr.name);
        if name == "repository" {
            errors.at(
                &attr.name,
                "`repository` is the function that makes the repository: give the relation another name",
            );
        } else if relations.iter().any(|other| names::plain(&other.name) == name) {
            // Each relation is a function of the model.
            errors.at(
                &attr.name,
                format!(
                    "`{model}` has another relation `{name}`: give one of them another name, `belongs_to(name: ..)`"
                ),
            );
        }
        relations.extend(relation(model, attr, patterns, errors));
    }
    relations
}

fn relation(
    model: &Ident,
    attr: RelationAttr,
    patterns: &mut Patterns<'_, '_>,
    errors: &mut Errors,
) -> Option<Relation> {
    let RelationAttr { direction, name, target, foreign_key, on_delete, common } = attr;
    if let Some(common) = common.as_ref().filter(|_| patterns.tenant().is_none()) {
        errors.at(
            common,
            format!("rows of `{model}` belong to no tenant, and all that they refer to is common: remove it"),
        );
    }
    let of_model = |span| named(&format!("{}_id", names::snake_case(&names::plain(model))), span);
    let camel = names::camel_case(&names::plain(&name));
    let leads = match direction {
        Direction::HasMany | Direction::HasOne => {
            let many = matches!(direction, Direction::HasMany);
            let by = foreign_key.unwrap_or_else(|| vec![of_model(target.span())]);
            let by = behind_tenant(by, patterns);
            holds_key(model, &by, patterns, errors)?;
            Leads::Children { by, many, on_delete }
        }
        Direction::BelongsTo => {
            let key = foreign_key.unwrap_or_else(|| vec![named(&default_key(&target), target.span())]);
            let from = match common {
                Some(_) => patterns.of_common_key(&key, errors)?,
                None => patterns.of_foreign_key(&key, errors)?,
            };
            Leads::Parent { from }
        }
        Direction::ManyToMany { through, target_key } => {
            let by = behind_tenant(foreign_key.unwrap_or_else(|| vec![of_model(through.span())]), patterns);
            holds_key(model, &by, patterns, errors)?;
            let to = target_key.unwrap_or_else(|| vec![named(&default_key(&target), through.span())]);
            let to = to_of_tenant(to, patterns);
            Leads::Through { join: through, by, to, second: Model::type_name(model, &format!("Through{camel}")) }
        }
    };
    let link = Model::type_name(model, &format!("To{camel}"));
    Some(Relation { name, link, target, leads })
}

/// A child's foreign key with the tenant before it, which the child has under the same name unless all columns are named.
fn behind_tenant(by: Vec<Ident>, patterns: &Patterns<'_, '_>) -> Vec<Ident> {
    if by.len() + 1 == patterns.primary().fields.len() { to_of_tenant(by, patterns) } else { by }
}

/// Columns of another model's rows of the same tenant.
fn to_of_tenant(mut columns: Vec<Ident>, patterns: &Patterns<'_, '_>) -> Vec<Ident> {
    if let (Some(tenant), Some(first)) = (patterns.tenant(), columns.first())
        && !columns.contains(tenant)
    {
        let mut tenant = tenant.clone();
        tenant.set_span(first.span());
        columns.insert(0, tenant);
    }
    columns
}

/// A child's foreign key has as many columns as the key that it refers to.
fn holds_key(model: &Ident, by: &[Ident], patterns: &Patterns<'_, '_>, errors: &mut Errors) -> Option<()> {
    let n_columns = patterns.primary().fields.len();
    if by.len() == n_columns {
        return Some(());
    }
    let message = format!(
        "the primary key of `{model}` has {n_columns} columns, and this foreign key {}: name the fields that hold it, in its \
         order, `foreign_key = (a, b)`",
        by.len()
    );
    errors.at_span(by.first()?.span(), message);
    None
}

/// The foreign key that Diesel would take.
fn default_key(target: &Path) -> String {
    let name = target.segments.last().map(|segment| names::plain(&segment.ident)).unwrap_or_default();
    format!("{}_id", names::snake_case(&name))
}

fn key_of_parent(parent: &Parent) -> Ident {
    parent.foreign_key.clone().unwrap_or_else(|| named(&default_key(&parent.target), parent.target.span()))
}

/// `user_id` leads to `user`; a key of another form to what its type is called.
pub(super) fn name_of_parent(parent: &Parent) -> Ident {
    let key = key_of_parent(parent);
    let key = names::plain(&key);
    let fallback = default_key(&parent.target);
    let name = key.strip_suffix("_id").filter(|name| !name.is_empty());
    named(name.unwrap_or(fallback.trim_end_matches("_id")), parent.target.span())
}

/// A name that may be one of Rust's words. Those that stand for places can't be written as names, and get an underscore.
fn named(name: &str, span: Span) -> Ident {
    let raw = || match name {
        "crate" | "self" | "super" | "Self" => Ident::new(&format!("{name}_"), span),
        _ => Ident::new_raw(name, span),
    };
    let mut ident = syn::parse_str(name).unwrap_or_else(|_| raw());
    ident.set_span(span);
    ident
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_may_be_called_by_any_of_rusts_words() {
        let named = |name| named(name, Span::call_site()).to_string();
        assert_eq!([named("user"), named("type"), named("crate")], ["user", "r#type", "crate_"]);
    }
}
