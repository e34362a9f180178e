use larder::store::StoreError;

use crate::pack::Reason;

/// Why a session can't be had, or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Redis can't be reached, did not answer in time, or refused. What was asked of it may have been done, unless it was not reached.
    #[error("the sessions can't be reached")]
    Store(#[from] StoreError),
    /// Somebody else has saved the session since it was loaded. Nothing was changed: load it anew, or use
    /// [`update`](super::Sessions::update).
    #[error("the session was changed meanwhile")]
    Conflict,
    /// The session is over, revoked, or has another id now. Nothing was changed, and it does not come back.
    #[error("the session is over")]
    Gone,
    /// The data is larger than [allowed](super::SessionOptions::max_bytes). Nothing was changed.
    #[error("the data of the session has {n_bytes} bytes, and {max_bytes} are allowed")]
    TooLarge {
        /// How large it is.
        n_bytes: usize,
        /// How large it may be.
        max_bytes: usize,
    },
    /// The data's `Serialize` refuses. Nothing was changed.
    #[error("the data of the session can't be written")]
    Unwritable {
        /// Why.
        source: Reason,
    },
    /// What is stored is no data of this type: another release has written it. The session is still there.
    #[error("the data of the session can't be read")]
    Unreadable {
        /// Why.
        source: Reason,
    },
}
