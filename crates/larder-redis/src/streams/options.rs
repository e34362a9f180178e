use std::time::Duration;

/// How long messages are kept, and how often they are delivered.
///
/// All who use a stream should have the same.
#[derive(Debug, Clone, Copy)]
pub struct StreamOptions {
    pub(super) max_entries: u64,
    pub(super) max_age: Option<Duration>,
    pub(super) redeliver_after: Duration,
    pub(super) max_deliveries: u32,
    pub(super) batch: u32,
    pub(super) begin: Begin,
}

/// Where a group begins that has not been there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Begin {
    /// With the oldest message that is still there.
    Oldest,
    /// With the next one that is sent.
    Next,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            max_entries: 100_000,
            max_age: None,
            redeliver_after: Duration::from_secs(30),
            max_deliveries: 5,
            batch: 1,
            begin: Begin::Oldest,
        }
    }
}

impl StreamOptions {
    /// How many messages are kept at least, whether they were worked on or not; there may be some hundred more. Older ones are dropped when
    /// another is sent, and who has not had them is [told so](super::Work::Lost). So many dead letters are kept besides.
    ///
    /// Defaults to 100,000.
    #[must_use]
    pub fn max_entries(mut self, n_entries: u64) -> Self {
        self.max_entries = n_entries;
        self
    }

    /// How long messages are kept. Older ones are dropped when another is sent, to the millisecond of the server's clock.
    ///
    /// Defaults to no such limit.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// How long a message may be worked on before another consumer gets it: well above what work takes. Consumers look for such messages four
    /// times within that time, so it may take a quarter longer.
    ///
    /// Defaults to 30 s.
    #[must_use]
    pub fn redeliver_after(mut self, time: Duration) -> Self {
        self.redeliver_after = time;
        self
    }

    /// How often a message is delivered before it is put aside, among the [dead letters](super::Stream::dead_letters).
    ///
    /// Defaults to 5.
    #[must_use]
    pub fn max_deliveries(mut self, n: u32) -> Self {
        self.max_deliveries = n;
        self
    }

    /// How many messages a consumer fetches at once, which counts as delivery of each, and begins its time. With more than one, whatever kills
    /// a consumer again and again takes its neighbours to the dead letters with it.
    ///
    /// Defaults to 1.
    #[must_use]
    pub fn batch(mut self, n: u32) -> Self {
        self.batch = n.max(1);
        self
    }

    /// Where a group begins that has not been there before.
    ///
    /// Defaults to [`Begin::Oldest`].
    #[must_use]
    pub fn begin(mut self, begin: Begin) -> Self {
        self.begin = begin;
        self
    }
}
