use std::fmt;

use http::{HeaderName, header::HOST, request::Parts};
use sha2::{Digest as _, Sha256};

use super::Options;

/// What an answer is kept under: the SHA-256 of all that it may differ by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResponseKey([u8; 32]);

/// Which parameters of the query an answer differs by.
#[derive(Clone)]
pub(super) enum Parameters {
    These(Vec<String>),
    All,
}

impl Default for Parameters {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

impl ResponseKey {
    /// A key of these bytes, which are those of no other.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key of the answer to a request: `None` if its scope is not known, or it has a parameter that was not declared.
    pub(super) fn of(request: &Parts, options: &Options) -> Option<Self> {
        let mut parts = Listed(Sha256::new());
        match &options.scope {
            None => parts.number(0),
            Some(scope) => {
                parts.number(1);
                parts.add(&scope(request)?);
            }
        }
        parts.host(request);
        let path = options.path.as_ref().map_or_else(|| request.uri.path(), |path| path(request));
        parts.add(path.as_bytes());
        match &options.parameters {
            Parameters::All => parts.add_all([request.uri.query().unwrap_or_default().as_bytes()]),
            Parameters::These(names) => parts.add_all(declared(request.uri.query().unwrap_or_default(), names)?),
        }
        for name in &options.vary {
            parts.header(request, name);
        }
        Some(Self(parts.0.finalize().into()))
    }
}

impl fmt::Debug for ResponseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0[..8] {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// The parameters of a query, each name's in the order in which they came: `None` if there is one that was not declared.
fn declared<'q>(query: &'q str, names: &[String]) -> Option<Vec<&'q [u8]>> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or_default();
        let at = names.iter().position(|declared| declared == name)?;
        pairs.push((at, pair.as_bytes()));
    }
    pairs.sort_by_key(|(at, _)| *at);
    Some(pairs.into_iter().map(|(_, pair)| pair).collect())
}

/// Digests a list of parts, each with its length before it, so that nothing can pass for the end of one part and the start of the next.
struct Listed(Sha256);

impl Listed {
    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_be_bytes());
    }

    fn add(&mut self, part: &[u8]) {
        self.number(part.len());
        self.0.update(part);
    }

    fn add_all<'p>(&mut self, all: impl IntoIterator<Item = &'p [u8], IntoIter: ExactSizeIterator>) {
        let all = all.into_iter();
        self.number(all.len());
        all.for_each(|part| self.add(part));
    }

    /// All lines of a header: none, an empty one and two are told apart.
    fn header(&mut self, request: &Parts, name: &HeaderName) {
        let lines: Vec<&[u8]> = request.headers.get_all(name).iter().map(|line| line.as_bytes()).collect();
        self.add(name.as_str().as_bytes());
        self.add_all(lines);
    }

    fn host(&mut self, request: &Parts) {
        let authority = request.uri.authority().map(|authority| authority.as_str().as_bytes());
        self.add_all(authority.into_iter().collect::<Vec<_>>());
        self.header(request, &HOST);
    }
}
