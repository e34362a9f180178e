//! What a database has, as far as models are made of it.

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(all(feature = "mysql", feature = "sqlite")), allow(dead_code, reason = "read by features"))]
pub(crate) enum Backend {
    Postgres,
    Mysql,
    Sqlite,
}

impl Backend {
    /// Diesel's type.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Postgres => "diesel::pg::Pg",
            Self::Mysql => "diesel::mysql::Mysql",
            Self::Sqlite => "diesel::sqlite::Sqlite",
        }
    }

    /// The feature of Diesel and of larder.
    pub(crate) const fn feature(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Sqlite => "sqlite",
        }
    }
}

/// The tables and the types.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    pub(crate) backend: Backend,
    /// Sorted by name: the same database gives the same code.
    pub(crate) tables: Vec<Table>,
    /// What was passed over while it was read.
    pub(crate) notes: Vec<Note>,
}

/// A table, or a materialized view.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// `None` is the schema in which a table without one is looked for.
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    pub(crate) comment: Option<String>,
    pub(crate) is_view: bool,
    pub(crate) columns: Vec<Column>,
    pub(crate) primary_key: Vec<String>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
    /// Whether a trigger may change a row after its statement has given it back.
    pub(crate) is_changed_after: bool,
}

impl Table {
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns by which rows are told apart: none if there is no such key.
    ///
    /// A view's are those of its smallest unique index, by which a refresh tells rows apart.
    pub(crate) fn key(&self) -> Vec<&str> {
        if !self.is_view {
            return self.primary_key.iter().map(String::as_str).collect();
        }
        let unique = self.indexes.iter().filter(|index| index.is_unique && index.flaw.is_none());
        unique.min_by_key(|index| index.columns.len()).map(Index::names).unwrap_or_default()
    }

    /// `schema.name` as messages have it.
    pub(crate) fn full_name(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// As the database writes it.
    pub(crate) sql_type: String,
    pub(crate) ty: ColumnType,
    pub(crate) is_nullable: bool,
    pub(crate) has_default: bool,
    /// Whether only the database writes it.
    pub(crate) is_generated: bool,
    /// Whether texts that differ may be equal in it.
    pub(crate) is_lenient: bool,
    pub(crate) comment: Option<String>,
}

/// A column's type in `table!` and in Rust, NULL aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnType {
    pub(crate) diesel: String,
    pub(crate) max_length: Option<u64>,
    /// A type that Diesel does not bring: it is declared in the schema.
    pub(crate) custom: Option<Custom>,
    /// `None` if neither Diesel nor larder has one for it.
    pub(crate) rust: Option<RustType>,
}

/// A type of the database's own, by which one in the schema is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Custom {
    /// The type in `sql_types`.
    pub(crate) rust_name: String,
    pub(crate) sql_name: String,
    pub(crate) schema: Option<String>,
    /// The words that it consists of, if it is an enum.
    pub(crate) labels: Vec<String>,
}

/// A type in Rust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RustType {
    pub(crate) path: Path,
    /// Whether its values can be part of a key.
    pub(crate) is_key: bool,
    /// Whether an index that ends with it is one for an order rather than for finding.
    pub(crate) orders: bool,
}

/// How a type is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Path {
    /// This, with what it has to import.
    Plain(&'static str),
    /// The enum made of the column's custom type.
    Enum,
    /// `Vec<Option<..>>` of that.
    Array(Box<Path>),
}

/// An index.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) columns: Vec<IndexColumn>,
    pub(crate) is_unique: bool,
    pub(crate) is_deferrable: bool,
    /// Why no rows are found by it, if so.
    pub(crate) flaw: Option<&'static str>,
}

impl Index {
    pub(crate) fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }
}

/// A part of an index's key.
#[derive(Debug, Clone)]
pub(crate) struct IndexColumn {
    pub(crate) name: String,
    pub(crate) descending: bool,
}

/// A foreign key.
#[derive(Debug, Clone)]
pub(crate) struct ForeignKey {
    pub(crate) columns: Vec<String>,
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
    pub(crate) target: Vec<String>,
    pub(crate) on_delete: OnDelete,
}

/// What the database does with rows when what they refer to is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDelete {
    Refuse,
    Cascade,
    SetNull,
    SetDefault,
}

/// Something that the user has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// A table, or a column of it.
    pub(crate) of: String,
    pub(crate) text: String,
}

impl Note {
    pub(crate) fn new(of: impl Into<String>, text: impl Into<String>) -> Self {
        Self { of: of.into(), text: text.into() }
    }
}
