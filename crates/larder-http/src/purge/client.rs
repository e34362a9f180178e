use std::{fmt, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client as Pooled, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::PurgeError;

/// Plain HTTP/1.1 over kept connections.
#[derive(Clone)]
pub(super) struct Client {
    pooled: Pooled<HttpConnector, Full<Bytes>>,
    timeout: Duration,
}

impl Client {
    pub(super) fn new() -> Self {
        Self { pooled: Pooled::builder(TokioExecutor::new()).build_http(), timeout: Duration::from_secs(5) }
    }

    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Sends it, and waits for the head of a successful answer.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<(), PurgeError> {
        let answer = tokio::time::timeout(self.timeout, self.pooled.request(request)).await;
        let answer =
            answer.map_err(|_| PurgeError::TimedOut)?.map_err(|error| PurgeError::Unreachable(error.into()))?;
        if answer.status().is_success() { Ok(()) } else { Err(PurgeError::Refused(answer.status())) }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
