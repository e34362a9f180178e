//! The work itself, on the models of the module that this is in.

mod reads;
mod writes;

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::AsFd as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use diesel::pg::Pg;
use larder::{BreakerState, Larder};

use super::{Order, User};
use crate::{
    Result,
    flawed::Flaw,
    pace::{pass, wait_until},
    site::{Cache, Site},
    worker::{LINGER, Work, recorder::Recorder},
};

/// Of a hundred operations so many are writes.
const WRITES: u8 = 30;
/// The same where rows are kept near, which is for what is read more than it is written.
const FEW_WRITES: u8 = 4;

/// For how long a store that is back is waited for, at most: longer than a breaker takes to let everything through.
const RECOVERY: Duration = Duration::from_secs(10);

/// Works until the input ends.
pub(in crate::worker) fn work(work: &Work) -> Result<()> {
    let larder = work.site.larder(work.n_threads.into())?;
    let cache = work.site.cache;
    let writer = match cache {
        Cache::Near(Flaw::WritesElsewhere) => {
            Site { cache: Cache::Larder, ..work.site.clone() }.larder(work.n_threads.into())?
        }
        _ => larder.clone(),
    };
    let is_near = cache.keeps_near();
    let n_writes = if is_near { FEW_WRITES } else { WRITES };
    let output = Arc::new(Mutex::new(File::from(io::stdout().as_fd().try_clone_to_owned()?)));
    let is_over = AtomicBool::new(false);
    let hand = |thread: u8| {
        let random = fastrand::Rng::with_seed(work.seed.wrapping_mul(256).wrapping_add(thread.into()));
        let recorder = Recorder::new(thread, Arc::clone(&output));
        Hand { larder: &larder, writer: &writer, is_near, random, recorder }
    };
    thread::scope(|scope| {
        for thread in 0..work.n_threads {
            let (mut hand, is_over) = (hand(thread), &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    if hand.random.u8(..100) < n_writes { hand.write() } else { hand.read() }
                }
                hand.recorder.flush();
            });
        }
        // Nothing is ever said there.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        is_over.store(true, Ordering::Relaxed);
    });
    pass(LINGER);
    // A store that was away is filled again little by little. Of one that stays away the look itself tells.
    wait_until(RECOVERY, || larder.breaker().is_none_or(|breaker| breaker.state == BreakerState::Closed));
    hand(0).look_at_all();
    Ok(())
}

/// One thread of a worker.
struct Hand<'a> {
    larder: &'a Larder<Pg>,
    /// Through which it writes: the same, but for a control.
    writer: &'a Larder<Pg>,
    /// Whether the handle keeps rows near.
    is_near: bool,
    random: fastrand::Rng,
    recorder: Recorder,
}

impl Hand<'_> {
    fn user(&mut self) -> u16 {
        self.random.u16(..crate::world::USERS)
    }

    fn order(&mut self) -> u16 {
        self.random.u16(..crate::world::ORDERS)
    }

    fn stamp(&mut self) -> u32 {
        self.random.u32(1..crate::world::STAMPS)
    }
}
