use std::time::Duration;

/// How long sessions last, and how large they may be.
///
/// Lengths are to the millisecond, and ten years at most.
#[derive(Debug, Clone, Copy)]
pub struct SessionOptions {
    pub(super) idle: Duration,
    pub(super) life: Duration,
    pub(super) max_bytes: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        Self { idle: HOUR, life: 7 * 24 * HOUR, max_bytes: 4 << 10 }
    }
}

impl SessionOptions {
    /// For how long a session may go unused. Each load begins this time anew, by what is set in the process that loads.
    ///
    /// Defaults to an hour.
    #[must_use]
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// How long a session lasts at most from its creation on, or from the sign-in on, however much it is used. It is set then, and no later
    /// change of this changes it.
    ///
    /// Defaults to seven days.
    #[must_use]
    pub fn life(mut self, time: Duration) -> Self {
        self.life = time;
        self
    }

    /// How many bytes the data of a session may have at most, as MessagePack.
    ///
    /// Defaults to 4 KiB.
    #[must_use]
    pub fn max_bytes(mut self, n_bytes: usize) -> Self {
        self.max_bytes = n_bytes;
        self
    }
}
