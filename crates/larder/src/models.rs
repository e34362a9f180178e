//! Models by name, for what works beside repositories: the relay, triggers, the verifier.

mod columns;
mod declared;

use std::{fmt, marker::PhantomData, sync::Arc};

use diesel::{
    Table as _, deserialize,
    query_builder::{QueryBuilder as _, QueryFragment},
    result::QueryResult,
    row::Row,
};

pub(crate) use self::{columns::quoted, declared::Declared};
use crate::{
    backend::Backend,
    entity::{PatternOn, Table, Viewed},
    load,
    partitions::Partition,
    payload,
    relation::Ordering,
    row::{FromRow, RowReader, SelectList},
    statement::Statement,
    store::CellKey,
    upkeep::{self, Maintained},
    verify,
    view_cells::versions_with,
};

/// The models that something beside repositories is told of.
///
/// ```
/// # #[cfg(feature = "postgres")]
/// # fn example<User: larder::Table<diesel::pg::Pg>, Order: larder::Table<diesel::pg::Pg>>() {
/// let models = larder::Models::<diesel::pg::Pg>::new().with::<User>().with::<Order>();
/// # }
/// ```
pub struct Models<DB: Backend> {
    models: Vec<Arc<Model<DB>>>,
}

impl<DB: Backend> Clone for Models<DB> {
    fn clone(&self) -> Self {
        Self { models: self.models.clone() }
    }
}

impl<DB: Backend> Models<DB> {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { models: Vec::new() }
    }

    /// These and one more. A model that is among them already is not added again.
    #[must_use]
    pub fn with<E: Table<DB>>(mut self) -> Self {
        if self.named(E::cells_name()).is_none() {
            self.models.push(Arc::new(Model::of::<E>()));
        }
        self
    }

    /// What their cells' keys begin with, in the order in which they were given.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.models.iter().map(|model| model.name)
    }

    /// What is known of each, in that order.
    pub fn describe(&self) -> impl Iterator<Item = Described<'_>> {
        self.models.iter().map(|model| Described {
            name: model.name,
            table: &model.table,
            primary_key: model.patterns.first().map_or(&[], |pattern| pattern.names),
            key_columns: model.key_columns(),
            left_out: &model.left_out,
            is_view: model.view.is_some(),
            partition: model.partition.as_ref(),
        })
    }

    /// Those of them that are tables: a materialized view has neither triggers nor a place in the log.
    #[must_use]
    pub fn tables(&self) -> Self {
        Self { models: self.models.iter().filter(|model| model.view.is_none()).cloned().collect() }
    }

    /// Those of them that say how their tables are cut into partitions.
    #[must_use]
    pub fn partitioned(&self) -> Self {
        Self { models: self.models.iter().filter(|model| model.partition.is_some()).cloned().collect() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Model<DB>> {
        self.models.iter().map(AsRef::as_ref)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Model<DB>> {
        self.iter().find(|model| model.name == name)
    }
}

impl<DB: Backend> Default for Models<DB> {
    fn default() -> Self {
        Self::new()
    }
}

impl<DB: Backend> fmt::Debug for Models<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// What [`Models`] knows of one model.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Described<'a> {
    /// What its cells' keys begin with.
    pub name: &'static str,
    /// Its table as SQL names it, quoted.
    pub table: &'a str,
    /// The columns of its primary key.
    pub primary_key: &'static [&'static str],
    /// Every column that is in a key, once, those of the primary key first.
    pub key_columns: Vec<&'static str>,
    /// The columns that Diesel's table has and the model leaves out: no cell holds them.
    pub left_out: &'a [String],
    /// Whether it is no table but a materialized view.
    pub is_view: bool,
    /// How it is cut into partitions, if it says so.
    pub partition: Option<&'a Partition>,
}

/// One model, without its type.
pub(crate) struct Model<DB: Backend> {
    /// What its cells' keys begin with.
    pub(crate) name: &'static str,
    /// Its table as SQL names it, quoted.
    pub(crate) table: String,
    /// By what its rows are looked up; the primary key first.
    pub(crate) patterns: Vec<Columns>,
    /// The column that says when a row was deleted, if such rows are left out.
    pub(crate) deleted_at: Option<&'static str>,
    /// Its columns, as far as they are fields of the model's own.
    pub(crate) columns: Vec<Declared<DB>>,
    /// Those of the structs that are embedded in it, or which of them are not certain.
    pub(crate) embedded: Vec<String>,
    /// The columns that Diesel's table has and the model leaves out: whatever happens to them, no cell holds it.
    pub(crate) left_out: Vec<String>,
    /// The column of the tenant that each of its rows belongs to.
    pub(crate) tenant: Option<&'static str>,
    /// What it says of its view, if it is no table.
    pub(crate) view: Option<Viewed>,
    /// How its table is cut into partitions, if it says so.
    pub(crate) partition: Option<Partition>,
    /// What it keeps up to date in others.
    pub(crate) maintains: Vec<Maintained<DB>>,
    /// The versions of the views that its rows are in.
    pub(crate) versions: Vec<CellKey>,
    load_keys: LoadKeys<DB>,
    /// Compares its cells with its table.
    pub(crate) check: verify::Check<DB>,
}

type LoadKeys<DB> = fn(&mut <DB as Backend>::Connection, Statement<'_, DB>) -> QueryResult<Vec<Vec<CellKey>>>;

/// The columns of one pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    pub(crate) names: &'static [&'static str],
    /// Whether at most one row has the same values in them.
    pub(crate) is_unique: bool,
    /// Whether that holds at every moment, and not at COMMIT only.
    pub(crate) is_immediate: bool,
    /// How a list is ordered.
    pub(crate) order: Ordering,
    /// The statement that loads it, with places for the values.
    pub(crate) text: fn() -> Option<String>,
}

impl<DB: Backend> Model<DB> {
    fn of<E: Table<DB>>() -> Self {
        let mut patterns = Patterns { patterns: Vec::new(), _entity: PhantomData::<E> };
        // Nothing that is described can fail.
        let _ = E::patterns(&mut patterns);
        let table = table_of::<DB, E>();
        let load_keys: LoadKeys<DB> = |connection, statement| {
            let rows: Vec<KeysOf<E>> = DB::load(connection, statement)?;
            Ok(rows.into_iter().map(|row| row.keys).collect())
        };
        let (patterns, left_out) = (patterns.patterns, left_out::<DB, E>());
        let (name, view, check) = (E::cells_name(), E::VIEW, verify::check::<DB, E>);
        let (maintains, partition) = (upkeep::maintained::<DB, E>(), E::PARTITION);
        let (columns, embedded) = declared::<DB, E>();
        let deleted_at = E::GUARDS.deleted_at.map(|stamp| stamp.column);
        Self {
            name,
            columns,
            embedded,
            deleted_at,
            table,
            patterns,
            left_out,
            tenant: E::TENANT,
            view,
            partition,
            maintains,
            versions: versions_with::<DB, E>(),
            load_keys,
            check,
        }
    }

    /// Every column that is in a key, once.
    pub(crate) fn key_columns(&self) -> Vec<&'static str> {
        let mut columns = Vec::new();
        for name in self.patterns.iter().flat_map(|pattern| pattern.names) {
            if !columns.contains(name) {
                columns.push(*name);
            }
        }
        columns
    }

    /// Runs a statement that selects the columns of all [patterns](Self::patterns) one after the other: the keys of each row's cells.
    /// A pattern of which a column is NULL has no cell.
    pub(crate) fn load_keys(
        &self,
        connection: &mut DB::Connection,
        statement: Statement<'_, DB>,
    ) -> QueryResult<Vec<Vec<CellKey>>> {
        (self.load_keys)(connection, statement)
    }
}

/// A model's table as SQL names it, quoted.
pub(crate) fn table_of<DB: Backend, E: Table<DB>>() -> String {
    written::<DB>(&*load::table::<DB, E>()).unwrap_or_else(|| E::NAME.to_owned())
}

/// A piece of SQL as the back end writes it.
fn written<DB: Backend>(fragment: &(impl QueryFragment<DB> + ?Sized)) -> Option<String> {
    let mut sql = DB::QueryBuilder::default();
    fragment.to_sql(&mut sql, &DB::default()).ok()?;
    Some(sql.finish())
}

/// The names of columns: `None` where there is anything else.
#[cfg(feature = "behind")]
pub(crate) fn columns_of<DB: Backend>(fragment: &impl QueryFragment<DB>) -> Option<Vec<String>> {
    written::<DB>(fragment).as_deref().and_then(columns::named_in)
}

/// The columns of a model, and those that are embedded in it.
fn declared<DB: Backend, E: Table<DB>>() -> (Vec<Declared<DB>>, Vec<String>) {
    let mut list = SelectList::new();
    list.declared = Some(Vec::new());
    E::columns(&mut list);
    let declared = list.declared.take().unwrap_or_default();
    let all = list.items.iter().filter_map(|item| columns::named_in(&written::<DB>(&**item)?)).flatten();
    let embedded = all.filter(|name| !declared.iter().any(|column| column.name == name)).collect();
    (declared, embedded)
}

/// The columns of a model's table that are none of the model's: none where that is not certain.
fn left_out<DB: Backend, E: Table<DB>>() -> Vec<String> {
    let mut list = SelectList::new();
    E::columns(&mut list);
    let selected = list.items.iter().map(|item| columns::named_in(&written::<DB>(&**item)?));
    let (Some(selected), Some(all)) = (
        selected.collect::<Option<Vec<_>>>(),
        written::<DB>(&E::Table::all_columns()).as_deref().and_then(columns::named_in),
    ) else {
        return Vec::new();
    };
    let selected: Vec<String> = selected.into_iter().flatten().collect();
    all.into_iter().filter(|column| !selected.contains(column)).collect()
}

/// Is shown the patterns of an entity, the primary key first.
pub trait VisitPatterns<DB: Backend> {
    /// Whose patterns they are.
    type Entity: Table<DB>;

    /// The next pattern.
    ///
    /// # Errors
    /// Whatever ends the visit.
    fn pattern<P: PatternOn<DB, Entity = Self::Entity>>(&mut self) -> deserialize::Result<()>;
}

struct Patterns<E> {
    patterns: Vec<Columns>,
    _entity: PhantomData<E>,
}

impl<DB: Backend, E: Table<DB>> VisitPatterns<DB> for Patterns<E> {
    type Entity = E;

    fn pattern<P: PatternOn<DB, Entity = E>>(&mut self) -> deserialize::Result<()> {
        self.patterns.push(Columns {
            names: P::COLUMNS,
            is_unique: P::UNIQUE,
            is_immediate: P::WRITE_THROUGH,
            order: P::ORDER,
            text: load::text_for_a_key::<DB, P>,
        });
        Ok(())
    }
}

/// The keys of the cells of one row, read from the columns of its patterns.
struct KeysOf<E> {
    keys: Vec<CellKey>,
    _entity: PhantomData<E>,
}

impl<DB: Backend, E: Table<DB>> FromRow<DB> for KeysOf<E> {
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let mut reading = Reading { row, keys: Vec::new(), _of: PhantomData };
        E::patterns(&mut reading)?;
        Ok(Self { keys: reading.keys, _entity: PhantomData })
    }
}

struct Reading<'x, 'a, 'r, R, E> {
    row: &'x mut RowReader<'a, R>,
    keys: Vec<CellKey>,
    _of: PhantomData<(&'r (), E)>,
}

impl<'r, DB: Backend, E: Table<DB>, R: Row<'r, DB>> VisitPatterns<DB> for Reading<'_, '_, 'r, R, E> {
    type Entity = E;

    fn pattern<P: PatternOn<DB, Entity = E>>(&mut self) -> deserialize::Result<()> {
        let key = P::read(self.row)?;
        self.keys.extend(key.map(|key| payload::cell_key::<P>(&key)));
        Ok(())
    }
}
