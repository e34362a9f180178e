//! What every implementation of [`Buffer`](super::Buffer) must do.
