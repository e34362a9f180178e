//! The statements' rows.

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Nullable, Text},
};

use crate::catalogue::{Action, Column, ForeignKey, Index, IndexKey, IndexPart, Kind, Strictness, Table, Use};

#[derive(QueryableByName)]
pub(super) struct ServerRow {
    #[diesel(sql_type = Text)]
    pub(super) version: String,
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = BigInt)]
    pub(super) enforces: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) is_mariadb: i64,
}

#[derive(QueryableByName)]
pub(super) struct Number {
    #[diesel(sql_type = BigInt)]
    pub(super) n: i64,
}

#[derive(QueryableByName)]
pub(super) struct TableRow {
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    engine: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    options: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    n_rows: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    bytes: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) next: Option<String>,
}

impl TableRow {
    pub(super) fn table(self, schema: &str) -> Table {
        let is_partitioned = self.options.is_some_and(|options| options.contains("partitioned"));
        Table {
            schema: schema.to_owned(),
            name: self.name,
            kind: match self.kind.as_str() {
                "VIEW" | "SYSTEM VIEW" => Kind::View,
                _ if is_partitioned => Kind::Partitioned,
                _ => Kind::Table,
            },
            columns: Vec::new(),
            primary_key: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            n_rows: self.n_rows.and_then(|n| u64::try_from(n).ok()),
            bytes: self.bytes.and_then(|n| u64::try_from(n).ok()),
            is_locked: false,
            n_reads: None,
            engine: self.engine,
        }
    }
}

#[derive(QueryableByName)]
pub(super) struct ColumnRow {
    #[diesel(sql_type = Text, column_name = tbl)]
    pub(super) table: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql_type: String,
    #[diesel(sql_type = BigInt)]
    nullable: i64,
    #[diesel(sql_type = Nullable<Text>)]
    def: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    generation: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    extra: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    coll: Option<String>,
}

impl ColumnRow {
    /// Whether the table gives it numbers.
    pub(super) fn counts(&self) -> bool {
        self.extra.as_deref().is_some_and(|extra| extra.contains("auto_increment"))
    }

    pub(super) fn column(self) -> Column {
        let counts = self.counts();
        let generation = self.generation.filter(|sql| !sql.is_empty());
        let is_lenient = self.coll.is_some_and(|name| !name.ends_with("_bin") && !name.ends_with("_cs"));
        Column {
            name: self.name,
            sql_type: self.sql_type,
            type_id: None,
            // MariaDB writes a default of NULL as that word.
            is_nullable: self.nullable != 0,
            is_generated: generation.is_some(),
            default: generation
                .or_else(|| counts.then(|| "auto_increment".to_owned()))
                .or_else(|| self.def.filter(|def| !def.eq_ignore_ascii_case("null"))),
            strictness: if is_lenient { Strictness::Lenient } else { Strictness::Exact },
            counter: None,
            n_distinct: None,
        }
    }
}

/// The largest number that a type holds.
pub(super) fn largest(sql_type: &str) -> u64 {
    let bits = match sql_type.split(['(', ' ']).next().unwrap_or_default() {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" | "integer" => 32,
        _ => 64,
    };
    let bits = if sql_type.contains("unsigned") { bits } else { bits - 1 };
    u64::MAX >> (64 - bits)
}

#[derive(QueryableByName)]
pub(super) struct IndexRow {
    #[diesel(sql_type = Text, column_name = tbl)]
    pub(super) table: String,
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = BigInt)]
    is_unique: i64,
    #[diesel(sql_type = Nullable<Text>, column_name = col)]
    pub(super) column: Option<String>,
    #[diesel(sql_type = BigInt)]
    descending: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    prefix: Option<i64>,
    #[diesel(sql_type = Text)]
    method: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    n_distinct: Option<i64>,
}

impl IndexRow {
    pub(super) fn index(&self) -> Index {
        let (is_unique, is_primary) = (self.is_unique != 0, self.name == "PRIMARY");
        Index {
            name: self.name.clone(),
            method: self.method.to_lowercase(),
            parts: Vec::new(),
            included: Vec::new(),
            is_unique,
            is_primary,
            // A unique key and its index are one here, and can be dropped as one.
            is_constraint: is_primary,
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

    pub(super) fn part(&self) -> IndexPart {
        let descending = self.descending != 0;
        // MySQL tells of expressions in a column of its own, which MariaDB does not have.
        let key = match &self.column {
            Some(name) => IndexKey::Column(name.clone()),
            None => IndexKey::Expression(String::new()),
        };
        let prefix = self.prefix.and_then(|n| u32::try_from(n).ok());
        IndexPart { key, descending, nulls_first: !descending, prefix, ..IndexPart::column(String::new()) }
    }

    /// Takes down how many values the first column has.
    pub(super) fn count(&self, table: &mut Table) {
        let is_first = table.indexes.last().is_some_and(|index| index.parts.is_empty());
        let column = table.columns.iter_mut().find(|column| Some(&column.name) == self.column.as_ref());
        if let (true, Some(column), Some(n)) = (is_first, column, self.n_distinct) {
            column.n_distinct = u64::try_from(n).ok().filter(|n| *n > 0);
        }
    }
}

#[derive(QueryableByName)]
pub(super) struct ForeignKeyRow {
    #[diesel(sql_type = Text, column_name = tbl)]
    pub(super) table: String,
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Text, column_name = col)]
    pub(super) column: String,
    #[diesel(sql_type = Text)]
    target_schema: String,
    #[diesel(sql_type = Text)]
    target: String,
    #[diesel(sql_type = Text, column_name = target_col)]
    pub(super) target_column: String,
    #[diesel(sql_type = Text)]
    on_delete: String,
    #[diesel(sql_type = Text)]
    on_update: String,
}

impl ForeignKeyRow {
    pub(super) fn foreign_key(&self) -> ForeignKey {
        ForeignKey {
            name: Some(self.name.clone()),
            columns: Vec::new(),
            schema: self.target_schema.clone(),
            table: self.target.clone(),
            target: Vec::new(),
            on_delete: Action::named(&self.on_delete),
            on_update: Action::named(&self.on_update),
            is_valid: true,
        }
    }
}

#[derive(QueryableByName)]
pub(super) struct CheckRow {
    #[diesel(sql_type = Text, column_name = tbl)]
    pub(super) table: String,
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Text)]
    pub(super) clause: String,
}

#[derive(QueryableByName)]
pub(super) struct UseRow {
    #[diesel(sql_type = Text, column_name = tbl)]
    pub(super) table: String,
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = BigInt)]
    pub(super) n: i64,
}
