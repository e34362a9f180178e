mod api;
mod client;
mod varnish;

use std::{error::Error, future::Future};

use http::StatusCode;

use crate::Tag;

pub use self::{
    api::PurgeApi,
    varnish::{Varnish, VarnishTags},
};

/// Tells an edge to drop what it keeps.
///
/// A purge that is told twice does no more than once: whoever is not sure that one has arrived tells it again.
pub trait Purge: Send + Sync + 'static {
    /// Drops all answers that have any of these tags.
    ///
    /// # Errors
    /// The edge, or one of several, has not said that it did.
    fn purge(&self, tags: &[Tag]) -> impl Future<Output = Result<(), PurgeError>> + Send;

    /// Drops all answers.
    ///
    /// # Errors
    /// As for [`purge`](Self::purge).
    fn purge_all(&self) -> impl Future<Output = Result<(), PurgeError>> + Send;
}

/// Why a purge is not known to be done. It may have been done all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PurgeError {
    /// The edge can't be reached, or the connection broke.
    #[error("the edge can't be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// The edge answered, and not with success.
    #[error("the edge answered with {0}")]
    Refused(StatusCode),
    /// The edge has not answered in time.
    #[error("the edge did not answer in time")]
    TimedOut,
}

/// The tags in runs of which each is at most so many bytes long, separators included, and so many tags; a longer tag is a run of its own.
fn runs(tags: &[Tag], max_bytes: usize, max_tags: usize) -> Vec<&[Tag]> {
    let mut runs = Vec::new();
    let (mut start, mut n_bytes) = (0, 0);
    for (index, tag) in tags.iter().enumerate() {
        let length = tag.as_str().len() + 1;
        if index > start && (n_bytes + length > max_bytes || index - start >= max_tags) {
            runs.push(&tags[start..index]);
            (start, n_bytes) = (index, 0);
        }
        n_bytes += length;
    }
    if start < tags.len() {
        runs.push(&tags[start..]);
    }
    runs
}

fn joined(tags: &[Tag], separator: &str) -> String {
    tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_no_longer_than_told_and_lose_nothing() {
        let tags: Vec<Tag> = ["a", "bb", "ccc", "dddd", "e", "f", "g"].iter().map(Tag::new).collect();
        let seen: Vec<String> = runs(&tags, 6, 2).into_iter().map(|run| joined(run, " ")).collect();
        assert_eq!(seen, ["a bb", "ccc", "dddd", "e f", "g"]);
        assert_eq!(runs(&tags, 1, 9).len(), 7);
        assert!(runs(&[], 6, 2).is_empty());
    }
}
