//! Access patterns, made of indexes.

use super::{Model, relations::Side};
use crate::init::{
    names,
    schema::{Index, Note},
};

/// `unique(..)` or `index(..)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) fields: Vec<String>,
    pub(crate) kind: Kind,
}

/// What is known of the rows that are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Unique {
        is_deferrable: bool,
    },
    /// The fields that they are ordered by, and whether the largest comes first.
    List(Vec<(String, bool)>),
}

/// Gives a model its patterns; those of its keys come with the keys.
pub(super) fn find(model: &mut Model<'_>, notes: &mut Vec<Note>) {
    let mut found = Found { declared: Vec::new(), names: Vec::new() };
    let primary = model.fields_of(model.primary.iter().copied()).expect("the key's columns are fields");
    found.names.push(primary.clone());
    for parent in &model.parents {
        let default = || format!("{}_id", names::snake_case(&parent.target));
        found.names.push(vec![parent.foreign_key.clone().unwrap_or_else(default)]);
    }
    let of_keys = model.relations.iter().filter(|relation| relation.side == Side::BelongsTo);
    found.names.extend(of_keys.map(|relation| relation.foreign_key.clone()));
    let keys = found.names.split_off(1);

    let table = model.table;
    let mut indexes: Vec<&Index> = table.indexes.iter().collect();
    // What finds one row first, and of lists by the same columns those with an order.
    indexes.sort_by_key(|index| (!index.is_unique, std::cmp::Reverse(index.columns.len()), index.name.clone()));
    for index in indexes {
        let done = match pattern(model, index, &primary, &keys) {
            Ok(Some(pattern)) => found.add(pattern, &keys),
            Ok(None) => Ok(()),
            Err(why) => Err(why),
        };
        if let Err(why) = done {
            notes.push(Note::new(table.full_name(), format!("no finder by the index {}: {why}", index.name)));
        }
    }
    model.patterns = found.declared;
}

struct Found {
    declared: Vec<Pattern>,
    /// What rows are found by, so far.
    names: Vec<Vec<String>>,
}

impl Found {
    fn add(&mut self, pattern: Pattern, keys: &[Vec<String>]) -> Result<(), String> {
        let by = pattern.fields.join(", ");
        let orders = matches!(&pattern.kind, Kind::List(order) if !order.is_empty());
        if self.names.contains(&pattern.fields) {
            return if orders { Err(format!("another finds by {by}, in another order")) } else { Ok(()) };
        }
        let finder = |fields: &[String]| names::camel_case(&fields.join("_and_"));
        let all = || self.names.iter().chain(keys);
        if all().any(|other| *other != pattern.fields && finder(other) == finder(&pattern.fields)) {
            return Err("its finder would be called as another one is".into());
        }
        if pattern.kind == Kind::List(Vec::new()) && keys.contains(&pattern.fields) {
            // The key has that list.
            return Ok(());
        }
        self.names.push(pattern.fields.clone());
        self.declared.push(pattern);
        Ok(())
    }
}

/// The pattern of an index, `None` if it is that of the primary key, or why there is none.
fn pattern(
    model: &Model<'_>,
    index: &Index,
    primary: &[String],
    keys: &[Vec<String>],
) -> Result<Option<Pattern>, String> {
    if let Some(flaw) = index.flaw {
        return Err(flaw.into());
    }
    if super::same(index.names(), model.primary.iter().copied()) {
        return Ok(None);
    }
    let mut fields = Vec::with_capacity(index.columns.len());
    for column in &index.columns {
        let field = model.field(&column.name).ok_or_else(|| format!("{} is no field", column.name))?;
        fields.push((field, column.descending));
    }
    let lenient = fields.iter().find(|(field, _)| field.column.is_lenient);
    if let (Some((field, _)), true) = (lenient, index.is_unique) {
        return Err(lenience(&field.column.name));
    }
    let n_key = if index.is_unique { fields.len() } else { n_key(&fields, keys) };
    let (key, order) = fields.split_at(n_key);
    if key.is_empty() {
        return Err("it orders rows rather than finds them: `query` does that".into());
    }
    if key.len() > super::MOST_KEY_COLUMNS {
        return Err(format!("a key has {} columns at most", super::MOST_KEY_COLUMNS));
    }
    for (field, _) in key {
        if field.column.is_lenient {
            return Err(lenience(&field.column.name));
        }
        if !field.is_key_part {
            return Err(format!("rows can't be found by {}, a {}", field.column.name, field.column.sql_type));
        }
    }
    let key: Vec<String> = key.iter().map(|(field, _)| field.name.clone()).collect();
    let kind = if index.is_unique {
        Kind::Unique { is_deferrable: index.is_deferrable }
    } else {
        let mut order: Vec<_> = order.iter().map(|(field, descending)| (field.name.clone(), *descending)).collect();
        // Of rows that have all else alike the primary key decides in any case.
        if order.iter().all(|(_, descending)| !descending) && order.iter().map(|(name, _)| name).eq(primary) {
            order.clear();
        }
        Kind::List(order)
    };
    // A foreign key of these columns has them in the order of what it refers to.
    let key = keys
        .iter()
        .find(|other| super::same(other.iter().map(String::as_str), key.iter().map(String::as_str)))
        .cloned()
        .unwrap_or(key);
    Ok(Some(Pattern { fields: key, kind }))
}

fn lenience(column: &str) -> String {
    format!("{column} compares texts that differ as equal, and caches go by the very text")
}

/// How many of an index's columns rows are found by; the others order them.
///
/// What is descending orders, and so does what stands at the end and is an instant, a date or an amount: nobody looks for one to the
/// microsecond.
fn n_key(fields: &[(&super::Field<'_>, bool)], keys: &[Vec<String>]) -> usize {
    let first_descending = fields.iter().position(|(_, descending)| *descending).unwrap_or(fields.len());
    let orders = |field: &super::Field<'_>| field.column.ty.rust.as_ref().is_some_and(|rust| rust.orders);
    let mut n = first_descending;
    while n > 0 && orders(fields[n - 1].0) && !keys.contains(&vec![fields[n - 1].0.name.clone()]) {
        n -= 1;
    }
    // What is descending in front of everything else is still looked for, if it is nothing that orders.
    if n == 0 && fields.len() == 1 && !orders(fields[0].0) { 1 } else { n }
}
