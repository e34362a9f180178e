//! Rules of how a table is partitioned.

use syn::Ident;

use super::find_field;
use crate::{
    attr::{By, Given, PartitionAttr, Step},
    errors::Errors,
    facts::{Kind, ModelField, Partition, PartitionBy, Pattern, Source},
    names,
};

const AHEAD: u32 = 3;

pub(super) fn partition(
    model: &Ident,
    source: Source,
    attr: Option<PartitionAttr>,
    fields: &[ModelField<'_>],
    patterns: &[Pattern],
    errors: &mut Errors,
) -> Option<Partition> {
    let PartitionAttr { keyword, by, every, keep, ahead, default } = attr?;
    if source == Source::MaterializedView {
        errors.at(&keyword, "a view is not partitioned: declare this on a table of its query");
    }
    let field = &by.field().clone();
    let at = find_field(model, fields.iter().map(|field| field.ident), field, errors)?;
    if fields[at].column.is_none() {
        errors.at(field, "this field is an embedded struct: partition by a column");
        return None;
    }
    // Each partition has an index of its own, and none of them knows of the others' rows.
    for pattern in patterns.iter().filter(|pattern| pattern.is_unique() && !pattern.fields.contains(&at)) {
        let of: Vec<_> = pattern.fields.iter().map(|at| fields[*at].ident).chain([field]).collect();
        let of = of.iter().map(|field| names::plain(field)).collect::<Vec<_>>().join(", ");
        let message = match pattern.kind {
            Kind::Primary => format!(
                "PostgreSQL has no primary key of a partitioned table without `{field}`: \
                 write `#[diesel(primary_key({of}))]`"
            ),
            _ => format!(
                "PostgreSQL has no unique key of a partitioned table without `{field}`: \
                 write `unique({of})`, or `index(..)` if rows of different partitions may share it"
            ),
        };
        errors.at(field, message);
    }
    let options = [every.as_ref().map(word), keep.as_ref().map(word), ahead.as_ref().map(word)];
    let by = match by {
        By::Range(_) => {
            let Some(every) = every else {
                errors.at(
                    &keyword,
                    "say how far a partition goes: `every = \"1 month\"`, or `every = 1_000_000` of numbers",
                );
                return None;
            };
            if let Some(keep) = &keep {
                keeps_enough(keep, every.value, errors);
            }
            let (keep, ahead) = (keep.map(|keep| keep.value), ahead.map_or(AHEAD, |ahead| ahead.value));
            PartitionBy::Range { every: every.value, keep, ahead }
        }
        By::List(_) => {
            only_ranges(options, errors);
            PartitionBy::List
        }
        By::Hash(_, n) => {
            let default = default.as_ref().map(|given| &given.word);
            only_ranges([options[0], options[1], options[2].or(default)], errors);
            PartitionBy::Hash(n)
        }
    };
    Some(Partition {
        keyword,
        named: field.clone(),
        field: at,
        by,
        has_default: default.is_none_or(|given| given.value),
    })
}

fn word<T>(given: &Given<T>) -> &Ident {
    &given.word
}

fn only_ranges(options: [Option<&Ident>; 3], errors: &mut Errors) {
    for option in options.into_iter().flatten() {
        errors.at(option, format!("only ranges come and go with time: leave out `{option}`"));
    }
}

/// A month is taken for as long as the longest where that is lenient, so that only certain mistakes are told.
fn keeps_enough(keep: &Given<Step>, every: Step, errors: &mut Errors) {
    let is_shorter = match (keep.value, every) {
        (Step::Months(keep), Step::Months(every)) => keep < every,
        (Step::Months(keep), Step::Hours(every)) => u64::from(keep) * 31 * 24 < every.into(),
        (Step::Hours(keep), Step::Months(every)) => u64::from(keep) < u64::from(every) * 28 * 24,
        (Step::Hours(keep), Step::Hours(every)) => keep < every,
        (Step::Numbers(keep), Step::Numbers(every)) => keep < every,
        _ => {
            errors.at(&keep.word, "`keep` and `every` are both lengths of time, or both numbers");
            return;
        }
    };
    if is_shorter {
        errors.at(&keep.word, "`keep` is shorter than `every`: write at least as much as a partition has");
    }
}
