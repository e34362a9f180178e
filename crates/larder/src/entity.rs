//! What the derives say of a model.

use std::time::Duration;

use diesel::{deserialize, row::Row};

use crate::{
    backend::Backend,
    codec::{Corrupt, Fingerprint, Input},
    effect::Cells,
    error::Result,
    guards::Guards,
    key::Key,
    models::VisitPatterns,
    near::Near,
    partitions::Partition,
    relation::Ordering,
    row::{RowReader, SelectList},
    session::Consistency,
    statement::{Fragment, Statement},
    store::Layout,
    transaction::Dependents,
    upkeep::VisitUpkeeps,
    view_cells::VisitViews,
    writes::Writes,
};

/// A model with a repository. `#[derive(Repository)]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no entity",
    label = "this has no repository",
    note = "add `#[derive(larder::Repository)]` to `{Self}`"
)]
pub trait Entity: Clone + Send + Sync + Sized + 'static {
    /// The primary key: a value, or a tuple in the order of `#[diesel(primary_key(..))]`.
    type Key: Key;

    /// The first back end that the model names: the one that views of it are for.
    type Backend: Backend;

    /// The pattern by which rows are found by their primary key.
    type Primary: Pattern<Entity = Self, Key = Self::Key>;

    /// The columns by the names of the fields.
    #[doc(hidden)]
    type Columns: Copy;

    /// The columns by the names of the fields.
    #[doc(hidden)]
    const COLUMNS: Self::Columns;

    /// The numbers of the relations by their names.
    #[doc(hidden)]
    type Relations: Copy;

    /// The numbers of the relations by their names.
    #[doc(hidden)]
    const RELATIONS: Self::Relations;

    /// What the model's table is called in messages.
    const NAME: &'static str;

    /// What the keys of its cells begin with: the table as the database knows it, its schema included, unless the model says
    /// otherwise.
    #[doc(hidden)]
    fn cells_name() -> &'static str {
        Self::NAME
    }

    /// The layout of its cells.
    const LAYOUT: Layout;

    /// How long its cells live; `None` leaves it to the handle.
    const TTL: Option<Duration>;

    /// Whether a committed write puts the new row into its cells. Otherwise it only empties them.
    const WRITE_THROUGH: bool;

    /// Whether a write of its rows goes on while the shared store is away; `None` leaves it to the handle. Defaults to
    /// [`Writes::Strict`] where [`Self::NEAR`] is strict, since nobody could be told to drop their copies.
    const WRITES: Option<Writes> = Self::NEAR.writes();

    /// Whether its rows are kept in the near cache.
    const NEAR: Near = Near::Bounded;

    /// How long they are kept there at most; `None` leaves it to the handle.
    const NEAR_TTL: Option<Duration> = None;

    /// How much of the near cache is for them alone; `None` has them among the others.
    const NEAR_BYTES: Option<u64> = None;

    /// Where its rows are read from; `None` leaves it to the handle.
    const READS: Option<Consistency> = None;

    /// How its table is cut into [partitions](crate::partitions), if it is.
    const PARTITION: Option<Partition> = None;

    /// The materialized view that its rows are of, if they are not a table's.
    #[doc(hidden)]
    const VIEW: Option<Viewed> = None;

    /// The columns that larder itself writes.
    #[doc(hidden)]
    const GUARDS: Guards = Guards::NONE;

    /// The column of the tenant that a row belongs to, if it belongs to one.
    #[doc(hidden)]
    const TENANT: Option<&'static str> = None;

    /// The primary key of this row.
    fn key(&self) -> Self::Key;

    /// How often the row was changed, if it counts that.
    #[doc(hidden)]
    fn version(&self) -> Option<i64> {
        None
    }

    /// Whether the row is there for those only who ask for deleted ones.
    #[doc(hidden)]
    fn is_deleted(&self) -> bool {
        false
    }

    #[doc(hidden)]
    fn encode(&self, out: &mut Vec<u8>);

    #[doc(hidden)]
    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt>;

    /// How many bytes the row owns beside itself.
    #[doc(hidden)]
    fn heap_bytes(&self) -> usize;

    /// Tells every cell that this row is in.
    #[doc(hidden)]
    fn cells(&self, cells: &mut Cells<'_, Self>);
}

/// What a model says of its materialized view.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Viewed {
    /// The query of the view, if the model has it.
    pub query: Option<&'static str>,
}

/// A model whose rows can be written. `#[derive(Repository)]` implements it.
#[diagnostic::on_unimplemented(
    message = "rows of `{Self}` can't be written",
    label = "a materialized view has the rows that its query gave",
    note = "write the tables that its query reads, and call `{Self}::refresh`"
)]
pub trait Writable: Entity {}

/// A model of a materialized view, which is read as a table is and written by its refresh. `#[derive(MaterializedView)]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no materialized view",
    note = "add `#[derive(larder::MaterializedView)]` to `{Self}` in the place of `Repository`, if its rows are a view's"
)]
pub trait MaterializedView: Entity {
    /// Refreshes the view, as [`Larder::refresh`](crate::Larder::refresh) does.
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "postgres")]
    fn refresh(larder: &crate::Larder<diesel::pg::Pg>) -> Result<crate::refresh::Refreshed>
    where
        Self: Table<diesel::pg::Pg>,
    {
        larder.refresh::<Self>()
    }
}

/// An [`Entity`] of one back end. The derive implements it for each that `#[diesel(check_for_backend(..))]` names.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no repository on `{DB}`",
    note = "name the back end: `#[diesel(check_for_backend({DB}))]` on `{Self}`"
)]
pub trait Table<DB: Backend>: Entity {
    /// [`Entity::Primary`], as the back end knows it.
    type ByKey: PatternOn<DB, Entity = Self, Key = Self::Key>;

    /// Diesel's table.
    type Table: diesel::Table<AllColumns: diesel::query_builder::QueryFragment<DB>>
        + Default
        + diesel::query_builder::QueryFragment<DB>
        + 'static;

    /// Diesel's boxed query on it.
    type Query<'q>;

    #[doc(hidden)]
    fn query<'q>() -> Self::Query<'q>;

    /// The same query, without deleted rows.
    #[doc(hidden)]
    fn live(query: Self::Query<'_>) -> Self::Query<'_> {
        query
    }

    #[doc(hidden)]
    fn select<'q>(query: Self::Query<'q>, list: SelectList<DB>) -> Fragment<'q, DB>;

    /// Appends the condition that a row stands behind this key, in the order of the primary key.
    #[doc(hidden)]
    fn behind<'q>(key: Self::Key, statement: &mut Statement<'q, DB>);

    #[doc(hidden)]
    fn columns(list: &mut SelectList<DB>);

    #[doc(hidden)]
    fn build<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self>;

    /// Shows every pattern, the primary key first.
    #[doc(hidden)]
    fn patterns(visitor: &mut impl VisitPatterns<DB, Entity = Self>) -> deserialize::Result<()>;

    /// Tells what goes with these rows when they are deleted.
    #[doc(hidden)]
    fn dependents(_parents: &mut Dependents<'_, DB, Self>) -> Result<()> {
        Ok(())
    }

    /// Whether its writes keep columns of other rows up to date.
    #[doc(hidden)]
    const MAINTAINS: bool = false;

    /// Shows which.
    #[doc(hidden)]
    fn upkeeps(_visitor: &mut impl VisitUpkeeps<DB, Child = Self>) {}

    /// Whether its rows are in views that are stored whole.
    #[doc(hidden)]
    const IS_IN_VIEWS: bool = false;

    /// Shows which.
    #[doc(hidden)]
    fn views(_visitor: &mut impl VisitViews<DB>) {}

    /// Whether anything goes with a deleted row.
    #[doc(hidden)]
    const HAS_DEPENDENTS: bool = false;
}

/// Diesel's table of an entity, on whatever back end.
#[doc(hidden)]
pub trait Tabled: Entity {
    type Table: diesel::Table;
}

impl<E> Tabled for E
where
    E: Entity + Table<<E as Entity>::Backend>,
{
    type Table = <E as Table<<E as Entity>::Backend>>::Table;
}

/// An access pattern: the columns by which rows are looked up together, and how they are ordered.
///
/// The derive makes one type of each `unique(..)`, `index(..)`, foreign key and primary key.
pub trait Pattern: 'static {
    /// Whose rows they are.
    type Entity: Entity;

    /// The values of the columns.
    type Key: Key;

    /// The columns' names in the database, as they stand in the cells' keys.
    const COLUMNS: &'static [&'static str];

    /// Whether at most one row has a key.
    const UNIQUE: bool;

    /// Whether a committed write may put the row into this cell: every two writers of one key must wait for each other.
    const WRITE_THROUGH: bool;

    /// The order of a list's rows; rows that it leaves equal are ordered by primary key.
    const ORDER: Ordering;

    /// How many rows of a list its cell holds at most.
    const HEAD: usize;

    /// The layout of its cells. That of a list knows its order: what was the head of the list in another order is not its head.
    const LAYOUT: Layout = layout_of(<Self::Entity as Entity>::LAYOUT, Self::UNIQUE, Self::ORDER);

    /// What its finders are called after: `email` of `find_by_email`.
    #[doc(hidden)]
    const NAME: &'static str;

    /// The row's key, unless one of the columns is NULL.
    fn key_of(row: &Self::Entity) -> Option<Self::Key>;

    /// Whether the row has that key.
    #[doc(hidden)]
    #[inline]
    fn is_key_of(row: &Self::Entity, key: &Self::Key) -> bool {
        Self::key_of(row).as_ref() == Some(key)
    }
}

const fn layout_of(row: Layout, is_unique: bool, order: Ordering) -> Layout {
    if is_unique {
        return row;
    }
    let mut fingerprint = Fingerprint::of("list").then_bytes(row.as_bytes());
    let mut at = 0;
    while at < order.len() {
        fingerprint = fingerprint.and(order[at].column).and(if order[at].descending { "desc" } else { "asc" });
        at += 1;
    }
    Layout::new(fingerprint.bits())
}

/// A [`Pattern`] of one back end.
pub trait PatternOn<DB: Backend>: Pattern<Entity: Table<DB>> {
    /// How many columns it has.
    const N_COLUMNS: usize = Self::COLUMNS.len();

    /// Selects the columns.
    fn select(list: &mut SelectList<DB>);

    /// Appends the condition that the columns hold one of `keys`.
    fn matching<'q>(keys: Vec<Self::Key>, statement: &mut Statement<'q, DB>);

    /// Appends the parts of `keys`, an array for each column, with commas between them.
    #[doc(hidden)]
    fn arrays<'q>(keys: Vec<Self::Key>, statement: &mut Statement<'q, DB>);

    /// Reads the columns: `None` if one of them is NULL.
    ///
    /// # Errors
    /// Diesel's, if a value does not fit.
    fn read<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Option<Self::Key>>;
}

/// A relation's key columns on an entity, found by their names.
///
/// The number is the fingerprint of the fields' names: a type that both derives can write without having seen each other.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be listed by the columns of this relation",
    label = "`{Self}` has no access pattern by these columns",
    note = "declare one on `{Self}`: `#[diesel(belongs_to(Parent))]`, or `#[larder(index(column))]`",
    note = "or name other columns on the relation: `foreign_key = column`"
)]
pub trait ListedBy<const FIELDS: u64>: Entity {
    /// The pattern.
    type Pattern: Pattern<Entity = Self>;
}

/// A relation of an entity, by its number in [`Entity::RELATIONS`].
pub trait Related<const NUMBER: u64>: Entity {
    /// The relation, of which there is a default value.
    type Relation;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relation::Term;

    #[test]
    fn the_head_of_a_list_in_another_order_is_of_another_layout() {
        const UP: Ordering = &[Term { column: "name", descending: false }];
        const DOWN: Ordering = &[Term { column: "name", descending: true }];
        let row = Layout::new(7);
        let layouts = [layout_of(row, false, &[]), layout_of(row, false, UP), layout_of(row, false, DOWN)];
        assert!(layouts[0] != layouts[1] && layouts[1] != layouts[2] && layouts[0] != layouts[2]);
        assert_eq!(layout_of(row, true, &[]), row);
    }
}
