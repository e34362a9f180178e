//! Reading a live schema.

#[cfg(feature = "mysql")]
mod mysql;
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::collections::BTreeMap;

use diesel::{Connection, PgConnection};
use larder::catalogue::{self, Action, Catalogue, IndexKey, Kind};

use super::{
    Options,
    schema::{Backend, Column, ColumnType, ForeignKey, Index, IndexColumn, Note, OnDelete, Schema, Table},
};
use crate::complaint::Complaint;

/// Tables of which the models know nothing.
const OF_LARDER: [&str; 4] = ["larder_outbox", "larder_behind", "larder_behind_held", "larder_behind_dead"];

/// What a catalogue does not say of a column.
#[derive(Debug)]
struct More {
    ty: ColumnType,
    comment: Option<String>,
    /// Whether an insert may not give it a value.
    is_refused: bool,
}

/// What it does not say of a table.
#[derive(Debug, Default)]
struct About {
    comment: Option<String>,
    is_changed_after: bool,
}

/// What is known beside the catalogue: of tables by schema and name, of columns by those and theirs.
#[derive(Debug, Default)]
struct Beside {
    tables: BTreeMap<(String, String), About>,
    columns: BTreeMap<(String, String, String), More>,
}

/// Reads what the options ask for.
pub(super) fn read(options: &Options) -> Result<Schema, Complaint> {
    let url = options.database_url.as_str();
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    match scheme {
        "postgres" | "postgresql" => {
            let mut connection = PgConnection::establish(url).map_err(|error| Complaint::of(&error))?;
            let catalogue = Catalogue::read(&mut connection).map_err(|error| Complaint::of(&error))?;
            let first = catalogue.search_path.first().map_or("public", String::as_str).to_owned();
            let beside = postgres::beside(&mut connection, &first).map_err(|error| Complaint::of(&error))?;
            select(Backend::Postgres, &catalogue, beside, options)
        }
        #[cfg(feature = "mysql")]
        "mysql" => {
            let mut connection = diesel::MysqlConnection::establish(url).map_err(|error| Complaint::of(&error))?;
            let catalogue = Catalogue::read(&mut connection).map_err(|error| Complaint::of(&error))?;
            let beside = mysql::beside(&mut connection, &catalogue).map_err(|error| Complaint::of(&error))?;
            select(Backend::Mysql, &catalogue, beside, options)
        }
        #[cfg(feature = "sqlite")]
        "" | "sqlite" | "file" => {
            let file = url.strip_prefix("sqlite://").unwrap_or(url);
            let mut connection = diesel::SqliteConnection::establish(file).map_err(|error| Complaint::of(&error))?;
            let catalogue = Catalogue::read(&mut connection).map_err(|error| Complaint::of(&error))?;
            let beside = sqlite::beside(&mut connection, &catalogue).map_err(|error| Complaint::of(&error))?;
            select(Backend::Sqlite, &catalogue, beside, options)
        }
        other => Err(Complaint::from(format!(
            "this program has no back end for a URL that begins with {other:?}: it has those of postgres://{}{}",
            if cfg!(feature = "mysql") { ", mysql://" } else { "; the feature `mysql` adds MariaDB and MySQL" },
            if cfg!(feature = "sqlite") { ", sqlite:// and files" } else { "; the feature `sqlite` adds SQLite" },
        ))),
    }
}

fn select(backend: Backend, catalogue: &Catalogue, mut beside: Beside, options: &Options) -> Result<Schema, Complaint> {
    let first = catalogue.search_path.first().map_or("main", String::as_str);
    let wanted: Vec<&str> = match options.schemas.as_slice() {
        [] => vec![first],
        schemas => schemas.iter().map(String::as_str).collect(),
    };
    let names = |table: &catalogue::Table| [table.name.clone(), format!("{}.{}", table.schema, table.name)];
    let is_named = |list: &[String], table: &catalogue::Table| names(table).iter().any(|name| list.contains(name));
    for name in options.tables.iter().chain(&options.excluded) {
        if !catalogue.tables.iter().any(|table| names(table).contains(name)) {
            return Err(Complaint::from(format!("there is no table {name:?}, or it may not be seen")));
        }
    }
    for schema in &wanted {
        if !catalogue.tables.iter().any(|table| table.schema == *schema) {
            return Err(Complaint::from(format!(
                "there are no tables in the schema {schema:?}, or they may not be seen"
            )));
        }
    }
    let (mut tables, mut notes) = (Vec::new(), Vec::new());
    for table in &catalogue.tables {
        let is_ours = table.name.starts_with("__") || OF_LARDER.contains(&table.name.as_str());
        let is_wanted = options.tables.is_empty() || is_named(&options.tables, table);
        if is_ours || !wanted.contains(&&*table.schema) || !is_wanted || is_named(&options.excluded, table) {
            continue;
        }
        match table.kind {
            Kind::Table | Kind::Partitioned | Kind::MaterializedView => {}
            // Its rows are the partitioned table's.
            Kind::PartitionOf { .. } => continue,
            Kind::View => {
                notes.push(Note::new(&table.name, "no model: the database does not say when a view's rows change"));
                continue;
            }
            _ => {
                notes.push(Note::new(&table.name, "no model: its rows are another server's, and change there"));
                continue;
            }
        }
        tables.push(of_catalogue(backend, table, first, &mut beside));
    }
    tables.sort_by(|one: &Table, other| (&one.schema, &one.name).cmp(&(&other.schema, &other.name)));
    Ok(Schema { backend, tables, notes })
}

fn of_catalogue(backend: Backend, table: &catalogue::Table, first: &str, beside: &mut Beside) -> Table {
    let schema_of = |schema: &str| (schema != first).then(|| schema.to_owned());
    let about = beside.tables.remove(&(table.schema.clone(), table.name.clone())).unwrap_or_default();
    let columns = table.columns.iter().filter_map(|column| {
        let more = beside.columns.remove(&(table.schema.clone(), table.name.clone(), column.name.clone()))?;
        let is_in_key = table.primary_key.contains(&column.name);
        // SQLite numbers such a column itself.
        let is_rowid = backend == Backend::Sqlite
            && table.primary_key == [column.name.clone()]
            && column.sql_type.eq_ignore_ascii_case("integer");
        Some(Column {
            name: column.name.clone(),
            sql_type: column.sql_type.clone(),
            ty: more.ty,
            is_nullable: column.is_nullable && !is_in_key,
            has_default: column.default.is_some() || column.counter.is_some() || is_rowid,
            is_generated: column.is_generated || more.is_refused,
            is_lenient: column.strictness == catalogue::Strictness::Lenient,
            comment: more.comment,
        })
    });
    Table {
        schema: schema_of(&table.schema),
        name: table.name.clone(),
        comment: about.comment,
        is_view: table.kind == Kind::MaterializedView,
        columns: columns.collect(),
        primary_key: table.primary_key.clone(),
        indexes: table.indexes.iter().filter(|index| !index.is_primary).map(index).collect(),
        foreign_keys: table
            .foreign_keys
            .iter()
            .map(|key| ForeignKey {
                columns: key.columns.clone(),
                schema: schema_of(&key.schema),
                table: key.table.clone(),
                target: key.target.clone(),
                on_delete: match key.on_delete {
                    Action::Cascade => OnDelete::Cascade,
                    Action::SetNull => OnDelete::SetNull,
                    Action::SetDefault => OnDelete::SetDefault,
                    _ => OnDelete::Refuse,
                },
            })
            .collect(),
        is_changed_after: about.is_changed_after,
    }
}

fn index(index: &catalogue::Index) -> Index {
    let column = |part: &catalogue::IndexPart| match &part.key {
        IndexKey::Column(name) => Some(IndexColumn { name: name.clone(), descending: part.descending }),
        _ => None,
    };
    let columns: Vec<IndexColumn> = index.parts.iter().filter_map(column).collect();
    let flaw = if !index.is_valid {
        Some("it is not valid")
    } else if index.predicate.is_some() {
        Some("it has a condition, and larder's patterns are of all rows")
    } else if columns.len() < index.parts.len() {
        Some("it is on an expression, and larder's patterns are of columns")
    } else if !matches!(index.method.to_ascii_lowercase().as_str(), "btree" | "hash" | "rowid") {
        Some("indexes of its kind find by more than equality: `query` uses it")
    } else if index.parts.iter().any(|part| part.prefix.is_some()) {
        Some("it has the beginnings of values only")
    } else if index.parts.iter().any(|part| part.has_other_collation || part.has_other_order) {
        Some("it compares in another way than its column does")
    } else {
        None
    };
    Index { name: index.name.clone(), columns, is_unique: index.is_unique, is_deferrable: index.is_deferrable, flaw }
}
