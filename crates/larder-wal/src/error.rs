use larder::store::StoreError;
use pgwire_replication::PgWireError;

/// What keeps a follower from following. It tries again by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL is none of a PostgreSQL server.
    #[error("the URL of the database can't be used: {reason}")]
    Url {
        /// Why.
        reason: String,
    },
    /// No thread was to be had.
    #[error("the follower's thread can't be started")]
    Thread(#[source] std::io::Error),
    /// The database can't be reached.
    #[error("no connection to the database")]
    Connect(#[from] diesel::ConnectionError),
    /// A statement failed.
    #[error("the database refused a statement")]
    Database(#[from] diesel::result::Error),
    /// The stream of the log broke, or was not granted.
    #[error("the write-ahead log can't be read")]
    Stream(#[from] PgWireError),
    /// The stream has something in it that is no change.
    #[error("the write-ahead log says something that can't be understood: {0}")]
    Garbled(&'static str),
    /// The store could not be told.
    #[error("the shared store can't be told of changes")]
    Store(#[from] StoreError),
    /// The server does not keep what is needed.
    #[error("wal_level is {level}, and has to be logical")]
    WalLevel {
        /// The server's setting.
        level: String,
    },
    /// Too much of the log is kept for this follower.
    #[error("the slot keeps {retained_bytes} bytes of the log, and was given up")]
    GivenUp {
        /// How much it kept.
        retained_bytes: u64,
    },
}
