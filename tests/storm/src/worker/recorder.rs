use std::{
    fs::File,
    io::Write as _,
    iter,
    sync::{Arc, Mutex, PoisonError},
};

use super::nobody_listens;
use crate::{
    clock::{Moment, now},
    record::{self, Asked, Attempt, Event, Layer, Outcome, Record, Version},
};

/// Records of reads wait for others until they are so many bytes, or so old.
const FULL: usize = 8 * 1024;
const OLD: Moment = 20_000_000;

/// So much of an error is told, in characters: records are short.
const TOLD: usize = 300;

/// From where on a read was allowed to look, and how far it had to go.
#[derive(Debug, Clone, Copy)]
pub(in crate::worker) struct Layers {
    pub(in crate::worker) from: Layer,
    pub(in crate::worker) to: Layer,
}

/// An error and what caused it, which no error repeats.
fn told(error: &larder::Error) -> String {
    let first: &dyn std::error::Error = error;
    let causes: Vec<String> = iter::successors(Some(first), |error| error.source()).map(ToString::to_string).collect();
    causes.join(": ")
}

/// Writes down what one thread does.
pub(in crate::worker) struct Recorder {
    thread: u8,
    output: Arc<Mutex<File>>,
    waiting: Vec<u8>,
    flushed: Moment,
}

impl Recorder {
    pub(in crate::worker) fn new(thread: u8, output: Arc<Mutex<File>>) -> Self {
        Self { thread, output, waiting: Vec::with_capacity(2 * FULL), flushed: now() }
    }

    /// Tells of versions that may come into being from now on. It is said when this returns, and stays said if the process is
    /// killed the moment after.
    pub(in crate::worker) fn announce(&mut self, attempts: Vec<Attempt>) {
        self.note(Event::Announced(attempts));
        self.flush();
    }

    /// Tells how a write has ended.
    pub(in crate::worker) fn wrote(&mut self, began: Moment, outcome: Outcome) {
        // Said at once as well: an acknowledgement that nobody heard of binds nobody.
        self.note(Event::Wrote { began, outcome });
        self.flush();
    }

    /// Tells what a read has found.
    pub(in crate::worker) fn read(&mut self, began: Moment, asked: Asked, found: Vec<Version>, layers: Layers) {
        let Layers { from, to } = layers;
        self.note(Event::Read { began, asked, found, from, to });
        self.flush_if_due();
    }

    /// Tells why a read got no answer.
    pub(in crate::worker) fn read_failed(&mut self, began: Moment, from: Layer, error: &larder::Error) {
        let why = told(error).chars().take(TOLD).collect();
        self.note(Event::ReadFailed { began, from, why });
        self.flush_if_due();
    }

    /// Tells that nobody writes any more.
    pub(in crate::worker) fn quiet(&mut self) {
        self.note(Event::Quiet);
    }

    fn note(&mut self, event: Event) {
        record::write(&Record { thread: self.thread, at: now(), event }, &mut self.waiting);
    }

    fn flush_if_due(&mut self) {
        if self.waiting.len() >= FULL || now() >= self.flushed + OLD {
            self.flush();
        }
    }

    pub(in crate::worker) fn flush(&mut self) {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        if output.write_all(&self.waiting).is_err() {
            nobody_listens();
        }
        drop(output);
        self.waiting.clear();
        self.flushed = now();
    }
}
