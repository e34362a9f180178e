use std::{
    thread,
    time::{Duration, Instant},
};

/// Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `is_met`, asking every few milliseconds; `what` says for what.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_met: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_met() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
