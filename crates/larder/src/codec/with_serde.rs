use serde::{Serialize, de::DeserializeOwned};

use super::{Corrupt, Fingerprint, Input, put_bytes};

/// A value that goes into the cell by its own `serde` implementation, in postcard's format.
///
/// What `#[larder(serde)]` uses. The fingerprint can only know the type's name: a change inside it must come with
/// `#[larder(serde, version = n)]` or another name, or old cells are read as if nothing had changed.
#[derive(Debug)]
pub struct Serde;

impl Serde {
    /// The fingerprint of a type by its name and the version that its user counts.
    #[must_use]
    pub const fn fingerprint(name: &str, version: &str) -> Fingerprint {
        Fingerprint::of("serde").and(name).and(version)
    }

    /// Appends the value. One that its `serde` implementation refuses to write is left out, and reads as corrupt: a miss.
    pub fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) {
        put_bytes(&postcard::to_stdvec(value).unwrap_or_default(), out);
    }

    /// How many bytes the value owns beside itself, if what it owns takes as much as it is written in.
    pub fn heap_bytes<T: Serialize>(value: &T) -> usize {
        postcard::to_stdvec(value).map_or(0, |bytes| bytes.len())
    }

    /// Takes a value from the front of `input`.
    ///
    /// # Errors
    /// [`Corrupt`] if the bytes are no such value.
    pub fn decode<T: DeserializeOwned>(input: &mut Input<'_>) -> Result<T, Corrupt> {
        let length = input.length()?;
        let bytes = input.take(length)?;
        match postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Ok(value),
            _ => Err(Corrupt),
        }
    }
}
