//! Ends threads of larder's own.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Tells a thread to end, wherever it waits.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    is_set: Mutex<bool>,
    set: Condvar,
}

impl Stop {
    pub(crate) fn set(&self) {
        *self.lock() = true;
        self.set.notify_all();
    }

    pub(crate) fn is_set(&self) -> bool {
        *self.lock()
    }

    /// Waits for so long: whether to go on.
    pub(crate) fn rest(&self, time: Duration) -> bool {
        let waited = self.set.wait_timeout_while(self.lock(), time, |is_set| !*is_set);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that runs until it is told to end, and is told to when this is dropped.
pub(crate) struct Running {
    stop: Arc<Stop>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Running {
    /// Starts it under that name.
    pub(crate) fn start(name: &str, run: impl FnOnce(&Stop) + Send + 'static) -> io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let run = {
            let stop = Arc::clone(&stop);
            move || run(&stop)
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// What tells it to end.
    #[cfg(feature = "behind")]
    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Tells it to end, and waits until it has.
    pub(crate) fn end(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            // If it has panicked, it has ended too, and has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
