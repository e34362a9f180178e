//! Threads of a handle that load what their callers may not wait for.

use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

/// How many loads may wait for a thread.
const MAX_WAITING: usize = 256;

/// More than one: most loads of a busy key wait for the one that has the connection.
const THREADS_PER_CONNECTION: usize = 4;

/// How long a thread stays without work.
const IDLE: Duration = Duration::from_secs(10);

/// The threads, started when there is work for them.
pub(crate) struct Loaders {
    desk: Arc<Desk>,
}

struct Desk {
    state: Mutex<State>,
    changed: Condvar,
    max_threads: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Load>,
    n_threads: usize,
    n_idle: usize,
    is_closed: bool,
}

struct Load {
    run: Box<dyn FnOnce() + Send>,
    /// Whether nobody waits for it any more.
    is_left: Arc<AtomicBool>,
}

/// A load that somebody waits for. Dropped, it is done all the same, after those that are waited for,
/// unless too many wait: then it is dropped.
pub(super) struct Awaited<T> {
    result: Receiver<thread::Result<T>>,
    is_left: Arc<AtomicBool>,
}

impl Loaders {
    /// For a pool of so many connections.
    pub(crate) fn new(n_connections: u32) -> Self {
        let max_threads = usize::try_from(n_connections).unwrap_or(usize::MAX).saturating_mul(THREADS_PER_CONNECTION);
        let desk = Desk { state: Mutex::default(), changed: Condvar::new(), max_threads };
        Self { desk: Arc::new(desk) }
    }

    /// Has `load` done by a thread; `Err` with a way to do it oneself if too many wait already.
    pub(super) fn send<T: Send + 'static>(
        &self,
        load: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Awaited<T>, impl FnOnce() -> T> {
        // Dropped after the lock, since what a load has with it may come back here.
        let displaced;
        let mut state = self.desk.state();
        displaced = state.displaced();
        if state.waiting.len() >= MAX_WAITING || !self.desk.has_thread(&mut state) {
            return Err(load);
        }
        let (sender, result) = mpsc::sync_channel(1);
        let run = move || {
            // A panic is the caller's, if there still is one: the thread has others to serve.
            let _ = sender.send(panic::catch_unwind(AssertUnwindSafe(load)));
        };
        let is_left = Arc::<AtomicBool>::default();
        state.waiting.push_back(Load { run: Box::new(run), is_left: Arc::clone(&is_left) });
        drop(state);
        drop(displaced);
        self.desk.changed.notify_one();
        Ok(Awaited { result, is_left })
    }
}

impl Drop for Loaders {
    fn drop(&mut self) {
        self.desk.state().is_closed = true;
        self.desk.changed.notify_all();
    }
}

impl<T> Awaited<T> {
    /// What comes out of it, if that is before `end`.
    pub(super) fn until(&self, end: Option<Instant>) -> Option<T> {
        let result = match end {
            Some(end) => self.result.recv_timeout(end.saturating_duration_since(Instant::now())),
            None => self.result.recv().map_err(RecvTimeoutError::from),
        };
        match result {
            Ok(Ok(value)) => Some(value),
            Ok(Err(panic)) => panic::resume_unwind(panic),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => unreachable!("a load that was taken is done"),
        }
    }
}

impl<T> Drop for Awaited<T> {
    fn drop(&mut self) {
        self.is_left.store(true, Ordering::SeqCst);
    }
}

impl State {
    /// Makes room for one more, if too many wait: takes out the oldest that nobody waits for.
    fn displaced(&mut self) -> Option<Load> {
        if self.waiting.len() < MAX_WAITING {
            return None;
        }
        let left = self.waiting.iter().position(|load| load.is_left.load(Ordering::SeqCst))?;
        self.waiting.remove(left)
    }

    /// The next one: the oldest that is waited for, or else the oldest.
    fn next(&mut self) -> Option<Load> {
        let awaited = self.waiting.iter().position(|load| !load.is_left.load(Ordering::SeqCst));
        self.waiting.remove(awaited.unwrap_or(0))
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic halfway through a change runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that there is a thread for one more load: whether there is any.
    fn has_thread(self: &Arc<Self>, state: &mut State) -> bool {
        if state.waiting.len() >= state.n_idle && state.n_threads < self.max_threads {
            let desk = Arc::clone(self);
            let started = thread::Builder::new().name("larder-load".to_owned()).spawn(move || desk.work());
            state.n_threads += usize::from(started.is_ok());
        }
        state.n_threads > 0
    }

    fn work(&self) {
        while let Some(load) = self.wait_for_work() {
            (load.run)();
        }
    }

    /// `None` if there has been nothing to do for long, or the handle is gone.
    fn wait_for_work(&self) -> Option<Load> {
        let mut state = self.state();
        let end = Instant::now() + IDLE;
        loop {
            if let Some(load) = state.next() {
                return Some(load);
            }
            let left = end.saturating_duration_since(Instant::now());
            if state.is_closed || left.is_zero() {
                state.n_threads -= 1;
                return None;
            }
            state.n_idle += 1;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.n_idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One thread, which is busy until the sender is dropped, and what it does then is not waited for.
    fn busy() -> (Loaders, mpsc::Sender<()>) {
        let mut loaders = Loaders::new(1);
        Arc::get_mut(&mut loaders.desk).expect("there is no thread yet").max_threads = 1;
        let (sender, receiver) = mpsc::channel::<()>();
        let (started, is_started) = mpsc::channel();
        let load = move || {
            started.send(()).unwrap();
            receiver.recv().unwrap_err();
        };
        drop(loaders.send(load).ok().expect("there is room"));
        is_started.recv().unwrap();
        (loaders, sender)
    }

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_millis(1))
    }

    #[test]
    fn a_load_is_done_elsewhere_and_waited_for_no_longer_than_said() {
        let (loaders, busy) = busy();
        let awaited = loaders.send(|| thread::current().name().map(str::to_owned)).ok().expect("there is room");
        assert_eq!(awaited.until(soon()), None);
        drop(busy);
        assert_eq!(awaited.until(None), Some(Some("larder-load".to_owned())));
    }

    #[test]
    fn who_is_waited_for_comes_first_and_the_others_are_done_too() {
        let (loaders, busy) = busy();
        let (sender, done) = mpsc::channel();
        let load = |n: u32| {
            let sender = sender.clone();
            loaders.send(move || sender.send(n)).ok().expect("there is room")
        };
        let (left, first, second) = (load(1), load(2), load(3));
        drop(left);
        drop(busy);
        assert!(first.until(None).is_some() && second.until(None).is_some());
        assert_eq!([(); 3].map(|()| done.recv().unwrap()), [2, 3, 1]);
    }

    #[test]
    fn only_so_many_wait_and_those_that_were_left_make_room() {
        let (loaders, _busy) = busy();
        let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| loaders.send(|| ()).ok().expect("there is room")).collect();
        let refused = loaders.send(|| 7).err().expect("there is no room");
        assert_eq!(refused(), 7, "whoever is refused can do it himself");
        drop(waiting.swap_remove(10));
        waiting.push(loaders.send(|| ()).ok().expect("the one that was left made room"));
        assert!(loaders.send(|| ()).is_err());
    }

    #[test]
    fn a_panic_is_the_callers_and_the_thread_goes_on() {
        let loaders = Loaders::new(1);
        let awaited = loaders.send(|| panic!("on purpose")).ok().expect("there is room");
        let panic = panic::catch_unwind(AssertUnwindSafe(|| awaited.until(None))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
        let awaited = loaders.send(|| 7).ok().expect("there is room");
        assert_eq!(awaited.until(None), Some(7));
    }

    #[test]
    fn there_are_as_many_threads_as_there_is_work_for_and_no_more_than_allowed() {
        let loaders = Loaders::new(1);
        let (busy, receiver) = mpsc::channel::<()>();
        let receiver = Arc::new(Mutex::new(receiver));
        let load = || {
            let receiver = Arc::clone(&receiver);
            loaders.send(move || receiver.lock().unwrap().recv().is_err()).ok().expect("there is room")
        };
        let waiting: Vec<_> = (0..2 * THREADS_PER_CONNECTION).map(|_| load()).collect();
        assert_eq!(loaders.desk.state().n_threads, THREADS_PER_CONNECTION);
        drop(busy);
        assert!(waiting.iter().all(|load| load.until(None) == Some(true)));
        let awaited = load();
        assert_eq!((awaited.until(None), loaders.desk.state().n_threads), (Some(true), THREADS_PER_CONNECTION));
    }

    #[test]
    fn the_threads_end_with_the_handle_and_not_before_their_work() {
        let (loaders, busy) = busy();
        let (desk, awaited) = (Arc::clone(&loaders.desk), loaders.send(|| 7).ok().expect("there is room"));
        drop(loaders);
        drop(busy);
        assert_eq!(awaited.until(None), Some(7));
        // Sooner than for want of work.
        let end = Instant::now() + IDLE / 2;
        while desk.state().n_threads > 0 && Instant::now() < end {
            thread::yield_now();
        }
        assert_eq!(desk.state().n_threads, 0);
    }
}
