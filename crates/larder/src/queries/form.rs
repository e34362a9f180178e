//! The bytes of a result, and the key of its cell.

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    codec::{Codec, Fingerprint, Input},
    store::{CellKey, Layout},
};

/// Bytes of the digest of the parameters: two sets of them have the same with a probability of 2^-128.
const DIGEST: usize = 16;

/// The digest of parameters that can't be written, which no others have.
pub(super) type Parameters = Option<[u8; DIGEST]>;

/// The digest of parameters: `None` if their `serde` implementation refuses to write them.
pub(super) fn digest(parameters: &impl Serialize) -> Parameters {
    // A format that tells `Some(None)` from `None`, as that of values does not.
    postcard::to_stdvec(parameters).ok().map(|bytes| digest_of(&bytes))
}

/// The digest of bytes that stand for parameters.
pub(super) fn digest_of(bytes: &[u8]) -> [u8; DIGEST] {
    let mut digest = [0; DIGEST];
    digest.copy_from_slice(&Sha256::digest(bytes)[..DIGEST]);
    digest
}

/// The key of the cell of a value of type `T`, which is known by its name and the version that its user counts, and of what it depends on.
///
/// What it depends on is part of the layout: a release that says more of it, or less, takes no value of another one for its own.
pub(super) fn key<T>(
    kind: &str,
    name: &str,
    digest: &[u8; DIGEST],
    (version, depends_on): (u32, &[CellKey]),
) -> CellKey {
    let mut dependencies = Sha256::new();
    for cell in depends_on {
        dependencies.update((cell.as_bytes().len() as u64).to_le_bytes());
        dependencies.update(cell.as_bytes());
    }
    dependencies.update(version.to_le_bytes());
    let form = Fingerprint::of("value").and(std::any::type_name::<T>()).and(&hex(&dependencies.finalize()[..DIGEST]));
    key_of(kind, name, digest, form)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    digits.map(char::from).collect()
}

/// The key of the cell of a value of that form.
pub(super) fn key_of(kind: &str, name: &str, digest: &[u8; DIGEST], form: Fingerprint) -> CellKey {
    // No table's name is empty.
    let mut key = [b":", kind.as_bytes(), b":", name.as_bytes(), b":"].concat();
    key.extend_from_slice(hex(digest).as_bytes());
    CellKey::new(key, Layout::new(form.bits()))
}

/// How values are written and read.
pub(super) struct Form<T> {
    pub(super) write: fn(&T) -> Option<Vec<u8>>,
    pub(super) read: fn(&[u8]) -> Option<T>,
}

impl<T> Clone for Form<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Form<T> {}

impl<T: Serialize + DeserializeOwned> Form<T> {
    /// By the type's own `serde` implementation and by field names, so that a value of another form is told from it.
    pub(super) const SERDE: Self = Self { write, read };
}

impl<T: Codec> Form<T> {
    /// As values of columns are written into cells.
    pub(super) const CODEC: Self = Self {
        write: |value| {
            let mut bytes = Vec::new();
            value.encode(&mut bytes);
            Some(bytes)
        },
        read: |bytes| {
            let mut input = Input::new(bytes);
            let value = T::decode(&mut input).ok()?;
            input.end().ok().map(|()| value)
        },
    };
}

fn write<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    // These are written as `None` is, and would come back as that.
    let name = std::any::type_name::<T>();
    if name.contains("Option<core::option::Option<") || name.contains("Option<()>") {
        return None;
    }
    rmp_serde::to_vec_named(value).ok()
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut rest = bytes;
    let value = rmp_serde::from_read(&mut rest).ok()?;
    rest.is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Buyer {
        name: String,
        total: Option<i64>,
    }

    #[test]
    fn a_result_is_read_back_and_one_of_another_form_is_not() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Renamed {
            label: String,
        }
        let buyers = vec![Buyer { name: "Ada".to_owned(), total: Some(7) }, Buyer { name: String::new(), total: None }];
        let bytes = write(&buyers).unwrap();
        assert_eq!(read::<Vec<Buyer>>(&bytes), Some(buyers));
        assert_eq!(read::<Vec<Renamed>>(&bytes), None);
        assert_eq!(read::<Vec<Buyer>>(&bytes[..bytes.len() - 1]), None);
        assert_eq!(read::<Vec<Buyer>>(&[&bytes[..], b"more"].concat()), None);
        assert_eq!(read::<Vec<Buyer>>(b""), None);
    }

    #[test]
    fn what_would_come_back_as_something_else_is_not_written() {
        assert_eq!((Form::SERDE.write)(&Some(None::<i32>)), None);
        assert_eq!((Form::SERDE.write)(&vec![Some(())]), None);
        assert!((Form::SERDE.write)(&Some(7)).is_some() && (Form::SERDE.write)(&None::<i32>).is_some());
    }

    #[test]
    fn garbage_is_no_result_and_no_panic() {
        let mut random = 7_u64;
        for n in 0..2_000 {
            let bytes: Vec<u8> = (0..n % 64)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    random.to_be_bytes()[2]
                })
                .collect();
            let _ = read::<Vec<Buyer>>(&bytes);
        }
        // An array that says it has four thousand million items.
        assert_eq!(read::<Vec<Buyer>>(&[0xdd, 0xff, 0xff, 0xff, 0xff]), None);
    }

    #[test]
    fn no_parameter_stands_in_a_key() {
        let digest = digest(&("ada@example.com", 7)).unwrap();
        let key = key::<Vec<Buyer>>("query", "top-buyers", &digest, (0, &[])).to_string();
        assert!(key.starts_with(":query:top-buyers:") && !key.contains("ada"), "{key}");
        assert_eq!(key.len(), ":query:top-buyers:".len() + 32);
    }

    #[test]
    fn other_parameters_types_and_dependencies_are_other_results() {
        assert_ne!(digest(&(1, 2)), digest(&(2, 1)));
        assert_eq!(digest(&(1, 2)), digest(&(1, 2)));
        assert_ne!(digest(&Some(None::<i32>)), digest(&None::<Option<i32>>));
        let digest = digest(&()).unwrap();
        let cells = ["orders:*", "users:*"].map(|key| CellKey::new(key.as_bytes(), Layout::STAMP));
        let layouts = [
            key::<i32>("query", "n", &digest, (0, &[])),
            key::<i64>("query", "n", &digest, (0, &[])),
            key::<i32>("query", "n", &digest, (0, &cells[..1])),
            key::<i32>("query", "n", &digest, (0, &cells[1..])),
            key::<i32>("query", "n", &digest, (0, &cells)),
            key::<i32>("query", "n", &digest, (1, &cells)),
        ]
        .map(|key| key.layout());
        assert_eq!(layouts.iter().collect::<std::collections::HashSet<_>>().len(), layouts.len());
    }
}
