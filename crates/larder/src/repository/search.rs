//! Searches of a model's text.

use std::{fmt, marker::PhantomData, time::Duration};

use diesel::{
    deserialize,
    pg::Pg,
    row::Row,
    sql_types::{Float, Text},
};
use serde::{Serialize, de::DeserializeOwned};

use super::Repository;
use crate::{
    entity::{Entity, Pattern, PatternOn, Table},
    error::Result,
    load::{self, Loaded},
    lookout::Sent,
    queries::CachedQuery,
    row::{FromRow, RowReader, SelectList},
    search::{END, Highlight, Hit, START, Searched, Typed},
    session::Access,
    shape::{Head, Shape},
    statement::Statement,
};

/// How many are found unless it is said otherwise.
const LIMIT: usize = 20;

/// A search, still to be run. [`Repository::search`] makes it.
#[must_use = "what is found is had by `load`"]
pub struct Search<'r, 's, S> {
    repository: &'r Repository<'s, Pg, S>,
    typed: Typed,
    limit: usize,
    offset: usize,
    whose: Option<Box<dyn Whose>>,
}

/// Whose rows are looked for, if not everybody's.
pub(crate) trait Whose {
    /// Appends the condition that a row is theirs.
    fn condition(&self, statement: &mut Statement<'_, Pg>);

    /// Keeps what is found for them alone.
    fn keep<'l>(&self, query: CachedQuery<'l, Pg>) -> CachedQuery<'l, Pg>;
}

impl<S> fmt::Debug for Search<'_, '_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What somebody looks for is nobody else's business.
        f.debug_struct("Search").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<'s, S> Repository<'s, Pg, S>
where
    S: Shape<Pg, Entity: Searched>,
{
    /// Rows whose text has these words, the best first.
    ///
    /// `text` is as somebody types it: `ada lovelace`, `"ada lovelace"`, `ada or charles`, `ada -byron`, `ada love*`. All of it is
    /// taken for words, nothing is an error; what has no words finds nothing. Of more than 2,048 characters the rest is not looked at.
    pub fn search<'r>(&'r self, text: &str) -> Search<'r, 's, S> {
        Search { repository: self, typed: Typed::new(text), limit: LIMIT, offset: 0, whose: None }
    }
}

impl<'r, S> Search<'r, '_, S>
where
    S: Shape<Pg, Entity: Searched>,
{
    /// Only rows of theirs.
    pub(crate) fn of(mut self, whose: impl Whose + 'static) -> Self {
        self.whose = Some(Box::new(whose));
        self
    }

    /// At most so many. Defaults to 20.
    pub fn limit(mut self, n: usize) -> Self {
        self.limit = n;
        self
    }

    /// Leaves out so many of the best. Defaults to none. The database ranks those, too.
    pub fn offset(mut self, n: usize) -> Self {
        self.offset = n;
        self
    }

    /// What is found, from the database each time: one statement, which the index on the column serves. Every row that has the words is ranked, and
    /// the text of those that are given is cut again for the marks. Relations in the shape come through the caches.
    ///
    /// # Errors
    /// Those of [`Repository::query`].
    #[track_caller]
    pub fn load(self) -> Result<Vec<Hit<S::Output>>> {
        let mut list = SelectList::new();
        if S::Head::WHOLE {
            S::Entity::columns(&mut list);
        } else {
            S::Head::columns(&mut list);
        }
        let access = self.repository.source.access().here();
        access.follower().into_iter().for_each(|follower| follower.any_of::<S::Entity>());
        let found: Vec<Found<Loaded<S::Entity, S::Head>>> = self.select(access, list)?;
        let (heads, marks): (Vec<_>, Vec<_>) =
            found.into_iter().map(|found| (found.what.narrow(), (found.rank, found.headline))).unzip();
        let rows = self.repository.shape.assemble(access, heads)?;
        let hit = |(row, (rank, headline)): (_, (f32, String))| Hit { row, rank, highlight: Highlight::of(&headline) };
        Ok(rows.into_iter().zip(marks).map(hit).collect())
    }

    /// What is found, kept in the store until any row of the model is written, or for `ttl`: keys, ranks and marks. Rows come through the
    /// caches of rows; one that is gone by then is left out.
    ///
    /// For what many look for. Costs one round trip if it is kept, and what [`Repository::find_many`] of the keys does.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    #[track_caller]
    pub fn load_kept(self, ttl: Duration) -> Result<Vec<Hit<S::Output>>>
    where
        <S::Entity as Entity>::Key: Serialize + DeserializeOwned,
    {
        let Typed { words, beginnings } = &self.typed;
        let access = self.repository.source.access().here();
        let query = CachedQuery::new(access, "search")
            .of::<S::Entity>()
            .params(&(words, beginnings, self.limit, self.offset))
            .ttl(ttl)
            .depends_on::<S::Entity>();
        let query = match &self.whose {
            Some(whose) => whose.keep(query),
            None => query,
        };
        let found = query.load_from(|access| {
            let mut list = SelectList::new();
            <S::Entity as Table<Pg>>::ByKey::select(&mut list);
            let found: Vec<Found<KeyOnly<S::Entity>>> = self.select(access, list)?;
            let marks = |found: Found<KeyOnly<S::Entity>>| (found.what.0, found.rank, Highlight::of(&found.headline));
            Ok(found.into_iter().map(marks).collect::<Vec<_>>())
        })?;
        let keys: Vec<_> = found.iter().map(|(key, ..)| key.clone()).collect();
        let rows = self.repository.find_many(&keys)?;
        let hit =
            |(row, (_, rank, highlight)): (Option<_>, (_, f32, Highlight))| Some(Hit { row: row?, rank, highlight });
        Ok(rows.into_iter().zip(found).filter_map(hit).collect())
    }

    fn select<T: FromRow<Pg> + 'static>(&self, access: Access<'_, Pg>, list: SelectList<Pg>) -> Result<Vec<Found<T>>> {
        let table = || load::table::<Pg, S::Entity>();
        let language = <S::Entity as Searched>::LANGUAGE;
        let mut statement = Statement::new();
        statement.sql("SELECT ").separated(", ", list.items, |statement, item| {
            statement.fragment(item);
        });
        statement.sql(", ts_rank(").fragment(table()).sql(".").identifier(<S::Entity as Searched>::DOCUMENT);
        statement.sql(", larder_search.query) AS larder_rank, ts_headline(").bind::<Text, _>(language);
        statement.sql("::regconfig, translate(concat_ws(' … '");
        for column in <S::Entity as Searched>::TEXT {
            statement.sql(", ").fragment(table()).sql(".").identifier(column);
        }
        statement.sql("), ").bind::<Text, _>(format!("{START}{END}"));
        statement.sql(", ''), larder_search.query, ");
        statement.bind::<Text, _>(format!("StartSel={START}, StopSel={END}, MaxFragments=3"));
        statement.sql(") FROM ").fragment(table()).sql(", (SELECT websearch_to_tsquery(");
        statement.bind::<Text, _>(language).sql("::regconfig, ").bind::<Text, _>(self.typed.words.clone()).sql(")");
        if let Some(beginnings) = &self.typed.beginnings {
            statement.sql(" && to_tsquery(").bind::<Text, _>(language).sql("::regconfig, ");
            statement.bind::<Text, _>(beginnings.clone()).sql(")");
        }
        statement.sql(" AS query) AS larder_search WHERE ").fragment(table()).sql(".");
        statement.identifier(<S::Entity as Searched>::DOCUMENT).sql(" @@ larder_search.query");
        if let Some(whose) = &self.whose {
            statement.sql(" AND ");
            whose.condition(&mut statement);
        }
        if !access.with_deleted() {
            load::and_live::<Pg, S::Entity>(&mut statement);
        }
        statement.sql(" ORDER BY larder_rank DESC");
        for column in <<S::Entity as Table<Pg>>::ByKey as Pattern>::COLUMNS {
            statement.sql(", ").fragment(table()).sql(".").identifier(column);
        }
        statement.sql(" LIMIT ");
        <Pg as crate::Backend>::bind_limit(self.limit, &mut statement);
        statement.sql(" OFFSET ");
        <Pg as crate::Backend>::bind_limit(self.offset, &mut statement);
        access.select::<S::Entity, _>(Sent { operation: "SELECT", is_own: false, is_call: true }, statement)
    }
}

/// Something that was found.
struct Found<T> {
    what: T,
    rank: f32,
    headline: String,
}

impl<T: FromRow<Pg>> FromRow<Pg> for Found<T> {
    fn from_row<'r, R: Row<'r, Pg>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let what = T::from_row(row)?;
        Ok(Self { what, rank: row.value::<Pg, Float, _>()?, headline: row.value::<Pg, Text, _>()? })
    }
}

/// A primary key.
struct KeyOnly<E: Entity>(E::Key, PhantomData<E>);

impl<E: Table<Pg>> FromRow<Pg> for KeyOnly<E> {
    fn from_row<'r, R: Row<'r, Pg>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        Ok(Self(E::ByKey::read(row)?.ok_or("a primary key is never NULL")?, PhantomData))
    }
}
