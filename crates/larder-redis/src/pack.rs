//! Typed values as bytes: MessagePack with the names of fields, so that fields may come and go between releases.

use serde::{Serialize, de::DeserializeOwned};

/// Why a value can't be written, or bytes can't be read.
pub(crate) type Reason = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn pack(value: &impl Serialize) -> Result<Vec<u8>, Reason> {
    Ok(rmp_serde::to_vec_named(value)?)
}

/// The value of all of the bytes: what is followed by something is not what was written.
pub(crate) fn unpack<T: DeserializeOwned>(mut bytes: &[u8]) -> Result<T, Reason> {
    let value = rmp_serde::from_read(&mut bytes)?;
    if bytes.is_empty() { Ok(value) } else { Err("something follows the value".into()) }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Old {
        name: String,
        gone: u8,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct New {
        #[serde(default)]
        more: u8,
        name: String,
    }

    #[test]
    fn fields_may_come_and_go() {
        let bytes = pack(&Old { name: "ada".to_owned(), gone: 1 }).unwrap();
        assert_eq!(unpack::<Old>(&bytes).unwrap(), Old { name: "ada".to_owned(), gone: 1 });
        assert_eq!(unpack::<New>(&bytes).unwrap(), New { more: 0, name: "ada".to_owned() });
    }

    #[test]
    fn what_is_cut_or_goes_on_is_no_value() {
        let bytes = pack(&("ada", 1)).unwrap();
        for n in 0..bytes.len() {
            assert!(unpack::<(String, u8)>(&bytes[..n]).is_err(), "{n}");
        }
        assert!(unpack::<(String, u8)>(&[&bytes[..], &[0]].concat()).is_err());
    }
}
