use std::{fmt, io, thread, time::Duration};

use serde::de::DeserializeOwned;

use super::{Event, Stop, Subscriber};

/// A thread that tells of a topic, until this is dropped. [`Topic::listen`](super::Topic::listen) starts it.
///
/// Dropping it waits for the thread to end: for what it is just telling, or for a connection that it is just making. Dropped by what is told itself, it does not wait.
pub struct Listening {
    stop: Stop,
    thread: Option<thread::JoinHandle<()>>,
}

impl Listening {
    pub(super) fn start<T: DeserializeOwned + 'static>(
        mut subscriber: Subscriber<T>,
        mut tell: impl FnMut(Event<T>) + Send + 'static,
    ) -> io::Result<Self> {
        let stop = subscriber.stop();
        let run = move || {
            let stop = subscriber.stop();
            while !stop.is_stopped() {
                if let Some(event) = subscriber.next(Duration::from_secs(60))
                    && !stop.is_stopped()
                {
                    tell(event);
                }
            }
        };
        let thread = thread::Builder::new().name("larder-topic".to_owned()).spawn(run)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            // If it has panicked, it has ended too, and has said so.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").finish_non_exhaustive()
    }
}
