//! A page of a list: from what is near, from the list's cell, or from the database.

use std::{borrow::Cow, slice, sync::Arc};

use super::{
    in_time::in_time,
    look::Sight,
    refresh, rows_by,
    select::{Loaded, Refined, select_by, terms_of},
};
use crate::{
    backend::Backend,
    entity::Entity,
    error::Result,
    figures::Bypass,
    inline::may_wait,
    layers::{Found, Layers},
    lookout::Call,
    near::{NearCache, Seen},
    payload::{self, Rows},
    place::{After, Behind as _, Listed, PagedOn, Placed},
    relation::Term,
    session::Access,
    shape::Head,
    statement::{Fragment, Statement},
    store::CellKey,
};

/// What a list has on a page.
pub(crate) struct Leaf<P: Listed, H> {
    pub(crate) heads: Vec<H>,
    /// The last row's place, if more rows stand behind it.
    pub(crate) last: Option<P::Place>,
}

/// At most `n` rows of a list, from its beginning or behind a place.
///
/// From the beginning it costs what [`rows_by`] costs. Behind a place: nothing if what is near has the row there and those that are wanted
/// behind it, one round trip if the cell has, and otherwise one statement for `n` rows and one, of which nothing is filled in. What no cell
/// can have, the store is not asked for.
pub(crate) fn page_by<DB, P, H>(
    access: Access<'_, DB>,
    key: &P::Key,
    after: Option<&After<P>>,
    n: usize,
) -> Result<Leaf<P, H>>
where
    DB: Backend,
    P: PagedOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    // One more tells whether there is a page behind this one.
    let wanted = n.saturating_add(1);
    let mut rows: Vec<Placed<P, H>> = match (after, access.layers()) {
        (None, Some(_)) => {
            let rows = rows_by::<DB, P, Placed<P, H>>(access, slice::from_ref(key), wanted)?;
            rows.into_iter().next().unwrap_or_default().into_vec()
        }
        _ => rows_behind::<DB, P, H>(access, key, after, wanted)?,
    };
    let is_last = rows.len() <= n;
    rows.truncate(n);
    let last = rows.last().filter(|_| !is_last).map(Placed::place);
    Ok(Leaf { heads: rows.into_iter().map(Placed::into_head).collect(), last })
}

/// At most `n` rows that are not read as the first of a list.
fn rows_behind<DB, P, H>(
    access: Access<'_, DB>,
    key: &P::Key,
    after: Option<&After<P>>,
    n: usize,
) -> Result<Vec<Placed<P, H>>>
where
    DB: Backend,
    P: PagedOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let sight = Sight::of::<P::Entity>(access);
    let in_cell = after.filter(|after| after.may_be_in_cell());
    if let Some(rows) = in_cell.and_then(|after| from_near(access, &sight, key, after, n)) {
        return Ok(rows);
    }
    may_wait()?;
    access.touches::<P>(slice::from_ref(key));
    let _call = Call::of::<P>(access.lookout(), 1, 1, access.site());
    let figures = access.figures::<P::Entity>();
    let mut copies = None;
    if let Some(layers) = access.layers() {
        let cell = payload::cell_key::<P>(key);
        // Before the store is asked, and before the database is.
        copies = sight.near().map(|near| (near, near.see(&cell)));
        match in_cell.map(|after| from_cell(access, (layers, &sight, copies), (key, &cell), after, n)) {
            Some(Ok(rows)) => return Ok(rows),
            Some(Err(None)) => figures.misses.one(),
            Some(Err(Some(why))) => figures.bypassed(why).one(),
            None => figures.bypassed(Bypass::TooShort).one(),
        }
    } else {
        figures.bypassed(access.bypass()).one();
    }
    let rows = select_behind(access, &sight, key, after, n)?;
    // No list that is older than this page may be given out after it.
    copies.into_iter().for_each(|(near, seen)| _ = near.advance::<P>(seen, key));
    Ok(rows)
}

/// The rows that are near.
fn from_near<DB, P, H>(
    access: Access<'_, DB>,
    sight: &Sight<'_>,
    key: &P::Key,
    after: &After<P>,
    n: usize,
) -> Option<Vec<Placed<P, H>>>
where
    DB: Backend,
    P: PagedOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let (kept, is_late) = sight.look_until_end::<P>(key)?;
    refresh::soon::<DB, P>(access, is_late.then_some(key), true);
    let (rows, is_whole) = kept.all();
    let rows = shared(after.rows(rows, is_whole, n)?);
    access.figures::<P::Entity>().near_hits.add(1);
    Some(rows)
}

/// The rows that the list's cell has, or why it has not.
fn from_cell<DB, P, H>(
    access: Access<'_, DB>,
    (layers, sight, copies): (&Layers, &Sight<'_>, Option<(&Arc<NearCache>, Seen)>),
    (key, cell): (&P::Key, &CellKey),
    after: &After<P>,
    n: usize,
) -> Result<Vec<Placed<P, H>>, Option<Bypass>>
where
    DB: Backend,
    P: PagedOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let figures = access.figures::<P::Entity>();
    let (value, is_loaded) = match sight.ask::<P::Entity>(layers, slice::from_ref(cell)).pop() {
        Some(Found::Hit(value)) => (value, false),
        Some(Found::Loaded(value)) => (value, true),
        Some(Found::Miss(_)) => return Err(None),
        Some(Found::Bypass(why)) => return Err(Some(why)),
        // It would be waited for longer than this page takes.
        Some(Found::UnderWay(_) | Found::Elsewhere) => return Err(Some(Bypass::Elsewhere)),
        None => return Err(Some(Bypass::Failed)),
    };
    let Ok(contents) = payload::contents::<P>(&value) else {
        figures.corrupt.one();
        layers.discard(&[cell]);
        return Err(None);
    };
    let is_whole = contents.is_whole;
    let kept: Rows<Arc<P::Entity>> = contents.rows.into_iter().map(Arc::new).collect();
    let rows = shared(after.rows(&kept, is_whole, n).ok_or(Some(Bypass::TooShort))?);
    if is_loaded {
        figures.flight_hits.one();
        return Ok(rows);
    }
    if figures.shared_hits.one_of(refresh::SAMPLE) {
        refresh::soon::<DB, P>(access, [key], false);
    }
    if let Some((near, seen)) = copies {
        near.keep::<P>(seen, key.clone(), kept, is_whole, layers.longest_ttl(P::Entity::TTL, false));
    }
    Ok(rows)
}

/// The rows that the database has. Old ones that are near may stand in for them, if the caller is not that patient.
fn select_behind<DB, P, H>(
    access: Access<'_, DB>,
    sight: &Sight<'_>,
    key: &P::Key,
    after: Option<&After<P>>,
    n: usize,
) -> Result<Vec<Placed<P, H>>>
where
    DB: Backend,
    P: PagedOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let keys = [key.clone()];
    let (wanted, place) = (keys.clone(), after.map(|after| after.place.clone()));
    let select = move |access: Access<'_, DB>| {
        let terms: Vec<Term> = terms_of::<DB, P>(P::ORDER).collect();
        let filter = || {
            let mut condition = Statement::new();
            place.clone()?.condition(&terms, &mut condition);
            Some(Box::new(condition) as Fragment<'_, DB>)
        };
        let refined = || Refined { filter: filter(), order: Cow::Borrowed(P::ORDER), limit: n };
        let groups = select_by::<DB, P, Placed<P, H>>(access, &wanted, refined)?;
        Ok(groups.into_iter().map(|rows| rows.into_iter().map(Loaded::narrow).collect()).collect::<Vec<_>>())
    };
    let last = |key: &P::Key| {
        let (kept, age) = sight.near()?.last::<P>(key)?;
        let (rows, is_whole) = kept.all();
        Some((shared(after?.rows(rows, is_whole, n)?), age))
    };
    let groups = match access.wait::<P::Entity>() {
        None => select(access)?,
        Some(wait) => in_time::<DB, P, Vec<Placed<P, H>>>(&wait, &keys, last, select)?,
    };
    Ok(groups.into_iter().next().unwrap_or_default())
}

fn shared<P: Listed, H>(rows: &[Arc<P::Entity>]) -> Vec<Placed<P, H>> {
    rows.iter().map(|row| Placed::Row(Arc::clone(row))).collect()
}
