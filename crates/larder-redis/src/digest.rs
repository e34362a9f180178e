//! Names in Redis for what nobody is to read there.

use sha2::{Digest as _, Sha256};

/// As many hexadecimal digits of a SHA-256 as tell 2^64 names apart.
pub(crate) const DIGITS: usize = 32;

/// The digest of parts, each of which ends where it ends: `ab` and `c` are not `a` and `bc`.
pub(crate) fn digest(parts: &[&[u8]]) -> [u8; DIGITS] {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part);
    }
    let mut digits = [0; DIGITS];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(sha.finalize()) {
        pair.copy_from_slice(&hex(byte));
    }
    digits
}

/// A byte as two hexadecimal digits.
pub(crate) fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
        let digests = [&[&b"ab"[..], b"c"][..], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""], &[]].map(digest);
        for (n, digest) in digests.iter().enumerate() {
            assert!(!digests[..n].contains(digest), "{n}");
            assert!(digest.iter().all(u8::is_ascii_hexdigit));
        }
    }
}
