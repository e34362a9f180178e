#[cfg(feature = "bigdecimal")]
mod bigdecimal {
    use std::str::FromStr;

    use bigdecimal::{BigDecimal, num_bigint::BigInt};

    use crate::codec::{Codec, Corrupt, Fingerprint, Input, allocated, put_bytes};

    /// The scale is kept: 1.50 comes back as 1.50.
    impl Codec for BigDecimal {
        const FINGERPRINT: Fingerprint = Fingerprint::of("decimal");

        fn encode(&self, out: &mut Vec<u8>) {
            let (mantissa, scale) = self.as_bigint_and_exponent();
            scale.encode(out);
            match i64::try_from(&mantissa) {
                Ok(small) => {
                    out.push(0);
                    small.encode(out);
                }
                Err(_) => {
                    out.push(1);
                    put_bytes(&mantissa.to_signed_bytes_le(), out);
                }
            }
        }

        fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
            let scale = i64::decode(input)?;
            let mantissa = match input.byte()? {
                0 => BigInt::from(i64::decode(input)?),
                1 => {
                    let length = input.length()?;
                    BigInt::from_signed_bytes_le(input.take(length)?)
                }
                _ => return Err(Corrupt),
            };
            Ok(Self::new(mantissa, scale))
        }

        fn heap_bytes(&self) -> usize {
            let (mantissa, _) = self.as_bigint_and_exponent();
            allocated(usize::try_from(mantissa.bits().div_ceil(64) * 8).unwrap_or(usize::MAX))
        }
    }

    impl crate::key::KeyPart for BigDecimal {
        // 1.5 and 1.50 are one value to the database, and one key.
        fn write_part(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(self.normalized().to_plain_string().as_bytes());
        }

        fn canonical(self, _keeps_nanoseconds: bool) -> Self {
            Self::from_str(&self.normalized().to_plain_string()).unwrap_or(self)
        }
    }
}

#[cfg(feature = "chrono")]
mod chrono {
    use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};

    use crate::{
        codec::{Codec, Corrupt, Fingerprint, Input},
        key::KeyPart,
    };

    impl Codec for NaiveDate {
        const FINGERPRINT: Fingerprint = Fingerprint::of("date");

        fn encode(&self, out: &mut Vec<u8>) {
            self.to_epoch_days().encode(out);
        }

        fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
            Self::from_epoch_days(i32::decode(input)?).ok_or(Corrupt)
        }

        fn heap_bytes(&self) -> usize {
            0
        }
    }

    impl Codec for NaiveTime {
        const FINGERPRINT: Fingerprint = Fingerprint::of("time");

        fn encode(&self, out: &mut Vec<u8>) {
            self.num_seconds_from_midnight().encode(out);
            self.nanosecond().encode(out);
        }

        fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
            let (seconds, nanoseconds) = (u32::decode(input)?, u32::decode(input)?);
            Self::from_num_seconds_from_midnight_opt(seconds, nanoseconds).ok_or(Corrupt)
        }

        fn heap_bytes(&self) -> usize {
            0
        }
    }

    impl Codec for NaiveDateTime {
        const FINGERPRINT: Fingerprint = Fingerprint::of("timestamp");

        fn encode(&self, out: &mut Vec<u8>) {
            self.and_utc().encode(out);
        }

        fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
            DateTime::<Utc>::decode(input).map(|instant| instant.naive_utc())
        }

        fn heap_bytes(&self) -> usize {
            0
        }
    }

    impl Codec for DateTime<Utc> {
        const FINGERPRINT: Fingerprint = Fingerprint::of("instant");

        fn encode(&self, out: &mut Vec<u8>) {
            self.timestamp().encode(out);
            self.timestamp_subsec_nanos().encode(out);
        }

        fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
            let (seconds, nanoseconds) = (i64::decode(input)?, u32::decode(input)?);
            Self::from_timestamp(seconds, nanoseconds).ok_or(Corrupt)
        }

        fn heap_bytes(&self) -> usize {
            0
        }
    }

    impl KeyPart for NaiveDate {
        fn write_part(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(self.to_string().as_bytes());
        }
    }

    impl KeyPart for NaiveDateTime {
        fn write_part(&self, out: &mut Vec<u8>) {
            self.and_utc().write_part(out);
        }

        fn canonical(self, keeps_nanoseconds: bool) -> Self {
            self.and_utc().canonical(keeps_nanoseconds).naive_utc()
        }
    }

    impl KeyPart for DateTime<Utc> {
        fn write_part(&self, out: &mut Vec<u8>) {
            let text = format!("{}.{:09}", self.timestamp(), self.timestamp_subsec_nanos());
            out.extend_from_slice(text.as_bytes());
        }

        // PostgreSQL keeps microseconds, and cuts off the rest. SQLite has the text as it was sent.
        fn canonical(self, keeps_nanoseconds: bool) -> Self {
            if keeps_nanoseconds {
                return self;
            }
            DateTime::from_timestamp_micros(self.timestamp_micros()).unwrap_or(self)
        }
    }
}

#[cfg(feature = "serde_json")]
mod serde_json {
    use serde_json::Value;

    use crate::codec::{Codec, Corrupt, Fingerprint, Input, put_bytes};

    impl Codec for Value {
        const FINGERPRINT: Fingerprint = Fingerprint::of("json");

        fn encode(&self, out: &mut Vec<u8>) {
            put_bytes(self.to_string().as_bytes(), out);
        }

        fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
            let length = input.length()?;
            serde_json::from_slice(input.take(length)?).map_err(|_| Corrupt)
        }
    }
}

#[cfg(feature = "uuid")]
mod uuid {
    use uuid::Uuid;

    use crate::{
        codec::{Codec, Corrupt, Fingerprint, Input},
        key::KeyPart,
    };

    impl Codec for Uuid {
        const FINGERPRINT: Fingerprint = Fingerprint::of("uuid");

        fn encode(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(self.as_bytes());
        }

        fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
            Self::from_slice(input.take(16)?).map_err(|_| Corrupt)
        }

        fn heap_bytes(&self) -> usize {
            0
        }
    }

    impl KeyPart for Uuid {
        fn write_part(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(self.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        }
    }
}
