use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{Shared, queue::Next};
use crate::{Purge, TagHeader};

/// Purges what is told, until nothing is and nobody can tell.
pub(super) async fn run(shared: Arc<Shared>, purge: impl Purge) {
    let mut pause = shared.options.first_pause;
    loop {
        let (next, is_last_try) = {
            let mut queue = shared.queue();
            (queue.next(Instant::now()), queue.is_closed())
        };
        let batch = match next {
            Next::Purge(batch) => batch,
            Next::Wait(None) => {
                shared.told.notified().await;
                continue;
            }
            Next::Wait(Some(until)) => {
                // Either will do: the queue knows what there is to do.
                let _ = timeout_at(until, shared.told.notified()).await;
                continue;
            }
            Next::End => return,
        };
        let outcome = match batch.tags() {
            Some(mut tags) => {
                // An answer that has too many tags has none of them.
                tags.push(TagHeader::many());
                purge.purge(&tags).await
            }
            None => purge.purge_all().await,
        };
        match outcome {
            Ok(()) => {
                pause = shared.options.first_pause;
                shared.queue().succeeded(batch, Instant::now());
                shared.done.notify_waiters();
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a purge failed and will be tried again");
                drop(error);
                shared.queue().failed(batch);
                if is_last_try {
                    return;
                }
                rest(&shared, pause).await;
                pause = (pause * 2).min(shared.options.longest_pause);
            }
        }
    }
}

/// Waits, and is woken only by the end: what is told meanwhile goes the same way as what has just failed.
async fn rest(shared: &Shared, pause: Duration) {
    let until = Instant::now() + pause;
    while !shared.queue().is_closed() && timeout_at(until, shared.told.notified()).await.is_ok() {}
}
