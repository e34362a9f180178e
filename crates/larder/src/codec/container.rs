use super::{Codec, Corrupt, Fingerprint, Input, allocated, put_varint};

impl<T: Codec> Codec for Option<T> {
    const FINGERPRINT: Fingerprint = Fingerprint::of("option").then(T::FINGERPRINT);

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(value) => {
                out.push(1);
                value.encode(out);
            }
        }
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        match input.byte()? {
            0 => Ok(None),
            1 => T::decode(input).map(Some),
            _ => Err(Corrupt),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, T::heap_bytes)
    }
}

impl<T: Codec> Codec for Vec<T> {
    const FINGERPRINT: Fingerprint = Fingerprint::of("list").then(T::FINGERPRINT);

    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(self.len() as u64, out);
        for item in self {
            item.encode(out);
        }
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        // `length` allows no more items than there are bytes, and the vector grows as items are really there: a length that
        // lies costs at most what its bytes would.
        let length = input.length()?;
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(T::decode(input)?);
        }
        Ok(items)
    }

    fn heap_bytes(&self) -> usize {
        allocated(self.capacity() * size_of::<T>()) + self.iter().map(T::heap_bytes).sum::<usize>()
    }
}

impl<T: Codec> Codec for Box<T> {
    const FINGERPRINT: Fingerprint = T::FINGERPRINT;

    fn encode(&self, out: &mut Vec<u8>) {
        T::encode(self, out);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        T::decode(input).map(Box::new)
    }

    fn heap_bytes(&self) -> usize {
        allocated(size_of::<T>()) + T::heap_bytes(self)
    }
}
