//! The one refresher that refreshes, and when it does.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use diesel::PgConnection;

use super::{
    record::{Last, View},
    refresher::Job,
};
use crate::{
    leader::{ELECTION, Leader, Seat, number_of},
    stop::Stop,
    store::Nonce,
};

/// What kind of work the advisory lock is for.
const LOCK: i32 = i32::from_be_bytes(*b"view");

/// How often to look whether something was written, unless the view may be refreshed more often.
const LOOK: Duration = Duration::from_secs(1);
const SHORTEST_LOOK: Duration = Duration::from_millis(10);

/// How long the leader's session may be silent: while it looks, and while it refreshes by another.
const MAY_BE_SILENT: Duration = Duration::from_secs(15);
const MAY_REFRESH: Duration = Duration::from_secs(15 * 60);

/// How long to wait after a failure: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);

impl Job {
    /// Leads, or waits for its turn to lead, until it is told to stop.
    pub(super) fn run(&self, stop: &Stop) {
        let (mut said, mut last) = (None, Last::default());
        while !stop.is_set() {
            // Whatever a handler of events does, the view must go on being refreshed.
            let led = catch_unwind(AssertUnwindSafe(|| self.lead(stop, &mut last)));
            self.ledger.leads(false);
            let failure = match led {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(told(&error)),
                Err(_) => Some("it panicked".to_owned()),
            };
            self.ledger.can_not_lead(failure.clone());
            // Once a failure, and not once a second.
            if failure != said {
                let view = self.name;
                failure
                    .iter()
                    .for_each(|failure| tracing::warn!(view, failure, "the refresher failed; it tries again"));
                said = failure;
            }
            let _ = stop.rest(ELECTION);
        }
    }

    /// Refreshes for as long as it is told to, the view is the same one and the session lasts, if nobody else does.
    fn lead(&self, stop: &Stop, last: &mut Last) -> Result<(), Failure> {
        let find =
            |connection: &mut PgConnection| number_of(&self.view, connection).map(|number| Seat { kind: LOCK, number });
        let Some(mut leader) = Leader::elect::<Failure>(&self.pool, find, None)? else { return Ok(()) };
        self.ledger.leads(true);
        tracing::debug!(view = self.name, "this refresher leads");
        let view = View::find(&self.view, leader.connection())?;
        *last = self.recall(view, std::mem::take(last));

        let look = self.at_most_every.clamp(SHORTEST_LOOK, LOOK);
        let mut pause = FIRST_PAUSE;
        while !stop.is_set() {
            let view = View::find(&self.view, leader.connection())?;
            if view.number != leader.seat().number {
                // The lock is that of a view which is no more.
                return Ok(());
            }
            if !view.is_populated || self.has_changed(last.known.as_deref()) {
                self.ledger.is_stale();
            } else if !self.is_scheduled(last.age()) {
                let _ = stop.rest(look);
                continue;
            }
            if let Some(age) = last.age().filter(|age| *age < self.at_most_every) {
                let _ = stop.rest(look.min(self.at_most_every.saturating_sub(age)));
                continue;
            }
            leader.may_be_silent_for(MAY_REFRESH)?;
            // Before the query's snapshot: what is written from now on may be missing from it.
            let stamps = self.stamps();
            let now = Instant::now();
            let refreshed = (self.refresh)(&self.larder);
            // Taken down before the leader's session is asked for anything, which may have ended meanwhile.
            match refreshed {
                Ok(refreshed) => {
                    let lag = self.ledger.refreshed(now, refreshed);
                    let figures = (self.of_model)(&self.larder.lookout().figures);
                    lag.into_iter().for_each(|lag| figures.refresh_lag.add(lag));
                    *last = Last::begun(view.number, now, stamps);
                    self.record(view, last);
                    pause = FIRST_PAUSE;
                    leader.may_be_silent_for(MAY_BE_SILENT)?;
                }
                Err(error) => {
                    self.ledger.failed(told(&error));
                    leader.may_be_silent_for(MAY_BE_SILENT)?;
                    let failed = Instant::now();
                    // The session must not be silent for so long.
                    while failed.elapsed() < pause && stop.rest(LOOK.min(pause.saturating_sub(failed.elapsed()))) {
                        let _ = View::find(&self.view, leader.connection())?;
                    }
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
        Ok(())
    }

    /// Whether something was written since the stamps were taken, as far as the store can tell.
    fn has_changed(&self, since: Option<&[Nonce]>) -> bool {
        let Some(since) = since else { return true };
        if self.depends_on.is_empty() {
            return false;
        }
        let Some(layers) = self.larder.layers() else { return true };
        let is_same = |(found, known): (&Option<Nonce>, &Nonce)| found.as_ref() == Some(known);
        let found = layers.found_stamps(&self.depends_on);
        !found.is_some_and(|found| found.iter().zip(since).all(is_same))
    }

    fn is_scheduled(&self, age: Option<Duration>) -> bool {
        self.at_least_every.is_some_and(|time| age.is_none_or(|age| age >= time))
    }

    /// The stamps of all tables, put where there were none.
    fn stamps(&self) -> Option<Vec<Nonce>> {
        if self.depends_on.is_empty() {
            return Some(Vec::new());
        }
        let layers = self.larder.layers()?;
        let found = layers.found_stamps(&self.depends_on)?;
        layers.stamps(&self.depends_on, found)
    }
}

/// What ends a leader's work.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the database refused a statement")]
    Database(#[from] diesel::result::Error),
    #[error("no database connection is to be had")]
    Pool(#[from] r2d2::Error),
}

/// An error and its causes, in a line.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}
