//! Rows by keys: from the near cache, from the cells, and what they lack from the database.

mod count;
mod explain;
mod in_time;
mod lacking;
mod loaders;
mod look;
mod page;
mod refresh;
mod select;
mod sourced;
mod trees;

pub use self::trees::trees_by;
pub(crate) use self::{
    count::count_by,
    loaders::Loaders,
    page::{Leaf, page_by},
    refresh::Refreshes,
    select::{
        Loaded, Refined, and_live, and_live_as, chunk_of, push_from, select_by, table, table_sql, terms_of,
        text_for_a_key,
    },
    sourced::values_by,
};
use self::{
    lacking::{Lacking, load_lacking},
    look::Sight,
};
use crate::{
    backend::Backend, entity::PatternOn, error::Result, inline::may_wait, lookout::Call, near::Kept, payload::Rows,
    session::Access, shape::Head,
};

/// All of a list.
pub(crate) const ALL: usize = usize::MAX;

/// The row of a key of a unique pattern.
///
/// Costs what [`rows_by`] costs, and a near hit no memory of its own.
// The caller's own copy of `access` is then never written to memory, from where a hit would wait for it.
#[inline(always)]
pub(crate) fn row_by<DB, P, H>(access: Access<'_, DB>, key: P::Key) -> Result<Option<H>>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let sight = Sight::of::<P::Entity>(access);
    match sight.look::<P>(&key) {
        Some(Kept::Row(row)) => {
            access.figures::<P::Entity>().near_hits.add(1);
            return Ok(Some(H::take(row)));
        }
        Some(kept) => {
            if let Some(rows) = kept.first(1) {
                access.figures::<P::Entity>().near_hits.add(1);
                return Ok(rows.first().map(H::share));
            }
        }
        None => {}
    }
    row_lacking::<DB, P, H>(access, &sight, key)
}

/// The row of a key that is not near, or will not be for long. Apart from [`row_by`], so that a hit has no room to make for all this.
#[cold]
#[inline(never)]
fn row_lacking<DB, P, H>(access: Access<'_, DB>, sight: &Sight<'_>, key: P::Key) -> Result<Option<H>>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let late = sight.look_late::<P>(&key);
    if let Some(rows) = late.as_ref().and_then(|kept| kept.first(1)) {
        refresh::soon::<DB, P>(access, [&key], true);
        access.figures::<P::Entity>().near_hits.add(1);
        return Ok(rows.first().map(H::share));
    }
    may_wait()?;
    let _call = Call::of::<P>(access.lookout(), 1, 1, access.site());
    let mut groups = vec![Rows::new()];
    load_lacking::<DB, P, H>(access, sight, &[key], &[Lacking { at: 0, was_refused: false }], 1, &mut groups)?;
    Ok(groups.pop().and_then(|rows| rows.into_iter().next()))
}

/// The rows of `keys`, which may repeat or be missing, one after the other, and how many each has: `None` unless all of them are near, and
/// will be for a while.
///
/// What [`rows_by`] gives too, without a table of the keys.
pub(crate) fn rows_near<'k, DB, P, H>(
    access: Access<'_, DB>,
    keys: impl ExactSizeIterator<Item = Option<&'k P::Key>>,
    limit: usize,
) -> Option<(Vec<H>, Vec<usize>)>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    if access.explaining().is_some() {
        return None;
    }
    let sight = Sight::of::<P::Entity>(access);
    let (mut heads, mut counts) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
    let mut n_keys = 0;
    for key in keys {
        let Some(key) = key else {
            counts.push(0);
            continue;
        };
        n_keys += 1;
        match sight.look::<P>(key)? {
            Kept::Row(row) if limit > 0 => {
                heads.push(H::take(row));
                counts.push(1);
            }
            kept => {
                let rows = kept.first(limit)?;
                heads.extend(rows.iter().map(H::share));
                counts.push(rows.len());
            }
        }
    }
    access.figures::<P::Entity>().near_hits.add(n_keys);
    Some((heads, counts))
}

/// Rows for each of `keys`, which are all different: at most `limit` a key, in the pattern's order.
///
/// What is kept near costs nothing but memory. For the other keys: one round trip for all of them, one more for leases on what is missing,
/// one statement for that, and one round trip to fill it in. A head that is not the whole row is narrowed from a cached row; where there is
/// none, only its columns are selected, and nothing is filled in.
///
/// What others load at the moment is waited for: of this process, until it has it; of other processes, for some milliseconds, after
/// which one statement more loads it here.
pub(crate) fn rows_by<DB, P, H>(access: Access<'_, DB>, keys: &[P::Key], limit: usize) -> Result<Vec<Rows<H>>>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    if let Some(plan) = access.explaining() {
        return Ok(explain::rows_by::<DB, P, H>(access, plan, keys, limit));
    }
    let mut groups: Vec<Rows<H>> = Vec::with_capacity(keys.len());
    let sight = Sight::of::<P::Entity>(access);
    let (mut lacking, mut late) = (Vec::new(), Vec::new());
    for (at, key) in keys.iter().enumerate() {
        let kept = sight.look_until_end::<P>(key);
        late.extend(kept.as_ref().filter(|(_, is_late)| *is_late).map(|_| key));
        if let Some(rows) = kept.as_ref().and_then(|(kept, _)| kept.first(limit)) {
            groups.push(rows.iter().map(H::share).collect());
        } else {
            groups.push(Rows::new());
            lacking.push(Lacking { at, was_refused: false });
        }
    }
    if !lacking.is_empty() {
        may_wait()?;
    }
    access.figures::<P::Entity>().near_hits.add((keys.len() - lacking.len()) as u64);
    refresh::soon::<DB, P>(access, late, true);
    if !lacking.is_empty() {
        let _call = Call::of::<P>(access.lookout(), keys.len(), lacking.len(), access.site());
        load_lacking::<DB, P, H>(access, &sight, keys, &lacking, limit, &mut groups)?;
    }
    Ok(groups)
}
