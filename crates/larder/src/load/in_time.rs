//! Loads that are not waited for as long as they take.

use std::time::Duration;

use super::{
    lacking::{self, Asked},
    look::Sight,
};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn},
    error::{Error, Result},
    event::Event,
    payload::Rows,
    session::{Access, Wait},
    shape::Head,
};

/// Puts the rows of the keys whose cells did not answer into `groups`, in time.
pub(super) fn load_asked<DB, P, H>(
    wait: &Wait<'_, DB>,
    sight: &Sight<'_>,
    keys: &[P::Key],
    asked: Asked,
    limit: usize,
    groups: &mut [Rows<H>],
) -> Result<()>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let (places, asked) = asked.alone();
    let wanted: Vec<P::Key> = places.iter().map(|at| keys[*at].clone()).collect();
    let last = |key: &P::Key| {
        let (kept, age) = sight.near()?.last::<P>(key)?;
        Some((kept.first(limit)?.iter().map(H::share).collect(), age))
    };
    let (keys, asks_store) = (wanted.clone(), sight.asks_store());
    let load = move |access: Access<'_, DB>| {
        let mut groups = vec![Rows::new(); keys.len()];
        let sight = Sight::beyond_near::<P::Entity>(access, asks_store);
        lacking::load_asked::<DB, P, H>(access, &sight, &keys, asked, limit, &mut groups)?;
        Ok(groups)
    };
    for (at, rows) in places.into_iter().zip(in_time::<DB, P, Rows<H>>(wait, &wanted, last, load)?) {
        groups[at] = rows;
    }
    Ok(())
}

/// Runs `load`, on a thread of the handle's if it may take too long, and gives what it gives for each of `keys`; or else what `last`
/// knows of each, and how old that is.
pub(super) fn in_time<DB, P, T>(
    wait: &Wait<'_, DB>,
    keys: &[P::Key],
    last: impl Fn(&P::Key) -> Option<(T, Duration)>,
    load: impl FnOnce(Access<'_, DB>) -> Result<Vec<T>> + Send + 'static,
) -> Result<Vec<T>>
where
    DB: Backend,
    P: Pattern,
    T: Send + 'static,
{
    let stale = |error: Option<&Error>| {
        let at_most = wait.stale_for?;
        let found: Option<Vec<_>> = keys.iter().map(|key| last(key).filter(|(_, age)| *age <= at_most)).collect();
        let (values, ages): (Vec<T>, Vec<Duration>) = found?.into_iter().unzip();
        wait.gave_stale::<P::Entity>(keys.len(), ages.into_iter().max().unwrap_or_default(), error);
        Some(values)
    };
    let or_stale = |result: Result<Vec<T>>| result.or_else(|error| stale(Some(&error)).ok_or(error));

    // Without an old value to give there is nothing to do after the soft time but to wait on.
    let soft = wait.soft.filter(|_| wait.stale_for.is_some());
    if soft.is_none() && wait.hard.is_none() {
        return or_stale(load(Access::handle(wait.larder).at(wait.site).of_tenant(wait.tenant)));
    }
    let (larder, site, tenant) = (wait.larder.clone(), wait.site, wait.tenant.map(str::to_owned));
    let load = move || load(Access::handle(&larder).at(site).of_tenant(tenant.as_deref()));
    let awaited = match wait.larder.loaders().send(load) {
        Ok(awaited) => awaited,
        Err(_) if wait.hard.is_some() => return stale(None).ok_or(Error::TimedOut),
        Err(load) => return stale(None).map_or_else(|| or_stale(load()), Ok),
    };
    if let Some(soft) = soft {
        if let Some(result) = awaited.until(Some(soft)) {
            return or_stale(result);
        }
        if let Some(values) = stale(None) {
            return Ok(values);
        }
    }
    match awaited.until(wait.hard) {
        Some(result) => or_stale(result),
        None => stale(None).ok_or(Error::TimedOut),
    }
}

impl<DB: Backend> Wait<'_, DB> {
    fn gave_stale<E: Entity>(&self, n_keys: usize, age: Duration, error: Option<&Error>) {
        self.larder.lookout().figures.of::<E>().gave_stale.add(n_keys as u64);
        if let Some(layers) = self.larder.layers() {
            layers.tell(Event::GaveStale { table: E::NAME, n_keys, age, error });
        }
        if let Some(client) = self.client {
            client.gave_stale(age);
        }
    }
}
