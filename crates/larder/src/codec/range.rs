//! Ranges, as Diesel has those of PostgreSQL: a pair of bounds.

use std::ops::Bound;

use super::{Codec, Corrupt, Fingerprint, Input};

impl<T: Codec> Codec for Bound<T> {
    const FINGERPRINT: Fingerprint = Fingerprint::of("bound").then(T::FINGERPRINT);

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unbounded => out.push(0),
            Self::Included(value) => {
                out.push(1);
                value.encode(out);
            }
            Self::Excluded(value) => {
                out.push(2);
                value.encode(out);
            }
        }
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        match input.byte()? {
            0 => Ok(Self::Unbounded),
            1 => T::decode(input).map(Self::Included),
            2 => T::decode(input).map(Self::Excluded),
            _ => Err(Corrupt),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Unbounded => 0,
            Self::Included(value) | Self::Excluded(value) => value.heap_bytes(),
        }
    }
}

impl<A: Codec, B: Codec> Codec for (A, B) {
    const FINGERPRINT: Fingerprint = Fingerprint::of("pair").then(A::FINGERPRINT).then(B::FINGERPRINT);

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        Ok((A::decode(input)?, B::decode(input)?))
    }

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes() + self.1.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_back_and_what_is_cut_off_does_not() {
        let bounds = [Bound::Unbounded, Bound::Included(7), Bound::Excluded(-300)];
        for range in bounds.iter().flat_map(|from| bounds.iter().map(move |to| (*from, *to))) {
            let mut bytes = Vec::new();
            range.encode(&mut bytes);
            let mut input = Input::new(&bytes);
            assert_eq!(<(Bound<i32>, Bound<i32>)>::decode(&mut input), Ok(range));
            assert_eq!(input.end(), Ok(()));
            for end in 0..bytes.len() {
                assert_eq!(<(Bound<i32>, Bound<i32>)>::decode(&mut Input::new(&bytes[..end])), Err(Corrupt));
            }
        }
        assert_eq!(Bound::<i32>::decode(&mut Input::new(&[3, 0])), Err(Corrupt));
    }
}
