use larder::store::StoreError;

use crate::pack::Reason;

/// Why a message was not sent, or is not known to have been.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Redis can't be reached, did not answer in time, or refused. If it was reached, the message may have been sent.
    #[error("the message was not sent, or not known to be")]
    Store(#[from] StoreError),
    /// The message's `Serialize` refuses. Nothing was sent.
    #[error("the message can't be written")]
    Unwritable {
        /// Why.
        source: Reason,
    },
}
