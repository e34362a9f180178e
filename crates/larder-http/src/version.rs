use std::future::Future;

use http::request::Parts;

/// What the state that an answer is built from is known by: 16 bytes that never come again for another state.
///
/// Random ones, a digest, or a number that the database counts up. Two requests that may be answered differently at one moment, because
/// different users ask, need different versions too, unless what they differ in is in the path, the query or a declared `Vary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version([u8; 16]);

impl Version {
    /// A version of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for Version {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl From<u128> for Version {
    fn from(number: u128) -> Self {
        Self(number.to_be_bytes())
    }
}

/// What is known of the state behind a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Current {
    /// A GET would be answered with 200, from this version.
    Version(Version),
    /// There is nothing there: a GET would be answered with 404.
    Missing,
    /// Nobody can tell just now, or it isn't worth its cost.
    Unknown,
}

/// Tells the version of what a request is about, without building the answer.
pub trait Versions: Send + Sync + 'static {
    /// The version of what `request` would be answered from, as of some moment during this call.
    ///
    /// It is asked before the service is, and where it tells a version, once more after. For a write, the path is what tells which
    /// state is meant. Whoever may not see the answer must not be told a version: a 304 is sent without asking the service, so
    /// either what checks rights stands outside of the layer, or this does it and says [`Current::Unknown`].
    fn version(&self, request: &Parts) -> impl Future<Output = Current> + Send;
}

/// Knows no version: tags are then hashes of bodies.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVersions;

impl Versions for NoVersions {
    async fn version(&self, _: &Parts) -> Current {
        Current::Unknown
    }
}
