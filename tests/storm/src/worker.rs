//! One process of the program under load: it reads and writes, and tells on its output what it did.

mod reads;
mod recorder;
mod writes;

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::AsFd as _,
    process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use diesel::pg::Pg;
use larder::Larder;

use self::recorder::Recorder;
use crate::{
    Result,
    flawed::Flaw,
    pace::pass,
    site::{Cache, HOLD, Site},
};

/// What a worker is told when it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    pub(crate) site: Site,
    pub(crate) n_threads: u8,
    pub(crate) seed: u64,
}

impl Work {
    /// The first argument of the program when it is a worker.
    pub const WORD: &str = "work";

    /// The arguments by which the program becomes this worker.
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        let Self { site, n_threads, seed } = self;
        let cache = site.cache.word();
        let numbers = [n_threads.to_string(), seed.to_string()];
        [&[Self::WORD, &site.database_url, &site.redis_url, cache].map(str::to_owned)[..], &numbers].concat()
    }

    /// The worker that those arguments tell of, without the first: `None` if they tell of none.
    #[must_use]
    pub fn from_arguments(arguments: Vec<String>) -> Option<Self> {
        let [database_url, redis_url, cache, n_threads, seed] = <[String; 5]>::try_from(arguments).ok()?;
        let site = Site { database_url, redis_url, cache: Cache::from_word(&cache)? };
        Some(Self { site, n_threads: n_threads.parse().ok()?, seed: seed.parse().ok()? })
    }
}

/// A worker stays for so long after its last operation: its handle has settled by then what it did not know the end of, and the markers
/// of every worker have expired, those of killed ones too.
const LINGER: Duration = HOLD.saturating_add(Duration::from_millis(300));

/// Of a hundred operations so many are writes.
const WRITES: u8 = 30;
/// The same where rows are kept near, which is for what is read more than it is written.
const FEW_WRITES: u8 = 4;

/// Works until the input ends, which it does too when the runner is no more.
pub fn work(work: &Work) -> Result<()> {
    let larder = work.site.larder(work.n_threads.into())?;
    let cache = work.site.cache;
    let writer = match cache {
        Cache::Near(Flaw::WritesElsewhere) => {
            Site { cache: Cache::Larder, ..work.site.clone() }.larder(work.n_threads.into())?
        }
        _ => larder.clone(),
    };
    let is_near = matches!(cache, Cache::Near(_));
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

/// Ends the process: there is nobody left to tell.
fn nobody_listens() -> ! {
    process::exit(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_what_its_arguments_say() {
        let near = Flaw::ALL.map(|(flaw, _)| Cache::Near(flaw));
        for cache in [Cache::Larder, Cache::Naive].into_iter().chain(near) {
            let site = Site { database_url: "postgres://x".to_owned(), redis_url: "redis://y".to_owned(), cache };
            let work = Work { site, n_threads: 2, seed: 7 };
            let arguments = work.to_arguments();
            assert_eq!(arguments[0], Work::WORD);
            assert_eq!(Work::from_arguments(arguments[1..].to_vec()), Some(work));
        }
        assert_eq!(Work::from_arguments(vec!["x".to_owned()]), None);
    }
}
