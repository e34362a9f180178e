//! What the server or the connection said, as the errors of a store.

use std::io;

use larder::store::StoreError;
use redis::{ErrorKind, RedisError, ServerError, ServerErrorKind};

/// A URL or a setting of which no store can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The URL is none that leads to Redis, or asks for TLS without the feature `tls`.
    #[error("the URL of the store is malformed: {reason}")]
    InvalidUrl {
        /// What is wrong with it. It holds no part of the URL, which may have a password in it.
        reason: String,
    },
    /// A time-out or the size of the pool is zero.
    #[error("{setting} must be more than zero")]
    Zero {
        /// The name of the setter.
        setting: &'static str,
    },
    /// The root certificate is none, or the URL does not ask for TLS.
    #[error("the root certificate can't be used")]
    InvalidCertificate {
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What has failed for several at once, each of whom is told.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    is_refusal: bool,
    is_timeout: bool,
    text: String,
}

impl Failure {
    pub(crate) fn of(error: &StoreError) -> Self {
        let text = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        Self { is_refusal: error.is_refused(), is_timeout: error.is_timeout(), text }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The error of one of them.
    pub(crate) fn tell(&self) -> StoreError {
        self.tell_as(self.text.clone())
    }

    /// As [`tell`](Self::tell), in other words.
    pub(crate) fn tell_as(&self, text: String) -> StoreError {
        if self.is_refusal {
            StoreError::refused(text)
        } else if self.is_timeout {
            StoreError::timed_out(text)
        } else {
            StoreError::unavailable(text)
        }
    }
}

/// An error on this side of the wire or on the wire itself.
pub(crate) fn from_connection(error: RedisError) -> StoreError {
    if error.is_timeout() {
        StoreError::timed_out(error)
    } else if error.is_io_error() {
        StoreError::unavailable(error)
    } else if let ErrorKind::Server(kind) = error.kind() {
        if passes_by_itself(Some(kind), "") { StoreError::unavailable(error) } else { StoreError::refused(error) }
    } else {
        StoreError::refused(error)
    }
}

/// An error that the server has answered with.
pub(crate) fn from_server(error: &ServerError) -> StoreError {
    let source = RedisError::from(error.clone());
    if passes_by_itself(error.kind(), error.code()) {
        StoreError::unavailable(source)
    } else {
        StoreError::refused(source)
    }
}

/// An answer that makes no sense. `what` says what was expected, and never holds what came: it may be the user's data.
pub(crate) fn senseless(what: &'static str) -> StoreError {
    StoreError::refused(io::Error::new(io::ErrorKind::InvalidData, what))
}

/// Whether the server is busy with itself rather than of another mind.
fn passes_by_itself(kind: Option<ServerErrorKind>, code: &str) -> bool {
    use ServerErrorKind as Kind;
    matches!(kind, Some(Kind::BusyLoading | Kind::MasterDown | Kind::ClusterDown | Kind::TryAgain)) || code == "BUSY"
}

/// Whether the error tells that another server should be asked, or the same one anew.
pub(crate) fn asks_for_a_new_connection(error: &ServerError) -> bool {
    error.kind() == Some(ServerErrorKind::ReadOnly) || matches!(error.code(), "NOAUTH" | "WRONGPASS")
}

#[cfg(test)]
mod tests {
    use redis::{Value, parse_redis_value};

    use super::*;

    fn answered(line: &str) -> StoreError {
        match parse_redis_value(format!("-{line}\r\n").as_bytes()) {
            Ok(Value::ServerError(error)) => from_server(&error),
            other => panic!("{line} is {other:?}"),
        }
    }

    #[test]
    fn a_server_that_is_busy_with_itself_is_unavailable() {
        for line in [
            "LOADING Redis is loading the dataset in memory",
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "CLUSTERDOWN The cluster is down",
            "TRYAGAIN Multiple keys request during rehashing of slot",
        ] {
            assert!(answered(line).is_unavailable(), "{line}");
        }
    }

    #[test]
    fn a_server_of_another_mind_refuses() {
        for line in [
            "OOM command not allowed when used memory > 'maxmemory'.",
            "READONLY You can't write against a read only replica.",
            "NOAUTH Authentication required.",
            "NOPERM this user has no permissions to run the 'evalsha' command",
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
            "ERR unknown command 'EVALSHA'",
        ] {
            assert!(answered(line).is_refused(), "{line}");
        }
    }

    #[test]
    fn an_error_of_the_wire_is_a_time_out_or_a_break() {
        use io::ErrorKind;
        for kind in [ErrorKind::TimedOut, ErrorKind::WouldBlock] {
            assert!(from_connection(io::Error::from(kind).into()).is_timeout(), "{kind}");
        }
        for kind in
            [ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof, ErrorKind::BrokenPipe]
        {
            assert!(from_connection(io::Error::from(kind).into()).is_unavailable(), "{kind}");
        }
    }
}
