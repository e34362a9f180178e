//! What a namespace has in Redis besides its cells.

use larder::store::Nonce;

/// The keys and channels of a namespace that are no cells.
///
/// A cell's key begins with a table's name, and none of these does.
pub(crate) struct Names {
    namespace: Box<[u8]>,
    announced: Box<[u8]>,
    holders: Box<[u8]>,
    changed: Box<[u8]>,
    /// Channels are those of all databases of a server.
    database: String,
}

/// Where the last announcement is: fence, series, number.
const ANNOUNCED: &[u8] = b"#announced";
/// Who holds copies of strict models: a sorted set of listeners by the time until which they are waited for.
const HOLDERS: &[u8] = b"#holders";
/// What the keys of streams begin with.
const STREAMS: &[u8] = b"#streams:";
/// What the channels of topics begin with.
const TOPIC: &[u8] = b"#topic";
/// What is told to everybody who listens.
const CHANGED: &[u8] = b"#changed";
/// What the key of a buffer's stream begins with.
const BUFFER: &[u8] = b"#behind:";
/// What the key of a buffer's size begins with.
const BUFFER_BYTES: &[u8] = b"#behind-bytes:";
/// What is told to one who waits.
const DROPPED: &[u8] = b"#dropped";
/// What the keys of rate limits begin with.
const RATE: &[u8] = b"#rate:";
/// What the keys of sessions begin with.
const SESSIONS: &[u8] = b"#sessions:";

impl Names {
    pub(crate) fn new(namespace: &[u8], database: i64) -> Self {
        let database = database.to_string();
        Self {
            namespace: namespace.into(),
            announced: [namespace, ANNOUNCED].concat().into(),
            holders: [namespace, HOLDERS].concat().into(),
            changed: [namespace, CHANGED, database.as_bytes()].concat().into(),
            database,
        }
    }

    pub(crate) fn namespace(&self) -> &[u8] {
        &self.namespace
    }

    pub(crate) fn announced(&self) -> &[u8] {
        &self.announced
    }

    pub(crate) fn holders(&self) -> &[u8] {
        &self.holders
    }

    pub(crate) fn changed(&self) -> &[u8] {
        &self.changed
    }

    /// The channel of a store that waits for holders to have dropped what it writes.
    pub(crate) fn dropped(&self, store: &Nonce) -> Vec<u8> {
        [&self.namespace, DROPPED, self.database.as_bytes(), b":", store.as_bytes()].concat()
    }

    /// The stream of a buffer, and what tells how many bytes it has.
    pub(crate) fn buffer(&self, name: &str) -> [Box<[u8]>; 2] {
        [BUFFER, BUFFER_BYTES].map(|prefix| [&self.namespace, prefix, name.as_bytes()].concat().into())
    }

    /// What the keys of a rate limiter begin with.
    pub(crate) fn rate(&self, name: &str) -> Box<[u8]> {
        self.together(RATE, name)
    }

    /// What the keys of sessions begin with.
    pub(crate) fn sessions(&self, name: &str) -> Box<[u8]> {
        self.together(SESSIONS, name)
    }

    /// The channel of a topic.
    pub(crate) fn topic(&self, name: &str) -> Box<[u8]> {
        [&self.namespace, TOPIC, self.database.as_bytes(), b":", name.as_bytes()].concat().into()
    }

    /// What the keys of a stream begin with.
    pub(crate) fn stream(&self, name: &str) -> Box<[u8]> {
        self.together(STREAMS, name)
    }

    /// What keys begin with that one script may touch: they share a hash tag, and so a slot, whatever the name is.
    fn together(&self, kind: &[u8], name: &str) -> Box<[u8]> {
        [&self.namespace, kind, b"{:", name.as_bytes(), b"}:"].concat().into()
    }

    /// Whether a key, without the namespace, is one of these.
    pub(crate) fn is_ours(key: &[u8]) -> bool {
        key == ANNOUNCED
            || key == HOLDERS
            || [BUFFER, BUFFER_BYTES, RATE, SESSIONS, STREAMS].iter().any(|kind| key.starts_with(kind))
    }
}
