//! Rules of what a model maintains in others.

use syn::Ident;

use super::{find_field, pattern::Patterns};
use crate::{
    attr::{Aggregate, MaintainedAttr, MaintainsAttr},
    errors::Errors,
    facts::{Maintained, Model, Source, Upkeep},
    names,
};

/// As many columns can be summed as there are implementations for tuples.
const MOST_FACTORS: usize = 6;

pub(super) fn maintains(
    model: &Ident,
    source: Source,
    declared: Vec<MaintainsAttr>,
    patterns: &mut Patterns<'_, '_>,
    errors: &mut Errors,
) -> Vec<Upkeep> {
    let mut upkeeps = Vec::with_capacity(declared.len());
    for (number, attr) in declared.into_iter().enumerate() {
        if source == Source::MaterializedView {
            errors.at(
                &attr.keyword,
                "a view has no writes that others could follow: declare this on a table of its query",
            );
        }
        upkeeps.extend(upkeep(model, number, attr, patterns, errors));
    }
    upkeeps
}

fn upkeep(
    model: &Ident,
    number: usize,
    attr: MaintainsAttr,
    patterns: &mut Patterns<'_, '_>,
    errors: &mut Errors,
) -> Option<Upkeep> {
    let MaintainsAttr { keyword, target, columns, by, insert, delete } = attr;
    if columns.is_empty() {
        errors.at(&target, "say which columns of it are maintained: `Parent: number = count, total = sum(amount)`");
    }
    let by = patterns.of_foreign_key(&by, errors)?;
    let mut factors: Vec<usize> = Vec::new();
    let mut maintained: Vec<Maintained> = Vec::new();
    for MaintainedAttr { field, what } in columns {
        let name = names::plain(&field);
        if maintained.iter().any(|other| names::plain(&other.field) == name) {
            errors.at(&field, format!("`{name}` is maintained twice: remove one"));
        }
        let sum = match what {
            Aggregate::Count => None,
            Aggregate::Sum(of) => {
                Some(of.iter().filter_map(|of| factor(model, of, &mut factors, patterns, errors)).collect())
            }
        };
        maintained.push(Maintained { field, sum });
    }
    if factors.len() > MOST_FACTORS {
        errors.at(
            &keyword,
            format!("at most {MOST_FACTORS} fields can be summed here, and this names {}", factors.len()),
        );
    }
    let count = maintained.iter().position(|column| column.sum.is_none());
    if let Some(delete) = &delete {
        if !insert {
            errors.at(delete, "a row that is deleted when nothing is left has to come back: write `insert, delete`");
        }
        if count.is_none() {
            errors.at(delete, "whether nothing is left is known by a count: maintain one, `number = count`");
        }
    }
    let ident = Model::type_name(model, &format!("Upkeep{number}"));
    let delete = delete.and(count);
    Some(Upkeep { ident, target, by, factors, columns: maintained, insert, delete })
}

/// The place of a field among those that are summed.
fn factor(
    model: &Ident,
    name: &Ident,
    factors: &mut Vec<usize>,
    patterns: &Patterns<'_, '_>,
    errors: &mut Errors,
) -> Option<usize> {
    let fields = patterns.fields();
    let at = find_field(model, fields.iter().map(|field| field.ident), name, errors)?;
    if fields[at].column.is_none() {
        errors.at(name, "this field is an embedded struct: sum a column");
    }
    Some(factors.iter().position(|known| *known == at).unwrap_or_else(|| {
        factors.push(at);
        factors.len() - 1
    }))
}
