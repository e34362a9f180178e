//! Indexes that cost more than they give.

use super::{Kind, Severity, visit::Visit};
use crate::catalogue::{Index, Table, Use};

pub(super) fn examine<'a>(visit: &mut Visit<'a>, table: &'a Table) {
    let own: Vec<&Index> = table.indexes.iter().filter(|index| !index.is_inherited).collect();
    let mut gone: Vec<&str> = Vec::new();
    for index in own.iter().filter(|index| index.is_valid) {
        let Some(other) = own.iter().find(|other| covers(other, index) && !gone.contains(&other.name.as_str())) else {
            continue;
        };
        gone.push(&index.name);
        // What needed the one needs the other from then on.
        visit.needed.push((table, &other.name));
        redundant(visit, table, index, other);
    }
    for index in &own {
        if !index.is_valid {
            invalid(visit, table, index);
        } else if !gone.contains(&index.name.as_str()) {
            unused(visit, table, index);
        }
    }
    many(visit, table, &own);
}

fn invalid(visit: &mut Visit<'_>, table: &Table, index: &Index) {
    let twin = table.indexes.iter().find(|other| other.is_valid && is_twin(other, index));
    let mend = match twin {
        Some(_) if !index.is_replica_identity => visit.mender.drop(table, index),
        _ => visit.mender.rebuild(table, index),
    };
    let named = visit.mender.table(table);
    visit.find(
        (Kind::IndexInvalid, Severity::Warning),
        (named, index.name.as_str()),
        format!("{} is broken: making it concurrently has failed", index.name),
        "every write keeps it up to date, and no read may use it",
        vec![mend],
    );
}

fn is_twin(other: &Index, index: &Index) -> bool {
    other.parts == index.parts && other.predicate == index.predicate && other.is_unique == index.is_unique
}

/// Whether `other` does all that `index` does.
fn covers(other: &Index, index: &Index) -> bool {
    if std::ptr::eq(other, index) || !other.is_valid || index.is_constraint || index.is_primary {
        return false;
    }
    // Without it replication knows no row by its key, and updates and deletions fail.
    if index.is_replica_identity {
        return false;
    }
    let is_alike = other.method == index.method || other.method == "rowid";
    let has_prefix = other.parts.starts_with(&index.parts) && other.predicate == index.predicate;
    let has_included = index
        .included
        .iter()
        .all(|column| other.included.contains(column) || other.columns().contains(&column.as_str()));
    if !is_alike || !has_prefix || !has_included || index.parts.is_empty() {
        return false;
    }
    // Kinds such as GIN have no order in which there is a first.
    if other.parts.len() != index.parts.len() && index.method != "btree" {
        return false;
    }
    let is_equal = other.parts.len() == index.parts.len();
    if index.is_unique {
        // The other has to refuse all that this one refuses, and no later.
        let is_as_strict = other.is_unique
            && (other.nulls_are_equal || !index.nulls_are_equal)
            && (!other.is_deferrable || index.is_deferrable);
        return is_equal && is_as_strict && (other.is_constraint || other.name < index.name);
    }
    // Of two that are the same, one goes.
    !is_equal
        || other.is_unique
        || other.is_constraint
        || other.included.len() > index.included.len()
        || other.name < index.name
}

fn redundant(visit: &mut Visit<'_>, table: &Table, index: &Index, other: &Index) {
    let (named, mend) = (visit.mender.table(table), vec![visit.mender.drop(table, index)]);
    visit.find(
        (Kind::IndexRedundant, Severity::Advice),
        (named, index.name.as_str()),
        format!("{} does all that {} does", other.name, index.name),
        cost("it is written with every row, and used for nothing of its own", index),
        mend,
    );
}

fn unused(visit: &mut Visit<'_>, table: &Table, index: &Index) {
    let is_needed = visit.needed.iter().any(|(of, name)| std::ptr::eq(*of, table) && *name == index.name);
    if index.is_unique || index.is_primary || index.is_constraint || is_needed {
        return;
    }
    let named = visit.mender.table(table);
    let n_reads = match index.used {
        Use::Scans(0) => table.n_reads.unwrap_or_default(),
        Use::Rows(0) => table.indexes.iter().map(|index| if let Use::Rows(n) = index.used { n } else { 0 }).sum(),
        Use::Unknown => {
            visit.note("whether indexes are used is not counted by this database, so none is called unused");
            return;
        }
        _ => return,
    };
    if n_reads < visit.limits.reads {
        let since =
            format!("{named}: read {n_reads} times since uses are counted, too few to call {} unused", index.name);
        visit.note(since);
        return;
    }
    let since = visit
        .catalogue
        .counted_since
        .as_ref()
        .map_or_else(|| "since uses are counted".to_owned(), |at| format!("since {at}"));
    let mend = vec![visit.mender.drop(table, index)];
    visit.find(
        (Kind::IndexUnused, Severity::Advice),
        (named, index.name.as_str()),
        format!("{} was never used {since}, and nothing declared needs it", index.name),
        cost(
            "it is written with every row; replicas count their own uses, and what runs once a year may still come",
            index,
        ),
        mend,
    );
}

fn many(visit: &mut Visit<'_>, table: &Table, own: &[&Index]) {
    let limits = visit.limits;
    let written: Vec<_> = own.iter().filter(|index| index.method != "rowid").collect();
    let bytes: u64 = written.iter().filter_map(|index| index.bytes).sum();
    let is_heavy = table.bytes.is_some_and(|of_rows| of_rows >= limits.bytes && bytes > of_rows.saturating_mul(2))
        && written.len() > 3;
    if written.len() < limits.n_indexes && !is_heavy {
        return;
    }
    let sizes = match table.bytes.filter(|_| bytes > 0) {
        Some(of_rows) => format!(", of {} beside {} of rows", size(bytes), size(of_rows)),
        None => String::new(),
    };
    let n = written.len();
    let named = visit.mender.table(table);
    visit.find(
        (Kind::TooManyIndexes, Severity::Advice),
        (named, n.to_string()),
        format!("there are {n} indexes{sizes}"),
        format!("an insert writes {n} entries beside the row, and so does an update that changes an indexed column"),
        Vec::new(),
    );
}

fn cost(text: &str, index: &Index) -> String {
    index.bytes.map_or_else(|| text.to_owned(), |bytes| format!("it takes {}; {text}", size(bytes)))
}

/// A size in the unit that gives it few digits.
fn size(bytes: u64) -> String {
    match bytes {
        0..0x2800 => format!("{bytes} bytes"),
        0x2800..0xA0_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
