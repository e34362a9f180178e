use std::{error, fmt};

type Source = Box<dyn error::Error + Send + Sync>;

/// A store that could not do what it was asked.
///
/// The back end's own error stays boxed: `std::error::Error::source` gives it.
#[derive(Debug)]
pub struct StoreError {
    kind: Kind,
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unavailable,
    TimedOut,
    Refused,
    NotAsked,
}

impl StoreError {
    /// The store can't be reached, or the connection broke.
    pub fn unavailable(source: impl Into<Source>) -> Self {
        Self { kind: Kind::Unavailable, source: source.into() }
    }

    /// The store did not answer in time.
    pub fn timed_out(source: impl Into<Source>) -> Self {
        Self { kind: Kind::TimedOut, source: source.into() }
    }

    /// The store answered, and would not: out of memory, read only, a wrong password, an answer that makes no sense.
    pub fn refused(source: impl Into<Source>) -> Self {
        Self { kind: Kind::Refused, source: source.into() }
    }

    /// The store has failed so often just before that it was not even asked.
    pub(crate) fn not_asked(source: impl Into<Source>) -> Self {
        Self { kind: Kind::NotAsked, source: source.into() }
    }

    /// Whether the store could not be reached, the connection broke, or it [was not asked](Self::is_not_asked).
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.kind, Kind::Unavailable | Kind::NotAsked)
    }

    /// Whether a [breaker](crate::Builder::breaker) spared the store and the caller the attempt. Nothing has happened.
    #[must_use]
    pub fn is_not_asked(&self) -> bool {
        self.kind == Kind::NotAsked
    }

    /// Whether the store did not answer in time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind == Kind::TimedOut
    }

    /// Whether the store answered that it would not.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.kind == Kind::Refused
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Unavailable => "the store is unavailable",
            Kind::TimedOut => "the store did not answer in time",
            Kind::Refused => "the store refused",
            Kind::NotAsked => "the store was not asked",
        })
    }
}

impl error::Error for StoreError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(self.source.as_ref())
    }
}
