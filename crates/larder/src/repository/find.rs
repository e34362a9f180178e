use serde::{Serialize, de::DeserializeOwned};

use super::{List, Repository};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn, Table},
    error::{Error, Result},
    explain::{Explanation, Plan},
    key::Key,
    load,
    lookout::Sent,
    queries::CachedRows,
    relation::Distinct,
    repeats::Verb,
    row::SelectList,
    session::Access,
    shape::{Head, Presence, Shape},
    statement::Statement,
};

type KeyOf<S, DB> = <<S as Shape<DB>>::Entity as Entity>::Key;
type PrimaryOf<S, DB> = <<S as Shape<DB>>::Entity as Table<DB>>::ByKey;

impl<'s, DB, S> Repository<'s, DB, S>
where
    DB: Backend,
    S: Shape<DB>,
{
    /// The row with this primary key, or `None`.
    ///
    /// Costs one round trip if it is cached. If not: one more for a lease, one statement, and one round trip to fill it in. Each
    /// relation in the shape is a level more, at the same price.
    ///
    /// # Errors
    /// [`Error::Database`] if the statement fails, [`Error::Pool`] if there is no connection for it. A failing store is no
    /// error: the row comes from the database.
    #[track_caller]
    pub fn find(&self, key: impl Into<KeyOf<S, DB>>) -> Result<Option<S::Output>> {
        let key = canonical::<DB, _>(key.into());
        let access = self.source.access().single::<PrimaryOf<S, DB>>(Verb::Find);
        if S::IS_WHOLE
            && let Some(found) = S::whole(access, std::slice::from_ref(&key))
        {
            return Ok(found?.pop().flatten());
        }
        self.find_in::<PrimaryOf<S, DB>>(access, key)
    }

    /// The row with this primary key.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, and those of [`Repository::find`].
    #[track_caller]
    pub fn get(&self, key: impl Into<KeyOf<S, DB>>) -> Result<S::Output> {
        self.find(key)?.ok_or(Error::NotFound { table: S::Entity::NAME })
    }

    /// The rows with these primary keys, in the order of `keys`.
    ///
    /// `n` keys give `n` slots; a slot is `None` where no such row exists. Repeated keys are loaded once. Costs as much as
    /// [`Repository::find`], however many keys there are: one round trip for each 512 and one statement for as many as it can
    /// bind (some 65,000 on PostgreSQL, 32,000 on SQLite; half as many of a key of two columns).
    ///
    /// # Errors
    /// Those of [`Repository::find`].
    #[track_caller]
    pub fn find_many(&self, keys: &[KeyOf<S, DB>]) -> Result<Vec<Option<S::Output>>> {
        if S::IS_WHOLE
            && let Some(found) = S::whole(self.source.access().here(), keys)
        {
            return found;
        }
        self.find_by_many::<PrimaryOf<S, DB>>(keys.iter().cloned())
    }

    /// Whether there is a row with this primary key.
    ///
    /// Costs one round trip if the row is cached, and one statement more that reads only the key if it is not.
    ///
    /// # Errors
    /// Those of [`Repository::find`].
    #[track_caller]
    pub fn exists(&self, key: impl Into<KeyOf<S, DB>>) -> Result<bool> {
        let access = self.source.access().single::<PrimaryOf<S, DB>>(Verb::Exists);
        let found =
            load::rows_by::<DB, PrimaryOf<S, DB>, Presence<S::Entity>>(access, &[canonical::<DB, _>(key.into())], 1)?;
        Ok(found.first().is_some_and(|rows| !rows.is_empty()))
    }

    /// What [`find_many`](Self::find_many) would do with these primary keys, without doing it.
    ///
    /// Costs one round trip for each level whose keys are not all near, and no statement.
    pub fn explain(&self, keys: &[KeyOf<S, DB>]) -> Explanation {
        self.explain_by::<PrimaryOf<S, DB>>(keys.iter().cloned())
    }

    /// Rows by any query of Diesel's on the table, which comes boxed and may be filtered, ordered and limited.
    ///
    /// The query always goes to the database: one statement. It selects what the shape needs of the rows and stores nothing;
    /// relations in the shape are loaded through the caches as ever.
    ///
    /// # Errors
    /// Those of [`Repository::find`].
    #[track_caller]
    pub fn query<'q>(
        &self,
        refine: impl FnOnce(<S::Entity as Table<DB>>::Query<'q>) -> <S::Entity as Table<DB>>::Query<'q>,
    ) -> Result<Vec<S::Output>> {
        let query = refine(S::Entity::query());
        let query = if self.source.access().with_deleted() { query } else { S::Entity::live(query) };
        let mut list = SelectList::new();
        if S::Head::WHOLE {
            S::Entity::columns(&mut list);
        } else {
            S::Head::columns(&mut list);
        }
        let mut statement = Statement::new();
        statement.fragment(S::Entity::select(query, list));
        let sent = Sent { operation: "SELECT", is_own: false, is_call: true };
        let access = self.source.access().here();
        access.follower().into_iter().for_each(|follower| follower.any_of::<S::Entity>());
        let loaded: Vec<load::Loaded<S::Entity, S::Head>> = access.select::<S::Entity, _>(sent, statement)?;
        self.shape.assemble(access, loaded.into_iter().map(load::Loaded::narrow).collect())
    }

    /// Rows by a query of Diesel's whose result is kept by a name: [`CachedRows::load`] takes the query.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use diesel::prelude::*;
    /// # diesel::table! { orders (id) { id -> BigInt, total -> BigInt, } }
    /// # #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
    /// # #[diesel(table_name = orders, check_for_backend(diesel::pg::Pg))]
    /// # struct Order { id: i64, total: i64 }
    /// # fn example(larder: &larder::Larder<diesel::pg::Pg>) -> larder::Result<Vec<Order>> {
    /// let orders = Order::repository(larder);
    /// orders.cached("largest").ttl(Duration::from_secs(60)).load(|query| query.order(orders::total.desc()).limit(10))
    /// # }
    /// ```
    pub fn cached<'r>(&'r self, name: &'r str) -> CachedRows<'r, 's, DB, S>
    where
        KeyOf<S, DB>: Serialize + DeserializeOwned,
    {
        CachedRows::new(self, self.source.access(), name)
    }

    /// The row of a unique pattern.
    #[doc(hidden)]
    #[track_caller]
    pub fn find_by<P>(&self, key: P::Key) -> Result<Option<S::Output>>
    where
        P: PatternOn<DB> + Pattern<Entity = S::Entity>,
    {
        let access = self.source.access().single::<P>(Verb::Find);
        self.find_in::<P>(access, canonical::<DB, _>(key))
    }

    fn find_in<P>(&self, access: Access<'_, DB>, key: P::Key) -> Result<Option<S::Output>>
    where
        P: PatternOn<DB> + Pattern<Entity = S::Entity>,
    {
        match load::row_by::<DB, P, S::Head>(access, key)? {
            Some(head) => self.shape.assemble_one(access, head),
            None => Ok(None),
        }
    }

    /// The rows of a unique pattern, in the order of `keys`.
    #[doc(hidden)]
    #[track_caller]
    pub fn find_by_many<P>(&self, keys: impl IntoIterator<Item = P::Key>) -> Result<Vec<Option<S::Output>>>
    where
        P: PatternOn<DB> + Pattern<Entity = S::Entity>,
    {
        let (mut rows, counts) = self.load_many::<P>(self.source.access().here(), keys, 1)?;
        Ok(counts.into_iter().map(|n| if n == 0 { None } else { rows.next() }).collect())
    }

    /// The rows of a list, still to be limited.
    #[doc(hidden)]
    pub fn list_by<P>(&self, key: P::Key) -> List<'s, DB, S, P>
    where
        P: PatternOn<DB> + Pattern<Entity = S::Entity>,
        S: Clone,
    {
        List::new(self.source.clone(), self.shape.clone(), canonical::<DB, _>(key))
    }

    /// The rows of several lists, in the order of `keys`.
    #[doc(hidden)]
    #[track_caller]
    pub fn list_by_many<P>(&self, keys: impl IntoIterator<Item = P::Key>) -> Result<Vec<Vec<S::Output>>>
    where
        P: PatternOn<DB> + Pattern<Entity = S::Entity>,
    {
        let (mut rows, counts) = self.load_many::<P>(self.source.access().here(), keys, load::ALL)?;
        Ok(counts.into_iter().map(|n| rows.by_ref().take(n).collect()).collect())
    }

    /// The number of rows in a list.
    #[doc(hidden)]
    #[track_caller]
    pub fn count_by<P>(&self, key: P::Key) -> Result<i64>
    where
        P: PatternOn<DB> + Pattern<Entity = S::Entity>,
    {
        let counts =
            load::count_by::<DB, P>(self.source.access().single::<P>(Verb::Count), &[canonical::<DB, _>(key)], || {
                None
            })?;
        Ok(counts.first().copied().unwrap_or_default())
    }

    /// What finding by these keys would do.
    #[doc(hidden)]
    pub fn explain_by<P>(&self, keys: impl IntoIterator<Item = P::Key>) -> Explanation
    where
        P: PatternOn<DB> + Pattern<Entity = S::Entity>,
    {
        let plan = Plan::default();
        let limit = if P::UNIQUE { 1 } else { load::ALL };
        // Whatever fails, does so for want of rows, after it was taken down.
        let _ = self.load_many::<P>(self.source.access().explained(&plan), keys, limit);
        plan.explained()
    }

    /// All rows of all keys one after the other, and how many each key has.
    fn load_many<P>(
        &self,
        access: Access<'_, DB>,
        keys: impl IntoIterator<Item = P::Key>,
        limit: usize,
    ) -> Result<(std::vec::IntoIter<S::Output>, Vec<usize>)>
    where
        P: PatternOn<DB> + Pattern<Entity = S::Entity>,
    {
        let keys: Vec<P::Key> = keys.into_iter().map(canonical::<DB, _>).collect();
        if let Some((heads, counts)) = load::rows_near::<DB, P, S::Head>(access, keys.iter().map(Some), limit) {
            return Ok((self.shape.assemble(access, heads)?.into_iter(), counts));
        }
        let distinct = Distinct::of::<DB>(keys.into_iter().map(Some));
        let groups = load::rows_by::<DB, P, S::Head>(access, &distinct.keys, limit)?;
        let (heads, counts) = distinct.spread(groups);
        Ok((access.go_on(|| self.shape.assemble(access, heads))?.into_iter(), counts))
    }
}

fn canonical<DB: Backend, K: Key>(key: K) -> K {
    key.canonical(DB::KEEPS_NANOSECONDS)
}
