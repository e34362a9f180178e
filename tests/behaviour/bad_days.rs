//! Bad days: servers that are killed, frozen, slow or cut off; what calls cost meanwhile, and what is read when they are back.
//!
//! How much slower reads are is measured by `cargo xtask bench bad-days`. Here it is asserted why: who is asked, and that nobody waits.

mod postgres;
mod ramp;
mod redis;
mod site;
mod stopped;
mod writers;

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// What is waited for at most where something happens by itself.
const LONG: Duration = Duration::from_secs(30);

/// What no single call may take on a busy machine, with any server away. By itself none should take much more than a second.
const BOUND: Duration = Duration::from_secs(8);

/// A call that must come to its end.
#[track_caller]
fn in_time<T>(call: impl FnOnce() -> T) -> T {
    let (start, result) = (Instant::now(), call());
    let took = start.elapsed();
    assert!(took < BOUND, "a call took {took:?}");
    result
}

/// Runs a bad day, and fails if anything in it hangs for good.
#[track_caller]
fn ends(day: impl FnOnce() + Send + 'static) {
    let (ended, end) = mpsc::channel::<()>();
    let day = thread::spawn(move || {
        let _ended = ended;
        day();
    });
    match end.recv_timeout(Duration::from_secs(180)) {
        Err(RecvTimeoutError::Disconnected) => day.join().unwrap(),
        outcome => panic!("the day does not end: {outcome:?}"),
    }
}

/// Does something at the end, also of a test that fails.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
