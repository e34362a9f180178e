/// What a stream has in Redis.
pub(super) struct Keys {
    pub(super) entries: Vec<u8>,
    pub(super) counter: Vec<u8>,
    pub(super) dead: Vec<u8>,
    pub(super) groups: Vec<u8>,
}

impl Keys {
    pub(super) fn new(prefix: &[u8]) -> Self {
        let key = |name: &[u8]| [prefix, name].concat();
        Self { entries: key(b"entries"), counter: key(b"counter"), dead: key(b"dead"), groups: key(b"groups") }
    }

    /// All of them, as scripts take them.
    pub(super) fn all(&self) -> Vec<Vec<u8>> {
        vec![self.entries.clone(), self.counter.clone(), self.dead.clone(), self.groups.clone()]
    }
}
