//! Whether each way in which rows are found has its index.

use super::{
    Examined, Kind, Lookup, Plan, Severity,
    fit::{self, Fit, Wanted, fit},
    plans,
    visit::Visit,
};
use crate::{
    catalogue::{Index, Table},
    models::{Columns, Model},
    relation::Term,
};

pub(super) fn examine<'a, DB: Examined>(
    visit: &mut Visit<'a>,
    connection: &mut DB::Connection,
    model: &Model<DB>,
    table: &'a Table,
    is_sound: bool,
) {
    if matches!(table.kind, crate::catalogue::Kind::View | crate::catalogue::Kind::Foreign) {
        visit.note(format!("{}: it can have no index of its own, so none is looked for", visit.mender.table(table)));
        return;
    }
    let names = |pattern: &Columns| pattern.names.iter().all(|name| table.column(name).is_some());
    let mut patterns: Vec<(usize, &Columns)> =
        model.patterns.iter().enumerate().filter(|(_, pattern)| names(pattern)).collect();
    // An index for the wider may do for the narrower.
    patterns.sort_by_key(|(at, pattern)| (!pattern.is_unique, std::cmp::Reverse(pattern.names.len()), *at));
    let mut lookups = Vec::with_capacity(patterns.len());
    for (at, pattern) in patterns {
        let (n_before, n_proposed) = (visit.report.findings.len(), visit.proposed.len());
        let index = if pattern.is_unique {
            unique(visit, model, table, pattern, at == 0)
        } else {
            list(visit, model, table, pattern)
        };
        let is_good = visit.report.findings.len() == n_before;
        let sql = (pattern.text)();
        if let (Some(sql), true, true) = (&sql, is_sound, visit.proposed.len() > n_proposed) {
            plans::prove::<DB>(visit, connection, table, sql);
        }
        let plan = match (&index, &sql) {
            (Some(_), Some(sql)) if is_sound => plans::ask(visit, connection, model, table, pattern, sql),
            _ => Plan::NotAsked,
        };
        if let (true, Plan::Scans { how }) = (is_good, &plan) {
            ignored(visit, table, pattern, index.as_deref().unwrap_or_default(), how);
        }
        lookups.push((at, Lookup { model: model.name, by: pattern.names, sql, index, plan }));
    }
    lookups.sort_by_key(|(at, _)| *at);
    visit.report.lookups.extend(lookups.into_iter().map(|(_, lookup)| lookup));
}

fn unique<'a, DB: Examined>(
    visit: &mut Visit<'a>,
    model: &Model<DB>,
    table: &'a Table,
    pattern: &Columns,
    is_primary: bool,
) -> Option<String> {
    // A deleted row keeps its primary key.
    let is_null = model.deleted_at.filter(|_| !is_primary);
    let wanted = Wanted { by: pattern.names, order: &[], is_null };
    let mut unique = table.indexes.iter().filter(|index| fit::is_unique(index, wanted));
    let (strict, lax): (Vec<_>, Vec<_>) = unique.by_ref().partition(|index| !index.is_deferrable);
    let (named, columns) = (visit.mender.table(table), pattern.names.join(", "));
    if let Some(index) = strict.first().or_else(|| lax.first()) {
        strict.iter().chain(&lax).for_each(|index| visit.needed.push((table, &index.name)));
        if strict.is_empty() && pattern.is_immediate {
            visit.find(
                (Kind::UniqueDeferrable, Severity::Error),
                (named, index.name.as_str()),
                format!("{} keeps ({columns}) unique at COMMIT only", index.name),
                format!(
                    "larder puts a row into the cell of its key as it commits, and two may have that key until then: write \
                     unique({columns}; deferrable), or write_through = false if it is the primary key"
                ),
                Vec::new(),
            );
        }
        return Some(index.name.clone());
    }
    let stands_in = |index: &&'a Index| fit::is_unique_by_stand_ins(index, table, wanted);
    if let Some(index) = table.indexes.iter().find(stands_in) {
        visit.needed.push((table, &index.name));
        // It keeps them unique, and does not find them.
        return list(visit, model, table, pattern);
    }
    let kind = if is_primary { Kind::PrimaryKeyMissing } else { Kind::UniqueMissing };
    let part = table.indexes.iter().find(|index| {
        let whole = Index { predicate: None, is_valid: true, ..(*index).clone() };
        fit::is_unique(&whole, wanted)
    });
    let but = part.map_or_else(String::new, |index| {
        if index.is_valid {
            format!(": {} has some rows only", index.name)
        } else {
            format!(": {} is broken", index.name)
        }
    });
    let (index, mend) = visit.mender.create(table, pattern.names, &[], true);
    visit.find(
        (kind, Severity::Error),
        (named, columns.as_str()),
        format!("nothing keeps ({columns}) unique{but}"),
        "a cell holds one row of such a key: of two, readers get one or the other",
        mend,
    );
    visit.proposed.push((table, index));
    None
}

fn list<'a, DB: Examined>(
    visit: &mut Visit<'a>,
    model: &Model<DB>,
    table: &'a Table,
    pattern: &Columns,
) -> Option<String> {
    let database = visit.catalogue.database;
    let ties: Vec<Term> = model.patterns.first().map_or(&[][..], |key| key.names).iter().map(tie).collect();
    let order: &[Term] = if pattern.order.is_empty() { &ties } else { pattern.order };
    let by = pattern.names;
    let wanted = Wanted { by, order, is_null: model.deleted_at };
    let fits = |index: &Index| fit(index, table, database, wanted);
    let found = table.indexes.iter().filter_map(|index| Some((fits(index)?, index)));
    // Of two that are alike, always the same.
    // The one that leaves the fewest rows to look through; of two that are alike, always the same.
    let rank = |(fit, index): &(Fit, &'a Index)| {
        let rows = if fit.is_full { Some(0) } else { rows_by(table, &searched(index, by)) };
        let few = std::cmp::Reverse(rows.unwrap_or(u64::MAX));
        (fit.is_full, fit.is_ordered, few, fit.n_columns, index.is_unique, std::cmp::Reverse(&index.name))
    };
    let best = found.max_by(|one, other| rank(one).cmp(&rank(other)));
    if let Some((Fit { is_full: true, .. }, index)) = best {
        visit.needed.push((table, &index.name));
    }
    if let Some((Fit { is_full: true, is_ordered: true, .. }, index)) = best {
        return Some(index.name.clone());
    }
    let (named, columns) = (visit.mender.table(table), by.join(", "));
    let proposed = visit.proposed.iter().filter(|(of, _)| std::ptr::eq(*of, table));
    let proposed = proposed.filter_map(|(_, index)| Some((fit(index, table, database, wanted)?, index.name.clone())));
    let proposed = proposed.filter(|(fit, _)| fit.is_full).max_by_key(|(fit, _)| fit.is_ordered);
    let Some((Fit { is_full, .. }, index)) = best else {
        let (mend, why) = match proposed {
            Some((_, name)) => {
                (Vec::new(), format!("each list is found by reading the whole table; {name} will do for it, too"))
            }
            None => {
                let is_long = rows_by(table, by).is_some_and(|rows| rows > visit.limits.few_rows);
                let order = if is_long { order } else { pattern.order };
                let (index, mend) = visit.mender.create(table, by, order, false);
                visit.proposed.push((table, index));
                (mend, "each list is found by reading the whole table".to_owned())
            }
        };
        let what = format!("no index finds rows by ({columns})");
        visit.find((Kind::IndexMissing, Severity::Warning), (named, columns), what, why, mend);
        return None;
    };
    let searched = searched(index, by);
    let rows = rows_by(table, &searched);
    let severity = match rows {
        Some(rows) if rows <= visit.limits.few_rows => {
            visit.needed.push((table, &index.name));
            return Some(index.name.clone());
        }
        Some(_) => Severity::Warning,
        // Nobody asked for an order, and how many rows it is of is not known.
        None if is_full && pattern.order.is_empty() => return Some(index.name.clone()),
        None => Severity::Advice,
    };
    visit.needed.push((table, &index.name));
    let many = rows.map_or_else(
        || "how many rows a key has is not known: it is worth it where there are many".to_owned(),
        |rows| format!("a key has about {rows} rows"),
    );
    let ordered: Vec<String> =
        order.iter().map(|term| format!("{}{}", term.column, if term.descending { " DESC" } else { "" })).collect();
    let (kind, what, why) = if is_full {
        (
            Kind::OrderUnserved,
            format!("{} finds rows by ({columns}), and not in the order {}", index.name, ordered.join(", ")),
            format!("all rows of a key are read and sorted to give the first of them; {many}"),
        )
    } else {
        (
            Kind::IndexPartly,
            format!("{} finds rows by ({}) only, of ({columns})", index.name, searched.join(", ")),
            format!("rows of other keys are read and thrown away; {many}"),
        )
    };
    let name = index.name.clone();
    let mend = if matches!(proposed, Some((fit, _)) if fit.is_ordered) {
        Vec::new()
    } else {
        let (index, mend) = visit.mender.create(table, by, order, false);
        visit.proposed.push((table, index));
        mend
    };
    visit.find((kind, severity), (named, columns), what, why, mend);
    Some(name)
}

/// The columns that an index is searched by.
pub(super) fn searched<'i>(index: &'i Index, by: &[&str]) -> Vec<&'i str> {
    index.columns().into_iter().take_while(|column| by.contains(column)).collect()
}

fn tie(column: &&'static str) -> Term {
    Term { column, descending: false }
}

/// How many rows have the same values in these columns on average, at most.
pub(super) fn rows_by(table: &Table, columns: &[&str]) -> Option<u64> {
    let n_rows = table.n_rows?;
    if n_rows == 0 {
        return Some(0);
    }
    let distinct = columns.iter().filter_map(|name| table.column(name)?.n_distinct).max()?;
    Some(n_rows.div_ceil(distinct.max(1)))
}

fn ignored(visit: &mut Visit<'_>, table: &Table, pattern: &Columns, index: &str, how: &str) {
    let (named, columns) = (visit.mender.table(table), pattern.names.join(", "));
    visit.find(
        (Kind::IndexIgnored, Severity::Warning),
        (named, index),
        format!("{index} has ({columns}), and the planner does not search it"),
        format!(
            "the statement that larder sends reads all rows ({how}): its values may be of another type than the columns, or a policy has to look at every \
             row before an operator that is not leakproof does"
        ),
        Vec::new(),
    );
}
