//! SQLite's catalogue, by its pragmas as tables.

mod text;

use std::collections::HashMap;

use diesel::{
    QueryableByName, RunQueryDsl as _, SqliteConnection,
    result::QueryResult,
    sql_query,
    sql_types::{BigInt, Bool, Nullable, Text},
};

use super::{
    Action, Catalogue, Column, Connected, Database, ForeignKey, Index, IndexKey, IndexPart, Kind, Strictness, Table,
    Use,
};

const SERVER: &str = "
    SELECT sqlite_version() AS version, (SELECT foreign_keys FROM pragma_foreign_keys) AS enforces,
        EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1') AS has_statistics";

const TABLES: &str = "
    SELECT m.name, m.type AS kind, coalesce(l.wr, 0) AS without_rowid
    FROM sqlite_schema AS m LEFT JOIN pragma_table_list AS l ON l.schema = 'main' AND l.name = m.name
    WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    ORDER BY m.name";

// 2 and 3 are generated columns, 1 the hidden ones of virtual tables.
const COLUMNS: &str = "
    SELECT m.name AS \"table\", c.name, c.type AS sql_type, c.\"notnull\" AS is_not_null, c.dflt_value AS \"default\",
        c.pk, c.hidden IN (2, 3) AS is_generated
    FROM sqlite_schema AS m JOIN pragma_table_xinfo(m.name) AS c
    WHERE m.type IN ('table', 'view') AND c.hidden <> 1 ORDER BY m.name, c.cid";

const INDEXES: &str = "
    SELECT m.name AS \"table\", l.name, l.\"unique\" AS is_unique, l.origin, x.name AS \"column\", x.\"desc\" AS descending,
        x.coll AS collation, s.sql AS definition
    FROM sqlite_schema AS m JOIN pragma_index_list(m.name) AS l JOIN pragma_index_xinfo(l.name) AS x
        LEFT JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = l.name
    WHERE m.type = 'table' AND x.key = 1 ORDER BY m.name, l.name, x.seqno";

const FOREIGN_KEYS: &str = "
    SELECT m.name AS \"table\", f.id, f.\"table\" AS target, f.\"from\" AS \"column\", f.\"to\" AS target_column,
        f.on_delete, f.on_update
    FROM sqlite_schema AS m JOIN pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq";

const STATISTICS: &str =
    "SELECT tbl AS \"table\", idx AS \"index\", stat AS counts FROM sqlite_stat1 WHERE stat IS NOT NULL";

#[derive(QueryableByName)]
struct ServerRow {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Bool)]
    enforces: bool,
    #[diesel(sql_type = Bool)]
    has_statistics: bool,
}

#[derive(QueryableByName)]
struct TableRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    without_rowid: bool,
}

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql_type: String,
    #[diesel(sql_type = Bool)]
    is_not_null: bool,
    #[diesel(sql_type = Nullable<Text>)]
    default: Option<String>,
    #[diesel(sql_type = BigInt)]
    pk: i64,
    #[diesel(sql_type = Bool)]
    is_generated: bool,
}

#[derive(QueryableByName)]
struct IndexRow {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    is_unique: bool,
    #[diesel(sql_type = Text)]
    origin: String,
    #[diesel(sql_type = Nullable<Text>)]
    column: Option<String>,
    #[diesel(sql_type = Bool)]
    descending: bool,
    #[diesel(sql_type = Nullable<Text>)]
    collation: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    definition: Option<String>,
}

#[derive(QueryableByName)]
struct ForeignKeyRow {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    target: String,
    #[diesel(sql_type = Text)]
    column: String,
    #[diesel(sql_type = Nullable<Text>)]
    target_column: Option<String>,
    #[diesel(sql_type = Text)]
    on_delete: String,
    #[diesel(sql_type = Text)]
    on_update: String,
}

#[derive(QueryableByName)]
struct StatisticsRow {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Nullable<Text>)]
    index: Option<String>,
    #[diesel(sql_type = Text)]
    counts: String,
}

const MAIN: &str = "main";

impl Connected for SqliteConnection {
    fn catalogue(&mut self) -> QueryResult<Catalogue> {
        let server: ServerRow = sql_query(SERVER).get_result(self)?;
        let rows: Vec<TableRow> = sql_query(TABLES).load(self)?;
        let mut places = HashMap::with_capacity(rows.len());
        let mut has_rowid = Vec::with_capacity(rows.len());
        let mut tables = Vec::with_capacity(rows.len());
        for row in rows {
            places.insert(row.name.clone(), tables.len());
            has_rowid.push(row.kind == "table" && !row.without_rowid);
            tables.push(row.table());
        }
        let mut keys: Vec<Vec<(i64, String)>> = vec![Vec::new(); tables.len()];
        for row in sql_query(COLUMNS).load::<ColumnRow>(self)? {
            let Some(at) = places.get(&row.table).copied() else { continue };
            if row.pk > 0 {
                keys[at].push((row.pk, row.name.clone()));
            }
            tables[at].columns.push(row.column());
        }
        for (at, mut key) in keys.into_iter().enumerate() {
            key.sort_unstable();
            tables[at].primary_key = key.into_iter().map(|(_, name)| name).collect();
        }
        let mut open: Option<(usize, Index)> = None;
        for row in sql_query(INDEXES).load::<IndexRow>(self)? {
            let Some(at) = places.get(&row.table).copied() else { continue };
            if !matches!(&open, Some((_, index)) if index.name == row.name) {
                if let Some((at, index)) = open.take() {
                    tables[at].indexes.push(index);
                }
                open = Some((at, row.index()));
            }
            if row.is_lenient() && !row.is_collated() {
                let column = tables[at].columns.iter_mut().find(|column| Some(&column.name) == row.column.as_ref());
                column.into_iter().for_each(|column| column.strictness = Strictness::Lenient);
            }
            if let Some((_, index)) = &mut open {
                let part = row.part(index.parts.len());
                index.parts.push(part);
            }
        }
        if let Some((at, index)) = open {
            tables[at].indexes.push(index);
        }
        for (table, has_rowid) in tables.iter_mut().zip(has_rowid) {
            // A key that is the row's number has no index of its own: the table is in its order.
            if has_rowid && !table.primary_key.is_empty() && !table.indexes.iter().any(|index| index.is_primary) {
                table.indexes.insert(0, rowid(&table.primary_key));
            }
        }
        let mut last = None;
        for row in sql_query(FOREIGN_KEYS).load::<ForeignKeyRow>(self)? {
            let Some(at) = places.get(&row.table).copied() else { continue };
            if last.replace((at, row.id)) != Some((at, row.id)) {
                tables[at].foreign_keys.push(row.foreign_key());
            }
            if let Some(key) = tables[at].foreign_keys.last_mut() {
                key.columns.push(row.column);
                key.target.extend(row.target_column);
            }
        }
        if server.has_statistics {
            for row in sql_query(STATISTICS).load::<StatisticsRow>(self)? {
                if let Some(at) = places.get(&row.table) {
                    row.count(&mut tables[*at]);
                }
            }
        }
        Ok(Catalogue {
            database: Database::SQLite,
            version: server.version,
            search_path: vec![MAIN.to_owned()],
            tables,
            counted_since: None,
            enforces_foreign_keys: server.enforces,
        })
    }
}

fn rowid(key: &[String]) -> Index {
    Index {
        name: "rowid".to_owned(),
        method: "rowid".to_owned(),
        parts: key.iter().map(|name| IndexPart::column(name.clone())).collect(),
        included: Vec::new(),
        is_unique: true,
        is_primary: true,
        is_constraint: true,
        is_deferrable: false,
        is_valid: true,
        nulls_are_equal: false,
        is_replica_identity: false,
        is_inherited: false,
        predicate: None,
        definition: None,
        bytes: None,
        used: Use::Unknown,
    }
}

impl TableRow {
    fn table(self) -> Table {
        Table {
            schema: MAIN.to_owned(),
            name: self.name,
            kind: if self.kind == "view" { Kind::View } else { Kind::Table },
            columns: Vec::new(),
            primary_key: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            n_rows: None,
            bytes: None,
            is_locked: false,
            n_reads: None,
            engine: None,
        }
    }
}

impl ColumnRow {
    fn column(self) -> Column {
        Column {
            // The number of a row is never NULL, whether the table says so or not.
            is_nullable: !(self.is_not_null || self.pk == 1 && self.sql_type.eq_ignore_ascii_case("integer")),
            name: self.name,
            sql_type: self.sql_type,
            type_id: None,
            default: self.default,
            is_generated: self.is_generated,
            strictness: Strictness::Exact,
            counter: None,
            n_distinct: None,
        }
    }
}

impl IndexRow {
    fn is_lenient(&self) -> bool {
        self.collation.as_deref().is_some_and(|name| !name.eq_ignore_ascii_case("BINARY"))
    }

    /// Whether the index itself says how it compares: otherwise its columns do.
    fn is_collated(&self) -> bool {
        self.definition.as_deref().is_some_and(|sql| sql.to_ascii_uppercase().contains("COLLATE"))
    }

    fn index(&self) -> Index {
        Index {
            name: self.name.clone(),
            method: "btree".to_owned(),
            is_unique: self.is_unique,
            is_primary: self.origin == "pk",
            is_constraint: self.origin != "c",
            predicate: self.definition.as_deref().and_then(text::predicate),
            definition: self.definition.clone(),
            parts: Vec::new(),
            ..rowid(&[])
        }
    }

    fn part(&self, at: usize) -> IndexPart {
        let key = match &self.column {
            Some(name) => IndexKey::Column(name.clone()),
            None => {
                IndexKey::Expression(self.definition.as_deref().and_then(|sql| text::part(sql, at)).unwrap_or_default())
            }
        };
        IndexPart {
            key,
            descending: self.descending,
            nulls_first: !self.descending,
            prefix: None,
            has_other_collation: self.is_lenient() && self.is_collated(),
            has_other_order: false,
        }
    }
}

impl ForeignKeyRow {
    fn foreign_key(&self) -> ForeignKey {
        ForeignKey {
            name: None,
            columns: Vec::new(),
            schema: MAIN.to_owned(),
            table: self.target.clone(),
            target: Vec::new(),
            on_delete: Action::named(&self.on_delete),
            on_update: Action::named(&self.on_update),
            is_valid: true,
        }
    }
}

impl StatisticsRow {
    /// `ANALYZE` writes how many rows there are, and how many have the same first column.
    fn count(&self, table: &mut Table) {
        let mut counts = self.counts.split(' ').filter_map(|count| count.parse::<u64>().ok());
        let Some(n_rows) = counts.next() else { return };
        table.n_rows = Some(n_rows.max(table.n_rows.unwrap_or_default()));
        let first = self.index.as_ref().and_then(|name| table.indexes.iter().find(|index| index.name == *name));
        let first = first.and_then(|index| index.columns().first().map(|name| (*name).to_owned()));
        if let (Some(name), Some(of_each)) = (first, counts.next().filter(|n| *n > 0))
            && let Some(column) = table.columns.iter_mut().find(|column| column.name == name)
        {
            column.n_distinct = Some(n_rows.div_ceil(of_each));
        }
    }
}
