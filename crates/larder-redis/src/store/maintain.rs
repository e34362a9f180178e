//! What is asked of cells besides reading and writing them.

use std::time::Duration;

use larder::store::{BATCH, CellKey, Cursor, Inspected, Layout, Nonce, Scanned, StoreError};

use super::RedisStore;
use crate::{
    answer::{inspected, page},
    cell::header,
    glob,
    names::Names,
    request::{Request, milliseconds},
    scripts,
};

impl RedisStore {
    /// Cells, with what is left to them of their time.
    pub(super) fn look_at(&self, keys: &[CellKey]) -> Result<Vec<Inspected>, StoreError> {
        let mut request = Request::with_capacity(128 * keys.len());
        for keys in keys.chunks(BATCH) {
            request.command(1 + keys.len()).arg(&[b"MGET"]);
            for key in keys {
                request.arg(&[self.names.namespace(), key.as_bytes()]);
            }
            for key in keys {
                request.command(2).arg(&[b"PTTL"]).arg(&[self.names.namespace(), key.as_bytes()]);
            }
        }
        self.with_link(|link| {
            let mut answers = link.call(&request)?.into_iter();
            let mut cells = Vec::with_capacity(keys.len());
            for keys in keys.chunks(BATCH) {
                let Some(values) = answers.next() else {
                    return Err(link.refuse("each command is answered"));
                };
                let values = link.list(values, keys.len())?;
                for ((key, value), left) in keys.iter().zip(values).zip(answers.by_ref()) {
                    cells.push(inspected(link, key, value, &left)?);
                }
            }
            Ok(cells)
        })
    }

    /// Gives values more time, where they are still there.
    pub(super) fn prolong(&self, values: &[(&CellKey, Nonce, Duration)]) -> Result<Vec<bool>, StoreError> {
        let script = &*scripts::EXTEND;
        self.with_link(|link| {
            let mut request = Request::with_capacity(160 * values.len());
            for values in values.chunks(BATCH) {
                self.evalsha(&mut request, script, (values.iter().map(|(key, ..)| *key), &[]), 2 * values.len());
                for (key, stamp, ttl) in values {
                    request.arg(&[&header(b'V', link.fence(), key.layout(), *stamp)]).number(milliseconds(*ttl));
                }
            }
            let answers = link.run(script, &request)?;
            let mut extended = Vec::with_capacity(values.len());
            for (values, answer) in values.chunks(BATCH).zip(answers) {
                extended.extend(link.digits(answer, values.len(), b'1')?.into_iter().map(|digit| digit == b'1'));
            }
            Ok(extended)
        })
    }

    /// A page of the keys that begin so.
    pub(super) fn page(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError> {
        let pattern = [&glob::literal(self.names.namespace())[..], &glob::literal(prefix), b"*"].concat();
        let mut request = Request::with_capacity(128 + pattern.len());
        request.command(6).arg(&[b"SCAN"]).number(from.position());
        request.arg(&[b"MATCH"]).arg(&[&pattern]).arg(&[b"COUNT"]).number(BATCH as u64);
        self.with_link(|link| {
            if !from.is_of(link.fence()) {
                // Another server walks its keys in another order, so some would be left out.
                return Err(StoreError::refused("the server was replaced in the middle of a scan"));
            }
            let Some(answer) = link.call(&request)?.into_iter().next() else {
                return Err(link.refuse("SCAN is answered"));
            };
            let (next, keys) = page(link, answer)?;
            let mut cells = Vec::with_capacity(keys.len());
            for key in &keys {
                let Some(key) = key.strip_prefix(self.names.namespace()) else {
                    return Err(link.refuse("SCAN answers with keys that match"));
                };
                if !Names::is_ours(key) {
                    cells.push(CellKey::new(key, Layout::UNKNOWN));
                }
            }
            // Redis begins and ends at 0.
            Ok(Scanned { keys: cells, next: (next != 0).then(|| Cursor::new(next, link.fence())) })
        })
    }
}
