use std::time::{Duration, Instant};

use crate::scene::LONG;

/// Waits until `is_met`, asking every few milliseconds.
pub(crate) async fn eventually(mut is_met: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_met().await {
        assert!(begun.elapsed() < LONG, "not so within {LONG:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The same of what is known at once.
pub(crate) async fn until(mut is_met: impl FnMut() -> bool) {
    eventually(async || is_met()).await;
}
