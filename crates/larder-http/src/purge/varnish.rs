use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, Request, Uri};
use http_body_util::Full;

use super::{Purge, PurgeError, client::Client, joined, runs};
use crate::Tag;

/// Well within the 8 192 bytes that Varnish by default takes of one line of a header.
const LINE_BYTES: usize = 4_000;

/// How a Varnish finds the answers that have a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VarnishTags {
    /// By its module xkey, at once: `varnish/xkey.vcl`.
    Xkey,
    /// By the same module, but what has the tag is only made stale: a Varnish that keeps stale answers asks with `If-None-Match` before it
    /// drops them, and serves them meanwhile for as long as its grace lasts.
    SoftXkey,
    /// By bans, which every Varnish has: `varnish/ban.vcl`. Each answer is compared with each ban since it was kept, at its next use.
    Ban,
}

/// One or several Varnish, with the rules of `varnish/xkey.vcl` or `varnish/ban.vcl` of this crate.
///
/// Over plain HTTP, with the method `PURGE`: there is no TLS here, so the way to them has to be one's own network.
#[derive(Debug, Clone)]
pub struct Varnish {
    client: Client,
    at: Vec<Uri>,
    tags: VarnishTags,
}

impl Varnish {
    /// Those at these addresses, such as `http://10.0.0.7:80/`. All of them are told of each purge.
    #[must_use]
    pub fn new(at: impl IntoIterator<Item = Uri>, tags: VarnishTags) -> Self {
        Self { client: Client::new(), at: at.into_iter().collect(), tags }
    }

    /// For how long an answer is waited for. Defaults to five seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.client.set_timeout(timeout);
        self
    }

    /// All are told, whoever fails; the first failure is the outcome.
    async fn tell(&self, header: &'static str, value: &str) -> Result<(), PurgeError> {
        let mut outcome = Ok(());
        for uri in &self.at {
            let request = Request::builder()
                .method(Method::from_bytes(b"PURGE").expect("it is a token"))
                .uri(uri.clone())
                .header(HeaderName::from_static(header), value)
                .body(Full::<Bytes>::default())
                .expect("tags may be in a header");
            outcome = outcome.and(self.client.send(request).await);
        }
        outcome
    }
}

impl Purge for Varnish {
    async fn purge(&self, tags: &[Tag]) -> Result<(), PurgeError> {
        let (header, separator) = match self.tags {
            VarnishTags::Xkey => ("xkey-purge", " "),
            VarnishTags::SoftXkey => ("xkey-softpurge", " "),
            VarnishTags::Ban => ("ban-tags", "|"),
        };
        let mut outcome = Ok(());
        for run in runs(tags, LINE_BYTES, usize::MAX) {
            // Whoever fails: the others are to hear of all of it.
            outcome = outcome.and(self.tell(header, &joined(run, separator)).await);
        }
        outcome
    }

    async fn purge_all(&self) -> Result<(), PurgeError> {
        self.tell("ban-all", "yes").await
    }
}
