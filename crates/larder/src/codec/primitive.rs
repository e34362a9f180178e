use super::{Codec, Corrupt, Fingerprint, Input, allocated, put_bytes, put_varint};

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl Codec for $type {
            const FINGERPRINT: Fingerprint = Fingerprint::of(stringify!($type));

            fn encode(&self, out: &mut Vec<u8>) {
                put_varint(u64::from(*self), out);
            }

            fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
                Self::try_from(input.varint()?).map_err(|_| Corrupt)
            }

            fn heap_bytes(&self) -> usize {
                0
            }
        }
    )*};
}

macro_rules! signed {
    ($($type:ty),*) => {$(
        impl Codec for $type {
            const FINGERPRINT: Fingerprint = Fingerprint::of(stringify!($type));

            // Zigzag: small numbers of either sign are short.
            fn encode(&self, out: &mut Vec<u8>) {
                let wide = i64::from(*self);
                put_varint(((wide << 1) ^ (wide >> 63)).cast_unsigned(), out);
            }

            fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
                let bits = input.varint()?;
                let wide = (bits >> 1).cast_signed() ^ -(bits & 1).cast_signed();
                Self::try_from(wide).map_err(|_| Corrupt)
            }

            fn heap_bytes(&self) -> usize {
                0
            }
        }
    )*};
}

macro_rules! float {
    ($($type:ty),*) => {$(
        impl Codec for $type {
            const FINGERPRINT: Fingerprint = Fingerprint::of(stringify!($type));

            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
                let bytes = input.take(size_of::<Self>())?;
                Ok(Self::from_le_bytes(bytes.try_into().map_err(|_| Corrupt)?))
            }

            fn heap_bytes(&self) -> usize {
                0
            }
        }
    )*};
}

unsigned!(u8, u16, u32, u64);
signed!(i8, i16, i32, i64);
float!(f32, f64);

impl Codec for bool {
    const FINGERPRINT: Fingerprint = Fingerprint::of("bool");

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        match input.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Corrupt),
        }
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

/// `macaddr`.
impl Codec for [u8; 6] {
    const FINGERPRINT: Fingerprint = Fingerprint::of("mac");

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        input.take(6)?.try_into().map_err(|_| Corrupt)
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

impl Codec for String {
    const FINGERPRINT: Fingerprint = Fingerprint::of("text");

    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        let length = input.length()?;
        std::str::from_utf8(input.take(length)?).map(Self::from).map_err(|_| Corrupt)
    }

    fn heap_bytes(&self) -> usize {
        allocated(self.capacity())
    }
}
