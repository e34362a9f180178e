//! Pages of a list.

use serde::{Deserialize, Serialize};

use super::{List, list::OwnOrder};
use crate::{
    backend::Backend,
    codec::Fingerprint,
    cursor::{Cursor, InvalidCursor},
    entity::{Pattern, PatternOn},
    error::Result,
    load::{self, Leaf},
    payload,
    place::{After, PagedOn},
    repeats::Verb,
    session::Access,
    shape::Shape,
};

/// The most rows of a page.
const MOST: usize = 10_000;

/// Some rows of a list, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// The rows, in the order of the list.
    pub rows: Vec<T>,
    /// Where the next page begins: `None` if there were no rows behind these.
    pub next: Option<Cursor>,
}

/// The rows of a list behind a place, of which [`Rest::page`] loads some.
#[must_use = "the rest of a list is loaded by `page`"]
pub struct Rest<'s, DB: Backend, S, P: Pattern> {
    list: List<'s, DB, S, P>,
    cursor: Option<Cursor>,
}

impl<'s, DB, S, P, O> List<'s, DB, S, P, O>
where
    DB: Backend,
    S: Shape<DB>,
    P: PatternOn<DB> + Pattern<Entity = S::Entity>,
{
    /// Goes on where a page has ended: `list.after(&cursor).page(20)`. Of `None`, which a client sends who has no cursor yet, at the
    /// beginning: `list.after(query.cursor.as_ref())`.
    pub fn after<'c>(self, cursor: impl Into<Option<&'c Cursor>>) -> Rest<'s, DB, S, P>
    where
        P: PagedOn<DB>,
        O: OwnOrder,
    {
        let Self { source, shape, key, .. } = self;
        Rest { list: List::new(source, shape, key), cursor: cursor.into().cloned() }
    }

    /// Loads the first `n` rows, and says where the next page begins.
    ///
    /// At least one row and at most 10,000, whatever `n` is; a [`limit`](List::limit) has no say. A page that is not the last one is full.
    ///
    /// A page begins behind a row's values and not behind a number of rows. Rows that are inserted or deleted between two pages shift
    /// nothing: what was there all the time comes once. What is inserted in front of a cursor is not seen behind it, and a row whose
    /// own value in the order is changed between two pages may come twice or not at all. The primary key decides between rows that the order
    /// leaves equal. The columns of the order must not be NULL, and the database must find their values again as Diesel has read them,
    /// which it does not with `CHAR(n)` on PostgreSQL and with times on SQLite that others wrote in another form.
    ///
    /// Costs what [`List::load`] costs, as far as the list's cell reaches (`head` of the index, 256 rows unless it says otherwise). Pages
    /// behind the first one are given out from the near cache or the cell if that has them, and fill nothing; what it has not costs one
    /// statement for `n` + 1 rows, which needs an index of the pattern's columns and the order's to be quick on a long list. So does a page
    /// behind a row that was deleted meanwhile. A view that lacks columns of the order or of the primary key has them selected besides.
    ///
    /// ```no_run
    /// # use diesel::prelude::*;
    /// # diesel::table! { posts (id) { id -> BigInt, user_id -> BigInt, written_at -> BigInt, } }
    /// # #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
    /// # #[diesel(table_name = posts, check_for_backend(diesel::pg::Pg))]
    /// # #[larder(index(user_id; order = written_at.desc()))]
    /// # struct Post { id: i64, user_id: i64, written_at: i64 }
    /// # fn example(larder: &larder::Larder<diesel::pg::Pg>) -> larder::Result<()> {
    /// let posts = Post::repository(larder);
    /// let first = posts.list_by_user_id(7).page(20)?;
    /// if let Some(cursor) = &first.next {
    ///     let second = posts.list_by_user_id(7).after(cursor).page(20)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`List::load`].
    #[track_caller]
    pub fn page(self, n: usize) -> Result<Page<S::Output>>
    where
        P: PagedOn<DB>,
        O: OwnOrder,
    {
        let access = self.source.access().single::<P>(Verb::List);
        self.page_behind(access, None, n)
    }

    fn page_behind(&self, access: Access<'_, DB>, cursor: Option<&Cursor>, n: usize) -> Result<Page<S::Output>>
    where
        P: PagedOn<DB>,
    {
        let (key, list) = (access.cursors(), fingerprint::<DB, P>(&self.key));
        let read = |cursor| After::<P>::read(key.open(&list, cursor)?).map_err(|_| InvalidCursor);
        let after = cursor.map(read).transpose()?;
        let n = n.clamp(1, MOST);
        let Leaf { heads, last } = load::page_by::<DB, P, S::Head>(access, &self.key, after.as_ref(), n)?;
        let next = last.map(|place| key.seal(&list, After::write(after.as_ref(), n, &place)));
        let rows = access.go_on(|| self.shape.assemble(access, heads))?;
        Ok(Page { rows, next })
    }
}

impl<DB, S, P> Rest<'_, DB, S, P>
where
    DB: Backend,
    S: Shape<DB>,
    P: PagedOn<DB> + Pattern<Entity = S::Entity>,
{
    /// Loads the next `n` rows, as [`List::page`] does the first.
    ///
    /// # Errors
    /// [`Error::Cursor`](crate::Error::Cursor) if the cursor is none of this list, before anything is asked for, and those of [`List::load`].
    #[track_caller]
    pub fn page(self, n: usize) -> Result<Page<S::Output>> {
        let Self { list, cursor } = self;
        match &cursor {
            // Pages of one list can't be loaded at once, so that it is no repetition.
            Some(cursor) => list.page_behind(list.source.access().here(), Some(cursor), n),
            None => list.page(n),
        }
    }
}

/// What a cursor is good for: the key, the order, and the form of the values in it.
fn fingerprint<DB, P>(key: &P::Key) -> Vec<u8>
where
    DB: Backend,
    P: PagedOn<DB>,
{
    let terms = load::terms_of::<DB, P>(P::ORDER);
    let order = terms.fold(Fingerprint::of("order"), |order, term| {
        order.and(term.column).and(if term.descending { "desc" } else { "asc" })
    });
    let mut list = order.then(P::FORM).bits().to_le_bytes().to_vec();
    list.extend_from_slice(payload::cell_key::<P>(key).as_bytes());
    list
}
