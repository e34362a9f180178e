//! Whether a server keeps what does not expire.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use larder::store::{Fence, StoreError};

use crate::{link::Link, reign, request::Request};

/// For how long a server is believed not to evict: its settings can be changed while it runs.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// Which server has said last that it does not evict, and when.
#[derive(Default)]
pub(crate) struct Keeps(Mutex<Option<(Fence, Instant)>>);

impl Keeps {
    /// Refuses a server that may evict what does not expire.
    pub(crate) fn check(&self, link: &mut Link) -> Result<(), StoreError> {
        let keeps = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = *keeps();
        if known.is_some_and(|(fence, heard)| fence == link.fence() && heard.elapsed() < BELIEVED_FOR) {
            return Ok(());
        }
        let asked = Instant::now();
        let mut request = Request::default();
        request.command(2).arg(&[b"INFO"]).arg(&[b"memory"]);
        let answers = link.call(&request)?;
        let info = answers.first().map(reign::text).transpose()?.unwrap_or_default();
        let has_limit = reign::field(info, "maxmemory").is_some_and(|bytes| bytes != "0");
        match reign::field(info, "maxmemory_policy") {
            Some(policy) if has_limit && policy.starts_with("allkeys-") => {
                *keeps() = None;
                Err(StoreError::refused(format!("maxmemory-policy is {policy}, which may evict what waits")))
            }
            _ => {
                *keeps() = Some((link.fence(), asked));
                Ok(())
            }
        }
    }
}
