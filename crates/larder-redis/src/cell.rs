//! The form of a cell in Redis; `scripts/cell.lua` tells the same to the server.

use bytes::{Buf, Bytes};
use larder::store::{Cell, Fence, Layout, Nonce, Vacancy};

/// Tag, fence, layout and stamp.
pub(crate) const HEADER_BYTES: usize = 1 + 8 + 8 + 16;
/// Tag, flag and fence.
const MARKER_HEADER_BYTES: usize = 1 + 1 + 8;
/// Nonce and deadline.
const RECORD_BYTES: usize = 16 + 13;

/// The header of a value (`V`) or a lease (`L`); a lease is nothing else.
pub(crate) fn header(tag: u8, fence: Fence, layout: Layout, stamp: Nonce) -> [u8; HEADER_BYTES] {
    let mut header = [tag; HEADER_BYTES];
    header[1..9].copy_from_slice(&fence.0);
    header[9..17].copy_from_slice(layout.as_bytes());
    header[17..].copy_from_slice(stamp.as_bytes());
    header
}

/// What lies under a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Cell(Cell),
    /// Bytes that nobody who speaks the protocol has written.
    Garbage,
}

/// Reads the bytes under a key as somebody of that fence and layout.
pub(crate) fn parse(bytes: Vec<u8>, fence: Fence, layout: Layout) -> Parsed {
    let is_ours = |bytes: &[u8]| bytes[1..9] == fence.0 && bytes[9..17] == layout.as_bytes()[..];
    let n_bytes = bytes.len();
    Parsed::Cell(match bytes.first() {
        Some(b'V') if n_bytes >= HEADER_BYTES => {
            if is_ours(&bytes) {
                let mut value = Bytes::from(bytes);
                // Unlike a slice it shares nothing, so there is nothing to allocate.
                value.advance(HEADER_BYTES);
                Cell::Value(value)
            } else {
                Cell::Vacant(Vacancy::Foreign)
            }
        }
        Some(b'L') if n_bytes == HEADER_BYTES => match bytes[17..].try_into() {
            Ok(token) if is_ours(&bytes) => Cell::Leased(Nonce::from_bytes(token)),
            _ => Cell::Vacant(Vacancy::Foreign),
        },
        Some(b'M') if n_bytes > MARKER_HEADER_BYTES && (n_bytes - MARKER_HEADER_BYTES).is_multiple_of(RECORD_BYTES) => {
            Cell::InDoubt
        }
        _ => return Parsed::Garbage,
    })
}

/// The stamp of a value of that fence, of whatever layout. The header is enough.
pub(crate) fn stamp_of_life(bytes: &[u8], fence: Fence) -> Option<Nonce> {
    stamp(bytes).filter(|_| bytes[1..9] == fence.0)
}

/// The stamp of what [`parse`] takes for a value.
pub(crate) fn stamp(bytes: &[u8]) -> Option<Nonce> {
    let stamp = bytes.strip_prefix(b"V")?.get(16..32)?;
    stamp.try_into().ok().map(Nonce::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FENCE: Fence = Fence(*b"fence123");

    fn parsed(bytes: &[u8]) -> Parsed {
        parse(bytes.to_vec(), FENCE, Layout::new(0))
    }

    fn garbage(bytes: &[u8]) {
        assert_eq!(parsed(bytes), Parsed::Garbage, "{}", bytes.escape_ascii());
    }

    #[test]
    fn a_value_is_what_follows_its_header() {
        let value = parsed(b"Vfence123AAAAAAAAstampstampstampspayload");
        assert_eq!(value, Parsed::Cell(Cell::Value(Bytes::from_static(b"payload"))));
        let empty = parsed(b"Vfence123AAAAAAAAstampstampstamps");
        assert_eq!(empty, Parsed::Cell(Cell::Value(Bytes::new())));
    }

    #[test]
    fn a_header_is_read_back() {
        let token = Nonce::fresh();
        let lease = header(b'L', FENCE, Layout::new(0), token);
        assert_eq!(parsed(&lease), Parsed::Cell(Cell::Leased(token)));
        let value = header(b'V', FENCE, Layout::new(0), token);
        assert_eq!(parsed(&value), Parsed::Cell(Cell::Value(Bytes::new())));
    }

    #[test]
    fn the_stamp_of_a_value_is_who_wrote_it() {
        let writer = Nonce::fresh();
        let value = [&header(b'V', FENCE, Layout::new(0), writer)[..], b"payload"].concat();
        assert_eq!(stamp(&value), Some(writer));
        for other in
            [&value[..32], b"", b"Lfence123AAAAAAAAtokentokentoken", b"Mcfence123noncenoncenonce!1234567890123"]
        {
            assert_eq!(stamp(other), None);
        }
    }

    #[test]
    fn a_lease_is_its_token() {
        let lease = parsed(b"Lfence123AAAAAAAAtokentokentokent");
        assert_eq!(lease, Parsed::Cell(Cell::Leased(Nonce::from_bytes(*b"tokentokentokent"))));
    }

    #[test]
    fn another_fence_or_layout_is_foreign() {
        for foreign in [
            &b"Vfence124AAAAAAAAstampstampstampspayload"[..],
            b"Vfence123AAAAAAABstampstampstampspayload",
            b"Lfence124AAAAAAAAtokentokentokent",
            b"Lfence123BAAAAAAAtokentokentokent",
        ] {
            assert_eq!(parsed(foreign), Parsed::Cell(Cell::Vacant(Vacancy::Foreign)));
        }
    }

    #[test]
    fn a_marker_counts_whatever_its_fence_and_flag() {
        let record = b"noncenoncenonce!1234567890123";
        for head in [&b"Mcfence123"[..], b"Mdfence123", b"Mdfence999"] {
            assert_eq!(parsed(&[head, record].concat()), Parsed::Cell(Cell::InDoubt));
            assert_eq!(parsed(&[head, record, record].concat()), Parsed::Cell(Cell::InDoubt));
        }
    }

    #[test]
    fn what_is_cut_short_or_was_never_a_cell_is_garbage() {
        for bytes in
            [&b""[..], b"V", b"L", b"M", b"hello", b"\0\0\0\0", b"\xff\xfe", b"vfence123AAAAAAAAstampstampstamps"]
        {
            garbage(bytes);
        }
        garbage(b"Vfence123AAAAAAAAstampstampstamp");
        garbage(b"Lfence123AAAAAAAAtokentokentoken");
        garbage(b"Lfence123AAAAAAAAtokentokentokent!");
        garbage(b"Mcfence123");
        garbage(b"Mcfence123noncenoncenonce!123456789012");
        garbage(b"Mcfence123noncenoncenonce!12345678901234");
    }
}
