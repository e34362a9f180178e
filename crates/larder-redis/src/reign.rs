//! What tells one reign of a server from every other one.

use larder::store::{Fence, StoreError};
use redis::Value;
use sha2::{Digest as _, Sha256};

use crate::error::{from_server, senseless};

/// The time for which one process goes on being a master.
///
/// The `run_id` alone stays when a server is demoted and promoted again, and then it has again what it had before, or what another master
/// had never been told was changed. `master_replid` is another one after each promotion, and also when a first replica comes, or the last
/// one has been gone for `repl-backlog-ttl`: then a reign ends for nothing, and costs a cold start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reign {
    fence: Fence,
    replication_id: Box<str>,
}

impl Reign {
    pub(crate) fn new(run_id: &str, replication_id: &str) -> Self {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let digest = Sha256::digest(format!("{run_id} {replication_id}"));
        let mut fence = [0; 8];
        for (to, from) in fence.iter_mut().zip(digest) {
            *to = DIGITS[usize::from(from & 63)];
        }
        Self { fence: Fence(fence), replication_id: replication_id.into() }
    }

    /// The mark of all that is written in it.
    pub(crate) fn fence(&self) -> Fence {
        self.fence
    }

    /// Whether the server was master in it without a break, from the making of the connection to the answer to `INFO replication` on it.
    pub(crate) fn lasts(&self, answer: &Value) -> Result<bool, StoreError> {
        let info = text(answer)?;
        Ok(field(info, "role") == Some("master") && field(info, "master_replid") == Some(&*self.replication_id))
    }
}

/// The text that `INFO` answers with.
pub(crate) fn text(answer: &Value) -> Result<&str, StoreError> {
    let text = match answer {
        Value::BulkString(text) => str::from_utf8(text).ok(),
        Value::VerbatimString { text, .. } => Some(text.as_str()),
        Value::ServerError(error) => return Err(from_server(error)),
        _ => None,
    };
    text.ok_or_else(|| senseless("INFO answers with text"))
}

/// A field of what `INFO` tells.
pub(crate) fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    let mut pairs = info.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(role: &str, replication_id: &str) -> Value {
        Value::BulkString(format!("# Replication\r\nrole:{role}\r\nmaster_replid:{replication_id}\r\n").into_bytes())
    }

    #[test]
    fn the_fence_tells_processes_and_reigns_apart_in_eight_printable_characters() {
        let fences = [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")].map(|(run, id)| Reign::new(run, id).fence());
        for (n, fence) in fences.iter().enumerate() {
            assert!(!fences[..n].contains(fence));
            assert!(fence.0.iter().all(u8::is_ascii_graphic), "{fence:?}");
        }
        assert_eq!(Reign::new("a", "1").fence(), fences[0]);
    }

    #[test]
    fn it_lasts_while_its_server_is_master_under_the_same_name() {
        let reign = Reign::new("aaaaaaaa", "12345678");
        assert!(reign.lasts(&info("master", "12345678")).unwrap());
        assert!(!reign.lasts(&info("slave", "12345678")).unwrap());
        assert!(!reign.lasts(&info("master", "12345679")).unwrap());
        assert!(!reign.lasts(&Value::BulkString(Vec::new())).unwrap());
        assert!(reign.lasts(&Value::Int(0)).unwrap_err().is_refused());
    }
}
