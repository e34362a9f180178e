//! Saying the same thing once a minute.

use std::{
    collections::HashMap,
    panic::Location,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::Site;

const PAUSE: Duration = Duration::from_secs(60);

/// When each thing was reported last. There are as many as the program has lines that call repositories.
#[derive(Default)]
pub(super) struct Reports(Mutex<HashMap<Line, Instant>>);

/// A line of the program, and what there is to report of it.
type Line = (Option<Location<'static>>, Box<str>);

impl Reports {
    /// Whether this may be reported of that line, which then is done.
    pub(super) fn is_due(&self, site: Option<Site>, what: &str) -> bool {
        self.is_due_at(site, what, Instant::now())
    }

    fn is_due_at(&self, site: Option<Site>, what: &str, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (site.copied(), what.into());
        let is_due = last.get(&place).is_none_or(|last| now.duration_since(*last) >= PAUSE);
        if is_due {
            last.insert(place, now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_of_a_line_is_due_once_a_minute() {
        let (reports, now) = (Reports::default(), Instant::now());
        let (here, there) = (Location::caller(), other_line());
        assert!(reports.is_due_at(Some(here), "users", now));
        assert!(!reports.is_due_at(Some(here), "users", now + PAUSE - Duration::from_nanos(1)));
        assert!(reports.is_due_at(Some(there), "users", now));
        assert!(reports.is_due_at(Some(here), "orders", now));
        assert!(reports.is_due_at(Some(here), "users", now + PAUSE));
    }

    #[track_caller]
    fn other_line() -> Site {
        Location::caller()
    }
}
