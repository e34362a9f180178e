use std::fmt;

/// 96 random bits as 16 printable characters: who may fill a cell, or whose write is in doubt. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// A nonce that nobody has had before.
    ///
    /// # Panics
    /// If the operating system has no randomness to give.
    #[must_use]
    pub fn fresh() -> Self {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut random = [0; 16];
        getrandom::fill(&mut random[..]).expect("the operating system gives random bytes");
        Self(random.map(|byte| DIGITS[usize::from(byte & 63)]))
    }

    /// The nonce of these characters, as a store has read them back.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 characters.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// Which life of the server a lease was taken in. A store that can't lose its memory has one fence for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence(pub [u8; 8]);

/// The permission to fill one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Whose it is.
    pub token: Nonce,
    /// The server's life in which it was granted.
    pub fence: Fence,
}
