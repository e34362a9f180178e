//! The statements that mend what was found.

use serde::Serialize;

use crate::{
    catalogue::{Catalogue, Database, Index, IndexKey, IndexPart, Kind, Table, Use},
    relation::Term,
};

/// A statement that mends something, without the semicolon behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Mend {
    /// The statement.
    pub up: String,
    /// The one that takes it back, if there is one.
    pub down: Option<String>,
    /// Whether it can be sent in a transaction: `CONCURRENTLY` can't.
    pub in_transaction: bool,
}

impl Mend {
    pub(super) fn new(up: String, down: Option<String>) -> Self {
        let in_transaction = !up.contains(" CONCURRENTLY ");
        Self { up, down, in_transaction }
    }
}

/// Writes statements for one database, and gives names that are free in it.
pub(super) struct Mender<'a> {
    catalogue: &'a Catalogue,
    given: Vec<String>,
}

impl<'a> Mender<'a> {
    pub(super) fn new(catalogue: &'a Catalogue) -> Self {
        Self { catalogue, given: Vec::new() }
    }

    pub(super) fn database(&self) -> Database {
        self.catalogue.database
    }

    /// A name in quotes where it needs them.
    pub(super) fn quoted(&self, name: &str) -> String {
        let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let quote = if self.database() == Database::MySql { '`' } else { '"' };
        if is_plain && !RESERVED.contains(&name) {
            return name.to_owned();
        }
        format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")))
    }

    /// A table as it is found from where the connection looks.
    pub(super) fn table(&self, table: &Table) -> String {
        match self.catalogue.table(None, &table.name) {
            Some(found) if found.schema == table.schema => self.quoted(&table.name),
            _ => format!("{}.{}", self.quoted(&table.schema), self.quoted(&table.name)),
        }
    }

    /// Something beside a table, such as its index.
    fn beside(&self, table: &Table, name: &str) -> String {
        match self.catalogue.search_path.first() {
            Some(first) if *first == table.schema => self.quoted(name),
            _ => format!("{}.{}", self.quoted(&table.schema), self.quoted(name)),
        }
    }

    /// An index that there is not yet, and how it is made.
    pub(super) fn create(&mut self, table: &Table, by: &[&str], order: &[Term], is_unique: bool) -> (Index, Vec<Mend>) {
        let order: Vec<&Term> = order.iter().filter(|term| !by.contains(&term.column)).collect();
        // All in one direction can be read backwards, and then needs none.
        let is_mixed = order.iter().any(|term| term.descending) && order.iter().any(|term| !term.descending);
        let equal = by.iter().map(|column| (*column, false));
        let parts: Vec<(&str, bool)> =
            equal.chain(order.iter().map(|term| (term.column, term.descending && is_mixed))).collect();
        let name =
            self.free_name(table, parts.iter().map(|(column, _)| *column), if is_unique { "key" } else { "idx" });
        let columns: Vec<String> = parts
            .iter()
            .map(|(column, descending)| format!("{}{}", self.quoted(column), if *descending { " DESC" } else { "" }))
            .collect();
        let index = Index {
            name: name.clone(),
            method: "btree".to_owned(),
            parts: parts
                .iter()
                .map(|(column, descending)| IndexPart {
                    key: IndexKey::Column((*column).to_owned()),
                    descending: *descending,
                    nulls_first: *descending == (self.database() == Database::PostgreSql),
                    prefix: None,
                    has_other_collation: false,
                    has_other_order: false,
                })
                .collect(),
            included: Vec::new(),
            is_unique,
            is_primary: false,
            is_constraint: false,
            is_deferrable: false,
            is_valid: true,
            nulls_are_equal: false,
            is_replica_identity: false,
            is_inherited: false,
            predicate: None,
            definition: None,
            bytes: None,
            used: Use::Unknown,
        };
        let mend = self.create_statements(table, &name, &columns.join(", "), is_unique);
        (index, mend)
    }

    /// How an index would be made that nobody makes, without a name.
    pub(super) fn supposed(&self, table: &Table, index: &Index) -> String {
        let columns = index.parts.iter().filter_map(|part| match &part.key {
            IndexKey::Column(name) => {
                Some(format!("{}{}", self.quoted(name), if part.descending { " DESC" } else { "" }))
            }
            IndexKey::Expression(_) => None,
        });
        let columns: Vec<String> = columns.collect();
        let unique = if index.is_unique { "UNIQUE " } else { "" };
        format!("CREATE {unique}INDEX ON {} ({})", self.table(table), columns.join(", "))
    }

    fn create_statements(&mut self, table: &Table, name: &str, columns: &str, is_unique: bool) -> Vec<Mend> {
        let unique = if is_unique { "UNIQUE " } else { "" };
        let (target, quoted, online) = (self.table(table), self.quoted(name), online(table));
        match self.database() {
            Database::MySql => vec![Mend::new(
                format!("ALTER TABLE {target} ADD {unique}INDEX {quoted} ({columns}){online}"),
                Some(format!("ALTER TABLE {target} DROP INDEX {quoted}{online}")),
            )],
            Database::SQLite => vec![Mend::new(
                format!("CREATE {unique}INDEX {quoted} ON {target} ({columns})"),
                Some(format!("DROP INDEX {quoted}")),
            )],
            Database::PostgreSql => {
                let mut mend = Vec::new();
                let catalogue = self.catalogue;
                let mut leaves = Vec::new();
                gather_leaves(catalogue, table, &mut leaves);
                // Not the whole at once: that of the parent finds those of its partitions made already.
                for partition in leaves {
                    let own = self.free_name(partition, [name], "part");
                    let target = self.table(partition);
                    mend.push(Mend::new(
                        format!("CREATE {unique}INDEX CONCURRENTLY {} ON {target} ({columns})", self.quoted(&own)),
                        // It goes with that of the parent.
                        None,
                    ));
                }
                let concurrently = if mend.is_empty() && !is_partitioned(table) { "CONCURRENTLY " } else { "" };
                mend.push(Mend::new(
                    format!("CREATE {unique}INDEX {concurrently}{quoted} ON {target} ({columns})"),
                    Some(format!("DROP INDEX {concurrently}{}", self.beside(table, name))),
                ));
                mend
            }
        }
    }

    /// Takes an index away.
    pub(super) fn drop(&self, table: &Table, index: &Index) -> Mend {
        let (target, name, online) = (self.table(table), self.quoted(&index.name), online(table));
        match self.database() {
            Database::MySql => {
                let columns: Vec<String> = index.parts.iter().map(|part| self.part(part)).collect();
                let unique = if index.is_unique { "UNIQUE " } else { "" };
                let down = format!("ALTER TABLE {target} ADD {unique}INDEX {name} ({}){online}", columns.join(", "));
                Mend::new(
                    format!("ALTER TABLE {target} DROP INDEX {name}{online}"),
                    index.parts.iter().all(|part| matches!(part.key, IndexKey::Column(_))).then_some(down),
                )
            }
            Database::SQLite => Mend::new(format!("DROP INDEX {name}"), index.definition.clone()),
            Database::PostgreSql if is_partitioned(table) => {
                // The server tells of the index without its partitions', and one like that is never valid.
                let again = index.definition.as_ref().map(|sql| sql.replacen(" ON ONLY ", " ON ", 1));
                Mend::new(format!("DROP INDEX {}", self.beside(table, &index.name)), again)
            }
            Database::PostgreSql => {
                let again = index.definition.as_ref().map(|sql| sql.replacen("INDEX ", "INDEX CONCURRENTLY ", 1));
                Mend::new(format!("DROP INDEX CONCURRENTLY {}", self.beside(table, &index.name)), again)
            }
        }
    }

    /// Makes a broken index anew.
    pub(super) fn rebuild(&self, table: &Table, index: &Index) -> Mend {
        Mend::new(format!("REINDEX INDEX CONCURRENTLY {}", self.beside(table, &index.name)), None)
    }

    /// Keeps a column from being NULL, without a lock for as long as its rows are looked at.
    pub(super) fn not_null(&mut self, table: &Table, column: &str) -> Vec<Mend> {
        let (target, quoted) = (self.table(table), self.quoted(column));
        match self.database() {
            Database::PostgreSql => {
                let check = self.free_name(table, [column], "not_null");
                let check = self.quoted(&check);
                let statements = [
                    format!("ALTER TABLE {target} ADD CONSTRAINT {check} CHECK ({quoted} IS NOT NULL) NOT VALID"),
                    format!("ALTER TABLE {target} VALIDATE CONSTRAINT {check}"),
                    format!("ALTER TABLE {target} ALTER COLUMN {quoted} SET NOT NULL"),
                    format!("ALTER TABLE {target} DROP CONSTRAINT {check}"),
                ];
                let mut mend: Vec<Mend> = statements.into_iter().map(|up| Mend::new(up, None)).collect();
                mend[2].down = Some(format!("ALTER TABLE {target} ALTER COLUMN {quoted} DROP NOT NULL"));
                mend
            }
            // Their ways take the column's whole definition, or a new table.
            Database::MySql | Database::SQLite => Vec::new(),
        }
    }

    /// Has the rows looked at that were there before a constraint.
    pub(super) fn validate(&self, table: &Table, constraint: &str) -> Mend {
        Mend::new(format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", self.table(table), self.quoted(constraint)), None)
    }

    fn part(&self, part: &IndexPart) -> String {
        let column = match &part.key {
            IndexKey::Column(name) => self.quoted(name),
            IndexKey::Expression(sql) => format!("({sql})"),
        };
        let prefix = part.prefix.map_or_else(String::new, |n| format!("({n})"));
        format!("{column}{prefix}{}", if part.descending { " DESC" } else { "" })
    }

    /// A name of at most 63 bytes that nothing has yet: PostgreSQL and SQLite have indexes and tables in one room.
    fn free_name<'n>(&mut self, table: &Table, words: impl IntoIterator<Item = &'n str>, end: &str) -> String {
        let words: Vec<&str> = words.into_iter().collect();
        let stem = format!("{}_{}", table.name, words.join("_"));
        let mut number = 1;
        loop {
            let end = if number == 1 { format!("_{end}") } else { format!("_{end}{number}") };
            let name = format!("{}{end}", shortened(&stem, 63 - end.len()));
            if !self.is_taken(&name) {
                self.given.push(name.clone());
                return name;
            }
            number += 1;
        }
    }

    fn is_taken(&self, name: &str) -> bool {
        self.given.iter().any(|given| given == name)
            || self.catalogue.tables.iter().any(|table| {
                table.name.eq_ignore_ascii_case(name)
                    || table.indexes.iter().any(|index| index.name.eq_ignore_ascii_case(name))
                    || table.checks.iter().any(|check| check.name == name)
            })
    }
}

/// How InnoDB is told to let others write meanwhile, or to refuse.
fn online(table: &Table) -> &'static str {
    if table.engine.as_deref() == Some("InnoDB") { ", ALGORITHM=INPLACE, LOCK=NONE" } else { "" }
}

fn is_partitioned(table: &Table) -> bool {
    *own_kind(table) == Kind::Partitioned
}

/// What a table is by itself, whatever it is a partition of.
fn own_kind(table: &Table) -> &Kind {
    match &table.kind {
        Kind::PartitionOf { kind, .. } => kind,
        kind => kind,
    }
}

/// The partitions that have rows here. An index can be made of no others: a foreign table's is the other server's.
fn gather_leaves<'c>(catalogue: &'c Catalogue, table: &'c Table, leaves: &mut Vec<&'c Table>) {
    for partition in catalogue.partitions(table) {
        match own_kind(partition) {
            Kind::Partitioned => gather_leaves(catalogue, partition, leaves),
            Kind::Foreign => {}
            _ => leaves.push(partition),
        }
    }
}

fn shortened(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Words that are no names without quotes in one database or another; others in quotes do no harm.
const RESERVED: [&str; 42] = [
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "as",
    "asc",
    "by",
    "case",
    "check",
    "column",
    "constraint",
    "create",
    "default",
    "desc",
    "distinct",
    "else",
    "end",
    "for",
    "foreign",
    "from",
    "group",
    "having",
    "in",
    "index",
    "key",
    "limit",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "primary",
    "references",
    "rows",
    "select",
    "table",
    "then",
    "to",
    "user",
    "where",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_at_a_character() {
        assert_eq!(shortened("aé", 2), "a");
        assert_eq!(shortened("aé", 3), "aé");
        assert_eq!(shortened("a", 9), "a");
    }
}
