//! Which server a connection leads to, and when it may be trusted with leases.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use larder::store::{Fence, StoreError};

use crate::{
    error::senseless,
    reign::{self, Reign},
    warning::Warning,
};

/// How long it lasts at least unless it is set by hand: for as long as handles with `larder`'s defaults hold markers, of which
/// there may be some in other processes.
const SHORTEST: Duration = Duration::from_secs(15);

/// What a server says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Server {
    run_id: String,
    reign: Reign,
    uptime: Duration,
    is_master: bool,
    was_promoted: bool,
    warnings: Vec<Warning>,
}

impl Server {
    /// Reads the sections `server` and `replication` of `INFO`, and `memory` where there is one.
    pub(crate) fn parse(info: &str) -> Result<Self, StoreError> {
        let field = |name| reign::field(info, name);
        let is_id = |id: &&str| id.len() >= 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (run_id, replication_id) = (field("run_id").filter(is_id), field("master_replid").filter(is_id));
        let uptime = field("uptime_in_seconds").and_then(|seconds| seconds.parse().ok());
        let (Some(run_id), Some(replication_id), Some(uptime), Some(role), Some(second_offset)) =
            (run_id, replication_id, uptime, field("role"), field("second_repl_offset"))
        else {
            return Err(senseless("INFO holds run_id, master_replid, uptime_in_seconds, role and second_repl_offset"));
        };
        Ok(Self {
            reign: Reign::new(run_id, replication_id),
            run_id: run_id.to_owned(),
            uptime: Duration::from_secs(uptime),
            is_master: role == "master",
            was_promoted: second_offset != "-1",
            warnings: Warning::of(field("maxmemory"), field("maxmemory_policy")),
        })
    }

    pub(crate) fn run_id(&self) -> &str {
        &self.run_id
    }

    /// What is wrong with its settings.
    pub(crate) fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// A replica lags behind, and what it says of a marker may be long out of date.
    pub(crate) fn is_master(&self) -> bool {
        self.is_master
    }

    /// The reign that it is in.
    pub(crate) fn reign(&self) -> &Reign {
        &self.reign
    }
}

/// When this store met a reign of a server, and how far that could be trusted then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    at: Duration,
    /// For how long nothing can have been lost before: only before any other server was met. One that we are led to later
    /// replaces one that may have had markers.
    alone_for: Option<Duration>,
}

impl Seen {
    /// A server that has not been met yet.
    pub(crate) const NEVER: Self = Self { at: Duration::MAX, alone_for: None };
}

/// A length that was set by hand, and markers that are held for longer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooShort {
    pub(crate) length: Duration,
}

/// The reigns of servers that this store has met, and how long each is not trusted with leases.
///
/// A server that has lost its memory, or was promoted, has lost markers of writes that are still in doubt. After the quarantine all of those
/// would have expired anyway.
pub(crate) struct Quarantine {
    /// In nanoseconds. It may grow at any time: connections are made before the handles that say for how long they hold markers.
    length: AtomicU64,
    is_fixed: bool,
    met: Mutex<HashMap<Fence, Seen>>,
}

impl Quarantine {
    /// One of a fixed length, or one that [covers](Self::cover) what it is told of.
    pub(crate) fn new(fixed: Option<Duration>) -> Self {
        let length = AtomicU64::new(nanoseconds(fixed.unwrap_or(SHORTEST)));
        Self { length, is_fixed: fixed.is_some(), met: Mutex::default() }
    }

    /// Makes sure that it lasts for as long as markers are held.
    pub(crate) fn cover(&self, hold: Duration) -> Result<(), TooShort> {
        if !self.is_fixed {
            self.length.fetch_max(nanoseconds(hold), Ordering::Relaxed);
        }
        let length = self.length();
        if self.is_fixed && length < hold { Err(TooShort { length }) } else { Ok(()) }
    }

    /// Notes that a connection to `server` is made `now`: when its reign was met first.
    pub(crate) fn meet(&self, server: &Server, now: Duration) -> Seen {
        // A panic elsewhere can't have left the map half changed.
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let alone_for = (met.is_empty() && !server.was_promoted).then_some(server.uptime);
        *met.entry(server.reign.fence()).or_insert(Seen { at: now, alone_for })
    }

    /// Whether leases may be taken `now` on a server that was met then.
    pub(crate) fn is_over(&self, seen: Seen, now: Duration) -> bool {
        let length = self.length();
        seen.alone_for.is_some_and(|time| time > length) || now >= seen.at.saturating_add(length)
    }

    fn length(&self) -> Duration {
        Duration::from_nanos(self.length.load(Ordering::Relaxed))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const Q: Duration = Duration::from_secs(15);

    const ID: &str = "12345678";

    fn info(run_id: &str, id: &str, uptime: u64, role: &str, second_offset: i64) -> String {
        format!(
            "# Server\r\nredis_version:7.0.15\r\nrun_id:{run_id}\r\nuptime_in_seconds:{uptime}\r\n\r\n\
             # Replication\r\nrole:{role}\r\nmaster_replid:{id}\r\nsecond_repl_offset:{second_offset}\r\n"
        )
    }

    fn server(run_id: &str, uptime: u64, second_offset: i64) -> Server {
        Server::parse(&info(run_id, ID, uptime, "master", second_offset)).unwrap()
    }

    #[test]
    fn its_reign_is_that_of_both_ids() {
        let server = server("0123456789abcdef", 1, -1);
        assert_eq!(server.reign(), &Reign::new("0123456789abcdef", ID));
        assert!(server.is_master());
        assert!(!Server::parse(&info("0123456789abcdef", ID, 1, "slave", -1)).unwrap().is_master());
    }

    #[test]
    fn its_memory_is_judged_if_it_tells_of_it() {
        let text = info("0123456789abcdef", ID, 1, "master", -1);
        assert_eq!(Server::parse(&text).unwrap().warnings(), []);
        let text = text + "# Memory\r\nmaxmemory:1000\r\nmaxmemory_human:1000B\r\nmaxmemory_policy:noeviction\r\n";
        let expected = Warning::RefusesWhenFull { maxmemory_bytes: 1000 };
        assert_eq!(Server::parse(&text).unwrap().warnings(), [expected]);
    }

    #[test]
    fn info_without_its_fields_is_refused() {
        for text in [
            "",
            "run_id:0123456789abcdef\r\n",
            &info("short", ID, 1, "master", -1),
            &info("not/hexa/decimal", ID, 1, "master", -1),
            &info(ID, "", 1, "master", -1),
        ] {
            assert!(Server::parse(text).unwrap_err().is_refused());
        }
    }

    /// Whether leases may be taken at these times.
    fn is_over<const N: usize>(quarantine: &Quarantine, seen: Seen, times: [Duration; N]) -> [bool; N] {
        times.map(|now| quarantine.is_over(seen, now))
    }

    #[test]
    fn the_first_server_that_was_long_up_is_trusted_at_once() {
        let quarantine = Quarantine::new(Some(Q));
        let first = quarantine.meet(&server("aaaaaaaa", 16, -1), Q);
        assert_eq!(quarantine.meet(&server("aaaaaaaa", 20, -1), 2 * Q), first);
        assert_eq!(is_over(&quarantine, first, [Q, 2 * Q]), [true, true]);
    }

    #[test]
    fn a_server_that_was_started_or_promoted_lately_is_not() {
        for server in [server("aaaaaaaa", 15, -1), server("aaaaaaaa", 1_000, 42)] {
            let quarantine = Quarantine::new(Some(Q));
            let first = quarantine.meet(&server, Q);
            // The time counts from the first connection.
            for seen in [first, quarantine.meet(&server, 10 * Q)] {
                assert_eq!(
                    is_over(&quarantine, seen, [Q, 2 * Q - Duration::from_nanos(1), 2 * Q]),
                    [false, false, true]
                );
            }
        }
    }

    #[test]
    fn a_second_server_is_not_trusted_however_long_it_was_up() {
        let quarantine = Quarantine::new(Some(Q));
        quarantine.meet(&server("aaaaaaaa", 1_000, -1), Q);
        let second = quarantine.meet(&server("bbbbbbbb", 1_000, -1), Q);
        assert_eq!(is_over(&quarantine, second, [Q, 2 * Q]), [false, true]);
        let first = quarantine.meet(&server("aaaaaaaa", 1_000, -1), 5 * Q);
        assert!(quarantine.is_over(first, Q), "the first one is");
    }

    #[test]
    fn a_second_reign_of_a_server_is_not_trusted_for_the_sake_of_the_first() {
        let quarantine = Quarantine::new(Some(Q));
        quarantine.meet(&server("aaaaaaaa", 1_000, -1), Q);
        let again = Server::parse(&info("aaaaaaaa", "87654321", 1_000, "master", -1)).unwrap();
        let second = quarantine.meet(&again, Q);
        assert_eq!(is_over(&quarantine, second, [Q, 2 * Q]), [false, true]);
    }

    #[test]
    fn it_grows_with_the_time_for_which_markers_are_held_also_for_servers_that_were_met_before() {
        let quarantine = Quarantine::new(None);
        let seen = quarantine.meet(&server("aaaaaaaa", 20, -1), Q);
        assert!(quarantine.is_over(seen, Q), "20 s are longer than 15 s");
        assert_eq!([quarantine.cover(2 * Q), quarantine.cover(Duration::from_secs(1))], [Ok(()), Ok(())]);
        assert_eq!(is_over(&quarantine, seen, [Q, 3 * Q - Duration::from_nanos(1), 3 * Q]), [false, false, true]);
    }

    #[test]
    fn one_that_was_set_by_hand_stays_and_says_when_it_is_too_short() {
        let quarantine = Quarantine::new(Some(Q));
        assert_eq!(quarantine.cover(Q), Ok(()));
        assert_eq!(quarantine.cover(2 * Q), Err(TooShort { length: Q }));
        let seen = quarantine.meet(&server("aaaaaaaa", 1, -1), Q);
        assert_eq!(is_over(&quarantine, seen, [Q, 2 * Q]), [false, true]);
    }
}
