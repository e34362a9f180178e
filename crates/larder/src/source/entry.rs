//! A value of a source as the layers know it: a row with a key, in a cell of its own.

use std::{marker::PhantomData, time::Duration};

use super::Source;
use crate::{
    backend::Backend,
    codec::{Codec, Corrupt, Fingerprint, Input},
    effect::Cells,
    entity::{Entity, Pattern},
    near::Near,
    relation::Ordering,
    store::Layout,
};

/// A value of a source, and its key: cells' keys are digests where they are long, so the value has to say whose it is.
pub(crate) struct Entry<DB, S: Source> {
    pub(crate) key: S::Key,
    pub(crate) value: S::Value,
    backend: PhantomData<fn() -> DB>,
}

impl<DB, S: Source> Entry<DB, S> {
    pub(crate) fn new(key: S::Key, value: S::Value) -> Self {
        Self { key, value, backend: PhantomData }
    }
}

impl<DB, S: Source> Clone for Entry<DB, S> {
    fn clone(&self) -> Self {
        Self::new(self.key.clone(), self.value.clone())
    }
}

/// The only pattern of a source.
pub(crate) struct ByKey<DB, S>(PhantomData<fn() -> (DB, S)>);

impl<DB: Backend, S: Source> Entity for Entry<DB, S> {
    type Key = S::Key;
    type Backend = DB;
    type Primary = ByKey<DB, S>;
    type Columns = ();
    type Relations = ();

    const COLUMNS: () = ();
    const RELATIONS: () = ();
    const NAME: &'static str = S::NAME;
    const LAYOUT: Layout = Layout::new(
        Fingerprint::of("source").and(S::NAME).then(S::Key::FINGERPRINT).then(S::Value::FINGERPRINT).bits(),
    );
    const TTL: Option<Duration> = S::TTL;
    // Of two writers at once, nobody but the source knows who was last.
    const WRITE_THROUGH: bool = false;
    const NEAR: Near = S::NEAR;

    fn key(&self) -> S::Key {
        self.key.clone()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.key.encode(out);
        self.value.encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        let key = S::Key::decode(input)?;
        Ok(Self::new(key, S::Value::decode(input)?))
    }

    fn heap_bytes(&self) -> usize {
        self.key.heap_bytes() + self.value.heap_bytes()
    }

    fn cells(&self, cells: &mut Cells<'_, Self>) {
        cells.add::<ByKey<DB, S>>(self);
    }
}

impl<DB: Backend, S: Source> Pattern for ByKey<DB, S> {
    type Entity = Entry<DB, S>;
    type Key = S::Key;

    // No column that a model of the same name would be found by.
    const COLUMNS: &'static [&'static str] = &["@"];
    const UNIQUE: bool = true;
    const WRITE_THROUGH: bool = false;
    const ORDER: Ordering = &[];
    const HEAD: usize = 1;
    const NAME: &'static str = "key";

    fn key_of(row: &Entry<DB, S>) -> Option<S::Key> {
        Some(row.key.clone())
    }

    fn is_key_of(row: &Entry<DB, S>, key: &S::Key) -> bool {
        row.key == *key
    }
}
