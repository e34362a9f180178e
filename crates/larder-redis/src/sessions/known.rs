use std::time::Duration;

use larder::store::StoreError;
use redis::Value;

use crate::{error::from_server, link::Link};

/// What the server knows of a session.
pub(super) struct Known {
    pub(super) version: u64,
    pub(super) ends_in: Duration,
    pub(super) user: Option<String>,
    pub(super) data: Vec<u8>,
}

impl Known {
    /// Reads what a script answers: `None` where there is no session.
    pub(super) fn read(link: &mut Link, answer: Option<Value>) -> Result<Option<Self>, StoreError> {
        let parts = match answer {
            Some(Value::Nil) => return Ok(None),
            Some(Value::Array(parts)) => parts,
            Some(Value::ServerError(error)) => return Err(from_server(&error)),
            _ => Vec::new(),
        };
        Self::parse(parts).map(Some).ok_or_else(|| link.refuse("a session has a version, an end, a user and data"))
    }

    fn parse(parts: Vec<Value>) -> Option<Self> {
        let text = |part: Value| if let Value::BulkString(bytes) = part { Some(bytes) } else { None };
        let parts = parts.into_iter().map(text).collect::<Option<Vec<_>>>()?;
        let [version, ends_in, user, data] = parts.try_into().ok()?;
        let number = |bytes: &[u8]| str::from_utf8(bytes).ok()?.parse().ok();
        Some(Self {
            version: number(&version)?,
            ends_in: Duration::from_millis(number(&ends_in)?),
            user: String::from_utf8(user).ok()?.strip_prefix('=').map(str::to_owned),
            data,
        })
    }
}
