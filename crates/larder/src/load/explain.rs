//! What loading rows by keys would do.

use std::sync::Arc;

use super::{
    ALL,
    count::count_statement,
    look::{Looked, Sight, look},
    select::{Refined, chunk_of, refined, select_statement},
};
use crate::{
    backend::Backend,
    entity::{Entity, PatternOn},
    explain::{Draft, Plan, State, Wants},
    figures::Bypass,
    layers::Found,
    lookout::text_of,
    payload::{self, Rows},
    session::Access,
    shape::Head,
    statement::{Fragment, Statement},
    store::CellKey,
};

/// As [`rows_by`](super::rows_by), of which it takes down what that would do: gives the rows that are known without loading them.
pub(super) fn rows_by<DB, P, H>(access: Access<'_, DB>, plan: &Plan, keys: &[P::Key], limit: usize) -> Vec<Rows<H>>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let (states, rows): (Vec<_>, Vec<_>) = look_up::<DB, P>(access, keys, limit).into_iter().unzip();
    let statement = |keys| select_statement::<DB, P, H>(access.with_deleted(), keys, refined::<DB, P, H>(limit));
    let wants = Wants::Rows { limit: bounded(limit).filter(|_| !P::UNIQUE), whole: H::WHOLE };
    let is_limited = limit != ALL && !P::UNIQUE;
    level::<DB, P>(plan, keys, states, wants, is_limited, 0, statement);
    rows.into_iter().map(|rows| rows.iter().take(limit).map(H::share).collect()).collect()
}

/// Takes down what a read of refined rows would do.
pub(super) fn refined_by<'q, DB, P, H>(
    access: Access<'_, DB>,
    plan: &Plan,
    keys: &[P::Key],
    refined: impl Fn() -> Refined<'q, DB>,
) where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let Refined { filter, limit, .. } = refined();
    let n_binds = filter.and_then(|filter| DB::n_binds(&filter).ok()).unwrap_or_default();
    let statement = |keys| select_statement::<DB, P, H>(access.with_deleted(), keys, refined());
    let (states, wants) = (vec![State::Past; keys.len()], Wants::Refined { limit: bounded(limit) });
    level::<DB, P>(plan, keys, states, wants, limit != ALL, n_binds, statement);
}

/// Takes down what counting would do.
pub(super) fn count_by<'q, DB, P>(
    access: Access<'_, DB>,
    plan: &Plan,
    keys: &[P::Key],
    filter: impl Fn() -> Option<Fragment<'q, DB>>,
) where
    DB: Backend,
    P: PatternOn<DB>,
{
    let is_refined = filter().is_some();
    let n_binds = filter().and_then(|filter| DB::n_binds(&filter).ok()).unwrap_or_default();
    let states = if is_refined {
        vec![State::Past; keys.len()]
    } else {
        // A list of which the cell has a part can't be counted.
        look_up::<DB, P>(access, keys, ALL).into_iter().map(|(state, _)| state).collect()
    };
    let statement = |keys| count_statement::<DB, P>(access.with_deleted(), keys, filter());
    level::<DB, P>(plan, keys, states, Wants::Count { refined: is_refined }, false, n_binds, statement);
}

fn bounded(limit: usize) -> Option<usize> {
    (limit != ALL).then_some(limit)
}

fn level<'q, DB, P>(
    plan: &Plan,
    keys: &[P::Key],
    states: Vec<State>,
    wants: Wants,
    is_limited: bool,
    n_binds: usize,
    statement: impl FnOnce(Vec<P::Key>) -> Statement<'q, DB>,
) where
    DB: Backend,
    P: PatternOn<DB>,
{
    let is_loaded = |state: &State| !matches!(state, State::Near | State::Shared | State::Flight | State::Leased);
    let chunk = chunk_of::<DB, P>(n_binds);
    let with_states = || keys.iter().zip(&states);
    let mut wanted: Vec<P::Key> =
        with_states().filter(|(_, state)| is_loaded(state)).map(|(key, _)| key.clone()).take(chunk).collect();
    if wanted.is_empty() {
        wanted = keys.iter().take(chunk).cloned().collect();
    }
    let is_refined = matches!(wants, Wants::Refined { .. } | Wants::Count { refined: true });
    // Of keys that are not known, one or many may come, and those of several columns are written out.
    let is_known = !wanted.is_empty() || P::N_COLUMNS == 1 && !is_limited;
    plan.level(Draft {
        model: P::Entity::cells_name(),
        by: P::COLUMNS,
        wants,
        // A condition of the caller's own may be a text with values in it.
        sql: (is_known && !is_refined).then(|| text_of(&statement(wanted))).flatten(),
        chunk,
        cells: payload::cell_keys::<P>(keys).into_iter().zip(states.iter().copied()).collect(),
    });
}

/// How it stands with each key, and the rows of those that have some in a cache.
fn look_up<DB, P>(access: Access<'_, DB>, keys: &[P::Key], limit: usize) -> Vec<(State, Rows<Arc<P::Entity>>)>
where
    DB: Backend,
    P: PatternOn<DB>,
{
    let sight = Sight::only_looking::<P::Entity>(access);
    let Some(layers) = access.layers().filter(|_| sight.asks_store()) else {
        return keys.iter().map(|_| (State::Past, Rows::new())).collect();
    };
    let mut looked: Vec<(State, Rows<Arc<P::Entity>>)> = Vec::with_capacity(keys.len());
    let mut lacking = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let kept = sight.look_until_end::<P>(key).map(|(kept, _)| kept);
        if let Some(rows) = kept.as_ref().and_then(|kept| kept.first(limit)) {
            looked.push((State::Near, rows.iter().cloned().collect()));
        } else {
            looked.push((State::Vacant, Rows::new()));
            lacking.push(at);
        }
    }
    let cells: Vec<CellKey> = payload::cell_keys::<P>(lacking.iter().map(|at| &keys[*at]));
    for (at, found) in lacking.into_iter().zip(sight.ask::<P::Entity>(layers, &cells)) {
        let in_cache = if matches!(found, Found::Loaded(_)) { State::Flight } else { State::Shared };
        looked[at] = match look::<P>(found, limit, false) {
            Looked::Rows(rows) => (in_cache, rows.into_iter().map(Arc::new).collect()),
            Looked::ToKeep { rows, .. } => (in_cache, rows),
            Looked::Lacking(_) => (State::Vacant, Rows::new()),
            Looked::PassedBy(why) => (state_of(why), Rows::new()),
            Looked::UnderWay(_) | Looked::Elsewhere => (State::Leased, Rows::new()),
            Looked::Corrupt => (State::Failed, Rows::new()),
        };
    }
    looked
}

fn state_of(why: Bypass) -> State {
    match why {
        Bypass::InDoubt => State::InDoubt,
        Bypass::Unsettled => State::Unsettled,
        Bypass::Failed => State::Failed,
        Bypass::Elsewhere => State::Leased,
        Bypass::TooShort => State::TooShort,
        Bypass::Asked | Bypass::Transaction | Bypass::NoStore => State::Past,
    }
}
