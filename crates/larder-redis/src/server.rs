//! Which server a connection leads to, and when it may be trusted with leases.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use larder::store::{Fence, StoreError};

use crate::error::senseless;

/// What a server says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Server {
    run_id: String,
    uptime: Duration,
    is_master: bool,
    was_promoted: bool,
}

impl Server {
    /// Reads the sections `server` and `replication` of `INFO`.
    pub(crate) fn parse(info: &str) -> Result<Self, StoreError> {
        let field = |name: &str| {
            let mut pairs = info.lines().filter_map(|line| line.split_once(':'));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
        };
        let run_id = field("run_id").filter(|id| id.len() >= 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let uptime = field("uptime_in_seconds").and_then(|seconds| seconds.parse().ok());
        let (Some(run_id), Some(uptime), Some(role), Some(second_offset)) =
            (run_id, uptime, field("role"), field("second_repl_offset"))
        else {
            return Err(senseless("INFO holds run_id, uptime_in_seconds, role and second_repl_offset"));
        };
        Ok(Self {
            run_id: run_id.to_owned(),
            uptime: Duration::from_secs(uptime),
            is_master: role == "master",
            was_promoted: second_offset != "-1",
        })
    }

    /// A replica lags behind, and what it says of a marker may be long out of date.
    pub(crate) fn is_master(&self) -> bool {
        self.is_master
    }

    /// What tells this life of the server from every other one.
    pub(crate) fn fence(&self) -> Fence {
        let mut fence = [0; 8];
        for (to, from) in fence.iter_mut().zip(self.run_id.bytes()) {
            *to = from;
        }
        Fence(fence)
    }
}

/// The lives of servers that this store has met, and since when each may be trusted.
///
/// A server that has lost its memory has lost markers of writes that are still in doubt. After the quarantine all of those
/// would have expired anyway.
pub(crate) struct Quarantine {
    length: Duration,
    ends: Mutex<HashMap<String, Duration>>,
}

impl Quarantine {
    pub(crate) fn new(length: Duration) -> Self {
        Self { length, ends: Mutex::default() }
    }

    /// When leases may be taken on a connection to `server` that is made `now`.
    pub(crate) fn end(&self, server: &Server, now: Duration) -> Duration {
        // A panic elsewhere can't have left the map half changed.
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        // Only before any other server was met: one that we are led to later replaces one that may have had markers.
        let has_long_been_alone = ends.is_empty() && server.uptime > self.length && !server.was_promoted;
        let end = if has_long_been_alone { Duration::ZERO } else { now.saturating_add(self.length) };
        *ends.entry(server.run_id.clone()).or_insert(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const Q: Duration = Duration::from_secs(15);

    fn info(run_id: &str, uptime: u64, role: &str, second_offset: i64) -> String {
        format!(
            "# Server\r\nredis_version:7.0.15\r\nrun_id:{run_id}\r\nuptime_in_seconds:{uptime}\r\n\r\n\
             # Replication\r\nrole:{role}\r\nsecond_repl_offset:{second_offset}\r\n"
        )
    }

    fn server(run_id: &str, uptime: u64, second_offset: i64) -> Server {
        Server::parse(&info(run_id, uptime, "master", second_offset)).unwrap()
    }

    #[test]
    fn the_fence_is_the_head_of_the_run_id() {
        let server = server("0123456789abcdef", 1, -1);
        assert_eq!(server.fence(), Fence(*b"01234567"));
        assert!(server.is_master());
        assert!(!Server::parse(&info("0123456789abcdef", 1, "slave", -1)).unwrap().is_master());
    }

    #[test]
    fn info_without_its_fields_is_refused() {
        for text in [
            "",
            "run_id:0123456789abcdef\r\n",
            &info("short", 1, "master", -1),
            &info("not/hexa/decimal", 1, "master", -1),
        ] {
            assert!(Server::parse(text).unwrap_err().is_refused());
        }
    }

    #[test]
    fn the_first_server_that_was_long_up_is_trusted_at_once() {
        let quarantine = Quarantine::new(Q);
        assert_eq!(quarantine.end(&server("aaaaaaaa", 16, -1), Q), Duration::ZERO);
        assert_eq!(quarantine.end(&server("aaaaaaaa", 20, -1), 2 * Q), Duration::ZERO);
    }

    #[test]
    fn a_server_that_was_started_or_promoted_lately_is_not() {
        for server in [server("aaaaaaaa", 15, -1), server("aaaaaaaa", 1_000, 42)] {
            let quarantine = Quarantine::new(Q);
            assert_eq!(quarantine.end(&server, Q), 2 * Q);
            // The time counts from the first connection.
            assert_eq!(quarantine.end(&server, 10 * Q), 2 * Q);
        }
    }

    #[test]
    fn a_second_server_is_not_trusted_however_long_it_was_up() {
        let quarantine = Quarantine::new(Q);
        quarantine.end(&server("aaaaaaaa", 1_000, -1), Q);
        assert_eq!(quarantine.end(&server("bbbbbbbb", 1_000, -1), Q), 2 * Q);
        assert_eq!(quarantine.end(&server("aaaaaaaa", 1_000, -1), 5 * Q), Duration::ZERO, "the first one is");
    }
}
