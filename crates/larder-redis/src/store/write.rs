use std::time::{Duration, Instant};

use larder::store::{BATCH, CellKey, Ending, Nonce, Position, StoreError};

use super::RedisStore;
use crate::{
    cell::header,
    message::{nonce, parse_place},
    request::{Request, milliseconds},
    scripts,
    strict::{MOST_ASKED, outwait},
};

/// The bytes of the keys of a batch at most: as many as a message to those who hold copies should have.
const BATCH_BYTES: usize = 64 << 10;

/// What came of marking cells.
pub(super) struct Begun {
    /// Where the write stands among the announcements.
    pub(super) place: Position,
    /// Whom it has asked to drop their copies; `None` if nobody knows who holds any.
    pub(super) asked: Option<Vec<Nonce>>,
}

/// How a write asks the holders of copies.
pub(super) struct Asking<'a> {
    /// The name of this store, by which it hears from them.
    pub(super) asker: &'a Nonce,
    /// For how long a holder is on the list.
    pub(super) listed_for: Duration,
    /// Beyond so many, it asks nobody and waits.
    pub(super) at_most: u64,
}

impl RedisStore {
    /// Marks cells and announces it. Where it asks, it does not wait for the answers.
    pub(super) fn mark(
        &self,
        nonce: Nonce,
        keys: &[&CellKey],
        hold: Duration,
        asking: Option<&Asking<'_>>,
    ) -> Result<Begun, StoreError> {
        let script = &*scripts::BEGIN;
        self.with_link(|link| {
            let batches = batches(keys, |key| key);
            let mut request = Request::with_capacity(128 + 64 * keys.len());
            for (n, keys) in batches.iter().enumerate() {
                let asking = if n + 1 < batches.len() { Way::Part } else { asking.map_or(Way::Write, Way::Asking) };
                let own_keys = [self.names.announced(), self.names.holders()];
                self.evalsha(&mut request, script, (keys.iter().copied(), &own_keys), asking.n_args() + 5);
                request.arg(&[nonce.as_bytes()]).number(milliseconds(hold)).arg(&[&link.fence().0]);
                self.channel(&mut request);
                asking.write(&mut request);
            }
            let (answers, is_repeated) = link.run_in_order(script, &request)?;
            let mut begun = None;
            for (keys, answer) in batches.iter().zip(answers) {
                let rest = link.digits_and_more(answer, keys.len(), b'2')?;
                begun = if rest.is_empty() { None } else { parse(&rest, asking.is_some()) };
            }
            let mut begun = begun.ok_or_else(|| link.refuse("the announcement of a write has a place"))?;
            if is_repeated {
                // Those who were asked may have answered before all cells were marked, and have taken copies since.
                begun.asked = None;
            }
            Ok(begun)
        })
    }

    /// Marks cells, and waits until nobody serves a copy of them.
    pub(super) fn recall(&self, nonce: Nonce, keys: &[&CellKey], hold: Duration) -> Result<Position, StoreError> {
        // Before it is announced: an answer may be there as soon as that is.
        let expected = self.answers.expect(nonce);
        let (asker, listed_for) = (self.answers.name(), self.strict.listed_for());
        let asking = Asking { asker, listed_for, at_most: MOST_ASKED };
        let Begun { place, asked } = self.mark(nonce, keys, hold, Some(&asking))?;
        let until = self.end_of_wait();
        let Some(mut asked) = asked else {
            outwait(until);
            return Ok(place);
        };
        let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        asked.retain(|holder| !self.listeners.tell(holder, &keys));
        let n_silent = expected.wait(&asked, until);
        if n_silent > 0 {
            tracing::debug!(n_silent, "holders of copies did not answer, and can't serve them any more");
        }
        Ok(place)
    }

    /// When a write that was announced until now may return though nobody has answered: what was asked before it was announced is proof
    /// of nothing from then on.
    pub(super) fn end_of_wait(&self) -> Instant {
        Instant::now() + self.strict.wait()
    }

    /// Ends a write.
    pub(super) fn end(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        let script = &*scripts::FINISH;
        self.with_link(|link| {
            let fence = link.fence();
            let n_bytes = endings.iter().map(|(_, ending)| 160 + n_bytes_of(ending)).sum();
            let mut request = Request::with_capacity(n_bytes);
            let batches = batches(endings, |(key, _)| key);
            for endings in &batches {
                self.evalsha(&mut request, script, (endings.iter().map(|(key, _)| *key), &[]), 4 + 2 * endings.len());
                request.arg(&[nonce.as_bytes()]).arg(&[&fence.0]);
                self.channel(&mut request);
                for (key, ending) in *endings {
                    match ending {
                        Ending::Value { value, ttl } => {
                            let header = header(b'V', fence, key.layout(), nonce);
                            request.arg(&[&header, value]).number(milliseconds(*ttl));
                        }
                        Ending::Emptied => {
                            request.arg(&[b"D"]).arg(&[]);
                        }
                        Ending::RolledBack => {
                            request.arg(&[b"R"]).arg(&[]);
                        }
                    }
                }
            }
            let answers = link.run(script, &request)?;
            let mut n_lost = 0;
            for (endings, answer) in batches.iter().zip(answers) {
                let digits = link.digits(answer, endings.len(), b'4')?;
                n_lost += digits.iter().filter(|&&digit| digit == b'0' || digit == b'2').count();
            }
            if n_lost > 0 {
                // Expected when a finish is sent again, or came after its hold; else the server evicts markers.
                tracing::warn!(n_lost, "markers were gone before their write was finished");
            }
            Ok(())
        })
    }

    /// Takes out of cells what may be old.
    pub(super) fn empty(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        let script = &*scripts::SETTLE;
        let nonce: &[u8] = nonce.as_ref().map_or(&[], |nonce| nonce.as_bytes());
        let mut request = Request::with_capacity(64 + 64 * keys.len());
        let batches = batches(keys, |key| key);
        for keys in &batches {
            self.evalsha(&mut request, script, (keys.iter().copied(), &[]), 3);
            request.arg(&[nonce]);
            self.channel(&mut request);
        }
        self.with_link(|link| {
            let answers = link.run(script, &request)?;
            for (keys, answer) in batches.iter().zip(answers) {
                link.digits(answer, keys.len(), b'3')?;
            }
            Ok(())
        })
    }

    /// Where it is told, and how the keys are called there.
    fn channel(&self, request: &mut Request) {
        request.arg(&[self.names.changed()]).number(self.names.namespace().len() as u64 + 1);
    }
}

/// How the announcement of a batch is made.
enum Way<'a> {
    Part,
    Write,
    Asking(&'a Asking<'a>),
}

impl Way<'_> {
    fn n_args(&self) -> usize {
        if matches!(self, Self::Asking(_)) { 4 } else { 1 }
    }

    fn write(&self, request: &mut Request) {
        match self {
            Self::Part => request.arg(&[b"D"]),
            Self::Write => request.arg(&[b"B"]),
            Self::Asking(Asking { asker, listed_for, at_most }) => {
                request.arg(&[b"A"]).arg(&[asker.as_bytes()]).number(milliseconds(*listed_for)).number(*at_most)
            }
        };
    }
}

/// Reads what the last batch of a write was answered with, besides its digits.
fn parse(bytes: &[u8], is_asking: bool) -> Option<Begun> {
    let (place, rest) = parse_place(bytes)?;
    let asked = match rest.split_first() {
        None if !is_asking => None,
        Some((b'w', [])) if is_asking => None,
        Some((b'h', mut rest)) if is_asking => {
            let mut asked = Vec::with_capacity(rest.len() / 16);
            while !rest.is_empty() {
                let (holder, after) = nonce(rest)?;
                asked.push(holder);
                rest = after;
            }
            Some(asked)
        }
        _ => return None,
    };
    Some(Begun { place, asked })
}

/// Splits what one script is run on: so many keys at most, and so many bytes of them.
fn batches<'i, T>(items: &'i [T], key: impl Fn(&'i T) -> &'i CellKey) -> Vec<&'i [T]> {
    let mut batches = Vec::with_capacity(items.len().div_ceil(BATCH));
    let (mut start, mut n_bytes) = (0, 0);
    for (at, item) in items.iter().enumerate() {
        let n_more = key(item).as_bytes().len();
        if at > start && (at - start == BATCH || n_bytes + n_more > BATCH_BYTES) {
            batches.push(&items[start..at]);
            (start, n_bytes) = (at, 0);
        }
        n_bytes += n_more;
    }
    batches.push(&items[start..]);
    batches
}

fn n_bytes_of(ending: &Ending) -> usize {
    match ending {
        Ending::Value { value, .. } => value.len(),
        Ending::Emptied | Ending::RolledBack => 0,
    }
}
