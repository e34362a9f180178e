//! Telling states apart without keeping them.

use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

/// 128 bits of a state: ten million states have two alike with a probability below 10^-24.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint([u64; 2]);

impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0[0]);
    }
}

pub(super) type Fingerprints = BuildHasherDefault<AsItIs>;

/// A fingerprint is a hash already.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a fingerprint is one number");
    }
}

/// The bytes of the state in hand; a few long writes to a hash cost less than many short ones.
#[derive(Default)]
pub(super) struct Scratch(Vec<u8>);

impl Scratch {
    pub(super) fn fingerprint(&mut self, state: &impl Hash) -> Fingerprint {
        self.0.clear();
        state.hash(self);
        Fingerprint([0, 1].map(|half| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(half);
            hasher.write(&self.0);
            hasher.finish()
        }))
    }
}

impl Hasher for Scratch {
    fn finish(&self) -> u64 {
        unreachable!("the bytes are hashed when they are all there");
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u8(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn write_isize(&mut self, variant: isize) {
        // Enums have fewer variants than fit into a byte.
        self.0.push(u8::try_from(variant).expect("an enum has few variants"));
    }

    fn write_usize(&mut self, length: usize) {
        self.0.push(u8::try_from(length).expect("arrays are short"));
    }
}
