//! Patterns as `SCAN` reads them.

/// The pattern that only these bytes match.
pub(crate) fn literal(bytes: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        // The others are special only within brackets.
        if b"*?[\\".contains(&byte) {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn what_means_more_than_itself_is_escaped() {
        assert_eq!(literal(b"users:id:%2A\xff"), b"users:id:%2A\xff");
        assert_eq!(literal(b"a*b?c[d]e\\f^-"), b"a\\*b\\?c\\[d]e\\\\f^-");
    }
}
