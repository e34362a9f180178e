//! The thread that hears all workers out.

use std::{
    collections::BTreeMap,
    sync::mpsc::{self, Receiver, SyncSender},
    thread::{self, JoinHandle},
};

use crate::{
    Result,
    clock::Moment,
    history::History,
    oracle::{Oracle, THREAD_BITS},
    pace::Pace,
    record::{Event, Reader, Record},
};

/// What the judge hears of the workers.
#[derive(Debug)]
pub(crate) enum Message {
    /// A process is about to be started.
    Started {
        process: u32,
        n_threads: u8,
        at: Moment,
    },
    Said {
        process: u32,
        bytes: Vec<u8>,
    },
    /// A process is no more.
    Ended {
        process: u32,
        at: Moment,
    },
}

/// Messages that wait. Workers that say more wait themselves.
const WAITING: usize = 256;

#[derive(Debug)]
pub(crate) struct Judge {
    thread: JoinHandle<Result<(Oracle, History)>>,
}

impl Judge {
    /// Starts to listen; ends when nobody can say anything any more.
    pub(crate) fn start(oracle: Oracle, history: History, pace: Pace) -> (Self, SyncSender<Message>) {
        let (sender, messages) = mpsc::sync_channel(WAITING);
        let thread = thread::spawn(move || {
            let heard = listen(&messages, oracle, history, &pace);
            if heard.is_err() {
                pace.give_up();
            }
            heard
        });
        (Self { thread }, sender)
    }

    pub(crate) fn end(self) -> Result<(Oracle, History)> {
        self.thread.join().map_err(|_| "the judge panicked")?
    }
}

fn listen(
    messages: &Receiver<Message>,
    mut oracle: Oracle,
    mut history: History,
    pace: &Pace,
) -> Result<(Oracle, History)> {
    let mut readers: BTreeMap<u32, (Reader, u8)> = BTreeMap::new();
    for message in messages {
        match message {
            Message::Started { process, n_threads, at } => {
                readers.insert(process, (Reader::default(), n_threads));
                (0..n_threads).for_each(|thread| oracle.start(number(process, thread), at));
                history.line(&format!("{at} {process} started"))?;
            }
            Message::Said { process, bytes } => {
                let Some((reader, _)) = readers.get_mut(&process) else { continue };
                reader.push(&bytes);
                while let Some(record) = reader.next()? {
                    history.line(&format!("{} {process}.{} {:?}", record.at, record.thread, record.event))?;
                    oracle.push(number(process, record.thread), record);
                }
            }
            Message::Ended { process, at } => {
                let n_threads = readers.remove(&process).map_or(0, |(_, n_threads)| n_threads);
                for thread in 0..n_threads {
                    oracle.push(number(process, thread), Record { thread, at, event: Event::Ended });
                }
                history.line(&format!("{at} {process} ended"))?;
            }
        }
        oracle.judge();
        pace.done(oracle.tally().n_operations());
    }
    Ok((oracle, history))
}

/// A thread among all threads of all processes.
fn number(process: u32, thread: u8) -> u64 {
    u64::from(process) << THREAD_BITS | u64::from(thread)
}
