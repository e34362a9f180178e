//! The way from a process to its buffer: where entries are lost, answered in vain, and delayed.

use std::sync::{Arc, OnceLock, Weak};

use larder::{
    buffer::{AppendError, Appended, Backlog, Buffer, Bytes, Entry, EntryId, Size},
    store::StoreError,
};

use crate::{
    act::{Late, Place},
    behind::Later,
    mutant::Mutation,
    plan::{Deed, Statement},
    stage::{Show, Stage},
    tally::Fault,
    wire,
};

/// A call of a buffer that changes something, without its caller.
#[derive(Debug, Clone)]
pub enum Call {
    /// [`Buffer::append`]
    Append {
        /// What.
        entries: Vec<Bytes>,
        /// If there is room for so many.
        at_most: Size,
    },
    /// [`Buffer::remove`]
    Remove(Vec<EntryId>),
}

impl Call {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Append { .. } => "append",
            Self::Remove(_) => "removal",
        }
    }

    /// Makes the call. Nobody waits for its answer: it is given in words.
    pub fn make(&self, buffer: &dyn Buffer) -> String {
        match self {
            Self::Append { entries, at_most } => format!("{:?}", buffer.append(entries, *at_most)),
            Self::Remove(entries) => format!("{:?}", buffer.remove(entries)),
        }
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Good,
    /// It is made, and the caller gets a time-out.
    Answerless,
    /// It is not made, at least not now, and the caller gets a time-out.
    Gone,
    /// It is not made, and the caller knows.
    Unsent,
}

/// The buffer of a process, seen from the process.
pub struct Pipe {
    process: usize,
    stage: Arc<OnceLock<Weak<Stage>>>,
    buffer: Arc<dyn Buffer>,
    mutation: Option<Mutation>,
}

impl Pipe {
    /// The way of a process to a buffer.
    pub fn new(
        process: usize,
        stage: Arc<OnceLock<Weak<Stage>>>,
        buffer: Arc<dyn Buffer>,
        mutation: Option<Mutation>,
    ) -> Self {
        Self { process, stage, buffer, mutation }
    }

    /// Who is at it, if it is an actor.
    fn actor(&self) -> Option<(usize, Arc<Stage>)> {
        wire::me().zip(self.stage.get().and_then(Weak::upgrade))
    }

    /// Draws what becomes of a call.
    fn way(&self, show: &mut Show, me: usize, name: &'static str, call: Option<&Call>) -> Way {
        let act = &mut show.act;
        *act.tally.operations.entry(name).or_default() += 1;
        // Faults are confined to an operation of the store.
        if act.plan.only.is_some() {
            return Way::Good;
        }
        let way = if act.draws(Fault::Lost) {
            if act.random.bool() { Way::Gone } else { Way::Unsent }
        } else if act.draws(Fault::NoAnswer) {
            Way::Answerless
        } else if let Some(call) = call
            && act.draws(Fault::Delayed)
        {
            act.late.push(Late::Buffered { process: self.process, call: call.clone() });
            Way::Gone
        } else {
            return Way::Good;
        };
        act.note(me, |_| format!("  the {name} goes wrong: {way:?}"));
        way
    }
}

impl Buffer for Pipe {
    fn name(&self) -> &str {
        self.buffer.name()
    }

    fn append(&self, entries: &[Bytes], at_most: Size) -> Result<Appended, AppendError> {
        let Some((me, stage)) = self.actor() else { return self.buffer.append(entries, at_most) };
        let call = Call::Append { entries: entries.to_vec(), at_most };
        let (way, writes_through) = {
            let mut show = stage.show();
            let way = self.way(&mut show, me, call.name(), Some(&call));
            let writes_through = show.act.plan.writes_through && way != Way::Good;
            show.act.slots[me].is_direct |= writes_through;
            (way, writes_through)
        };
        let unknown = || AppendError::Unknown(StoreError::timed_out("the answer was lost, or is late"));
        let appended = match way {
            Way::Good => {
                let appended = self.buffer.append(entries, at_most);
                stage.show().act.note(me, |_| format!("  appends {}: {appended:?}", entries.len()));
                appended
            }
            Way::Answerless => {
                // What became of it, the caller never learns.
                drop(self.buffer.append(entries, at_most));
                match self.mutation {
                    Some(Mutation::DeniesUnanswered) => {
                        Err(AppendError::NotAppended(StoreError::timed_out("as if nothing had been sent")))
                    }
                    _ => Err(unknown()),
                }
            }
            Way::Gone => Err(unknown()),
            Way::Unsent => Err(AppendError::NotAppended(StoreError::unavailable("there is no connection"))),
        };
        if writes_through {
            // The caller may do a flusher's work next.
            stage.step(me, Place::Statement(Statement::Flush));
        }
        appended
    }

    fn read(&self, n: usize, after: Option<EntryId>) -> Result<Vec<Entry>, StoreError> {
        let Some((me, stage)) = self.actor() else { return self.buffer.read(n, after) };
        if self.way(&mut stage.show(), me, "read of the buffer", None) != Way::Good {
            return Err(StoreError::timed_out("the answer was lost"));
        }
        let mut entries = self.buffer.read(n, after)?;
        let is_flusher = stage.show().act.slots[me].deed == Some(Deed::Later(Later::Flush));
        match self.mutation {
            Some(Mutation::RemovesBeforeCommit) if is_flusher => {
                self.buffer.remove(&entries.iter().map(|entry| entry.id).collect::<Vec<_>>())?;
            }
            Some(Mutation::SkipsEntries) if entries.len() > 1 => drop(entries.remove(0)),
            _ => {}
        }
        stage.show().act.note(me, |_| format!("  reads {} entries", entries.len()));
        if is_flusher && !entries.is_empty() {
            // Others may come in between who have read the same.
            stage.step(me, Place::Statement(Statement::Flush));
        }
        Ok(entries)
    }

    fn remove(&self, entries: &[EntryId]) -> Result<(), StoreError> {
        let Some((me, stage)) = self.actor() else { return self.buffer.remove(entries) };
        let call = Call::Remove(entries.to_vec());
        let way = self.way(&mut stage.show(), me, call.name(), Some(&call));
        if matches!(way, Way::Good | Way::Answerless) {
            self.buffer.remove(entries)?;
        }
        if way == Way::Good { Ok(()) } else { Err(StoreError::timed_out("the answer was lost, or is late")) }
    }

    fn backlog(&self) -> Result<Backlog, StoreError> {
        self.buffer.backlog()
    }
}
