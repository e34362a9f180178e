use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
};
use serde::{Deserialize, Serialize};

use super::ResponseKey;
use crate::{Tag, Tags};

/// What entries of this form begin with.
pub(super) const FORM: u8 = 1;

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// When it came from the service, in seconds of the Unix epoch.
    pub(super) made: u64,
    /// How old it was then, in seconds.
    pub(super) was: u32,
    /// For how long it is kept from then on, in seconds.
    pub(super) lifetime: u32,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) tags: Tags,
    pub(super) body: Bytes,
}

/// The same in the bytes of an entry.
#[derive(Serialize, Deserialize)]
struct Written<'b> {
    /// What was asked for, whole: two keys of the store may be the same.
    key: [u8; 32],
    made: u64,
    was: u32,
    lifetime: u32,
    status: u16,
    #[serde(borrow)]
    headers: Vec<(&'b str, &'b [u8])>,
    #[serde(borrow)]
    tags: Vec<&'b str>,
    body: &'b [u8],
}

impl Entry {
    /// How old it is, and for how long it is still kept.
    pub(super) fn age(&self, now: SystemTime) -> (Duration, Duration) {
        // Clocks of two machines may differ: nothing is older than it may get, or younger than it was.
        let since = u32::try_from(since_epoch(now).saturating_sub(self.made)).unwrap_or(u32::MAX).min(self.lifetime);
        let secs = |n: u32| Duration::from_secs(n.into());
        (secs(self.was) + secs(since), secs(self.lifetime - since))
    }

    /// Its bytes: `None` if a header can't be written, which then is not to be kept.
    pub(super) fn write(&self, key: &ResponseKey) -> Option<Bytes> {
        let kept = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let written = Written {
            key: *key.as_bytes(),
            made: self.made,
            was: self.was,
            lifetime: self.lifetime,
            status: self.status.as_u16(),
            headers: kept,
            tags: self.tags.iter().map(Tag::as_str).collect(),
            body: &self.body,
        };
        postcard::to_extend(&written, vec![FORM]).ok().map(Bytes::from)
    }

    /// The answer that was kept under the key, if that is what the bytes are.
    pub(super) fn read(bytes: &Bytes, key: &ResponseKey) -> Option<Self> {
        let written = Written::read(bytes).filter(|written| written.key == *key.as_bytes())?;
        let mut headers = HeaderMap::with_capacity(written.headers.len());
        for (name, value) in &written.headers {
            headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
        Some(Self {
            made: written.made,
            was: written.was,
            lifetime: written.lifetime,
            status: StatusCode::from_u16(written.status).ok()?,
            headers,
            tags: written.tags.iter().map(|tag| Tag::read(tag)).collect::<Option<_>>()?,
            body: bytes.slice_ref(written.body),
        })
    }

    /// Whether the bytes are those of any answer.
    #[cfg(feature = "larder")]
    pub(super) fn is_one(bytes: &Bytes) -> bool {
        let key = Written::read(bytes).map(|written| ResponseKey::new(written.key));
        key.is_some_and(|key| Self::read(bytes, &key).is_some())
    }
}

impl<'b> Written<'b> {
    fn read(bytes: &'b [u8]) -> Option<Self> {
        let (&FORM, rest) = bytes.split_first()? else { return None };
        let (written, rest) = postcard::take_from_bytes(rest).ok()?;
        rest.is_empty().then_some(written)
    }
}

pub(super) fn since_epoch(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Takes out what is of one connection, and not of the answer (RFC 9111, section 3.1).
pub(super) fn without_connection(headers: &HeaderMap) -> HeaderMap {
    let named = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let named: Vec<String> =
        named.flat_map(|line| line.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect();
    let always = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION];
    let is_kept = |name: &HeaderName| {
        let is_old = matches!(name.as_str(), "keep-alive" | "proxy-connection" | "proxy-authentication-info");
        !is_old && !always.contains(name) && !named.iter().any(|other| other == name.as_str())
    };
    headers.iter().filter(|(name, _)| is_kept(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use http::header::{CONTENT_TYPE, VARY};

    use super::*;

    const KEY: ResponseKey = ResponseKey::new([7; 32]);

    fn entry() -> Entry {
        let mut headers = HeaderMap::new();
        for (name, value) in [(VARY, &b"accept"[..]), (VARY, b"origin"), (CONTENT_TYPE, b"text/plain\xff")] {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let tags = Tags::from_iter([Tag::new("orders:7"), Tag::new("a b")]);
        let body = Bytes::from_static(b"what was answered");
        Entry { made: 1_000, was: 40, lifetime: 60, status: StatusCode::NOT_FOUND, headers, tags, body }
    }

    #[test]
    fn an_answer_is_read_back_under_its_own_key_and_under_no_other() {
        let bytes = entry().write(&KEY).unwrap();
        assert_eq!(Entry::read(&bytes, &KEY), Some(entry()));
        assert_eq!(Entry::read(&bytes, &ResponseKey::new([8; 32])), None);
    }

    #[test]
    fn whatever_is_not_whole_is_none() {
        let bytes = entry().write(&KEY).unwrap();
        for n in 0..bytes.len() {
            assert_eq!(Entry::read(&bytes.slice(..n), &KEY), None, "{n}");
        }
        assert_eq!(Entry::read(&[&bytes[..], b"more"].concat().into(), &KEY), None);
        let mut other_form = bytes.to_vec();
        other_form[0] = FORM + 1;
        assert_eq!(Entry::read(&other_form.into(), &KEY), None);
        // No byte that has changed makes it panic, or ask for memory that is not there.
        for at in 0..bytes.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = bytes.to_vec();
                bytes[at] = byte;
                let _ = Entry::read(&bytes.into(), &KEY);
            }
        }
    }

    #[test]
    fn an_answer_grows_older_by_the_clock_and_never_older_than_it_may_get() {
        let age = |secs| entry().age(SystemTime::UNIX_EPOCH + Duration::from_secs(secs));
        let secs = |age, left| (Duration::from_secs(age), Duration::from_secs(left));
        for (now, wanted) in [
            (1_000, secs(40, 60)),
            (1_025, secs(65, 35)),
            (1_060, secs(100, 0)),
            (u64::from(u32::MAX), secs(100, 0)),
            (0, secs(40, 60)),
        ] {
            assert_eq!(age(now), wanted, "{now}");
        }
    }
}
