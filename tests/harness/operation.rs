use std::fmt;

/// An operation of [`larder::store::Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`larder::store::Store::read`]
    Read,
    /// [`larder::store::Store::lease`]
    Lease,
    /// [`larder::store::Store::fill`]
    Fill,
    /// [`larder::store::Store::begin`]
    Begin,
    /// [`larder::store::Store::finish`]
    Finish,
    /// [`larder::store::Store::settle`]
    Settle,
}

impl Operation {
    /// All of them, in the order in which a read and then a write use them.
    pub const ALL: [Self; 6] = [Self::Read, Self::Lease, Self::Fill, Self::Begin, Self::Finish, Self::Settle];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Read => "read",
            Self::Lease => "lease",
            Self::Fill => "fill",
            Self::Begin => "begin",
            Self::Finish => "finish",
            Self::Settle => "settle",
        })
    }
}
