//! The states of a breaker, and what leads from one to another. Knows no store, and starts no thread.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{BreakerOptions, BreakerState, BreakerStats, ramp::Ramp};
use crate::store::StoreError;

/// For how many times as long as a call may take none must have been good, before slow ones count: where many threads want the processor
/// or a connection at once, most of them wait, and some don't. The rule is CoDel's, which tells a queue that stands from one that moves by its
/// shortest wait (Nichols and Jacobson, 2012).
const WAITS: u32 = 4;

/// No call was good yet.
const NEVER: u64 = u64::MAX;

/// How many probes in a row must be good.
const GOOD_PROBES: u32 = 3;

pub(super) struct Circuit {
    options: BreakerOptions,
    /// The state, and how often it has changed: what every call asks, without a lock.
    word: AtomicU64,
    /// Whether a good call changes anything: nearly every one finds that it does not, without a lock.
    has_failures: AtomicBool,
    /// When the last good call ended, in nanoseconds, or [`NEVER`].
    last_good: AtomicU64,
    inner: Mutex<Inner>,
    /// Told of every change of the state, and of the breaker's end.
    changed: Condvar,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    opened: AtomicU64,
    spared: AtomicU64,
    probes: AtomicU64,
    held_back: AtomicU64,
}

struct Inner {
    phase: Phase,
    /// The last calls, a bit each; 1 is a failure.
    recent: u64,
    /// Before the next probe.
    pause: Duration,
    is_watched: bool,
    is_gone: bool,
}

enum Phase {
    Closed,
    Open { n_good: u32, is_silent: bool, cause: String },
    Recovering(Ramp),
}

impl Phase {
    fn state(&self) -> BreakerState {
        match self {
            Self::Closed => BreakerState::Closed,
            Self::Open { .. } => BreakerState::Open,
            Self::Recovering(_) => BreakerState::Recovering,
        }
    }
}

/// A call, and the state in which it was sent: what it brings says nothing of a later one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call(u64);

/// How a call has ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome<'e> {
    Good,
    /// It was answered, and in what time says nothing.
    Answered,
    Slow(Duration),
    Failed(&'e StoreError),
}

impl Outcome<'_> {
    fn is_good(self) -> bool {
        matches!(self, Self::Good)
    }

    /// Whether somebody waited for too long, which may be his own doing.
    fn is_wait(self) -> bool {
        match self {
            Self::Good | Self::Answered => false,
            Self::Slow(_) => true,
            Self::Failed(error) => error.is_timeout(),
        }
    }

    /// Whether nothing was heard of the store.
    fn is_silence(self) -> bool {
        matches!(self, Self::Failed(error) if !error.is_refused())
    }

    fn describe(self) -> String {
        match self {
            Self::Good | Self::Answered => String::new(),
            Self::Slow(took) => format!("a call took {took:?}"),
            Self::Failed(error) => match std::error::Error::source(error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            },
        }
    }
}

/// What the watch does after a probe.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Probe { after: Duration },
    Recover,
}

/// How a recovery has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recovery {
    Closed,
    Reopened,
    Gone,
}

impl Circuit {
    pub(super) fn new(options: BreakerOptions) -> Self {
        let pause = options.first_pause;
        let inner = Inner { phase: Phase::Closed, recent: 0, pause, is_watched: false, is_gone: false };
        Self {
            options,
            word: AtomicU64::new(word(0, BreakerState::Closed)),
            has_failures: AtomicBool::new(false),
            last_good: AtomicU64::new(NEVER),
            inner: Mutex::new(inner),
            changed: Condvar::new(),
            counts: Counts::default(),
        }
    }

    pub(super) fn options(&self) -> &BreakerOptions {
        &self.options
    }

    pub(super) fn now(&self) -> Duration {
        self.options.clock.now()
    }

    pub(super) fn state(&self) -> BreakerState {
        state_of(self.word.load(Ordering::Acquire))
    }

    pub(super) fn stats(&self) -> BreakerStats {
        let Counts { opened, spared, probes, held_back } = &self.counts;
        let [n_opened, n_spared, n_probes, n_held_back] =
            [opened, spared, probes, held_back].map(|count| count.load(Ordering::Relaxed));
        BreakerStats { state: self.state(), n_opened, n_spared, n_probes, n_held_back }
    }

    /// Whether the breaker is open, and nothing was heard of the store when it was asked last.
    pub(super) fn is_silent(&self) -> bool {
        self.state() == BreakerState::Open && matches!(self.inner().phase, Phase::Open { is_silent: true, .. })
    }

    /// Why the breaker is open.
    pub(super) fn cause(&self) -> Option<String> {
        match &self.inner().phase {
            Phase::Open { cause, .. } => Some(cause.clone()),
            _ => None,
        }
    }

    /// A call that the store may be spared: `None` while the breaker is open.
    pub(super) fn admit(&self) -> Option<Call> {
        let call = self.pass();
        if state_of(call.0) == BreakerState::Open {
            self.counts.spared.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(call)
    }

    /// A call that is made in any state.
    pub(super) fn pass(&self) -> Call {
        Call(self.word.load(Ordering::Acquire))
    }

    /// Takes down how a call has ended: whether the caller is to start a watch.
    pub(super) fn note(&self, call: Call, outcome: Outcome<'_>) -> bool {
        if outcome.is_good() {
            self.last_good.store(nanoseconds(self.now()), Ordering::Relaxed);
        } else if outcome.is_wait() && self.was_good_lately() {
            // It is the caller who is short of time or connections: the store answers others in time.
            return false;
        }
        let is_bad = !matches!(outcome, Outcome::Good | Outcome::Answered);
        if !is_bad && !self.has_failures.load(Ordering::Relaxed) {
            return false;
        }
        let mut inner = self.inner();
        if call.0 != self.word.load(Ordering::Acquire) {
            return false;
        }
        if let Phase::Open { n_good, is_silent, .. } = &mut inner.phase {
            // A store that answers probes and fails writers has not recovered.
            *n_good = if is_bad { 0 } else { *n_good };
            *is_silent = outcome.is_silence();
            return false;
        }
        if matches!(outcome, Outcome::Answered) {
            return false;
        }
        let n_calls = 2 * self.options.failures;
        inner.recent = (inner.recent << 1 | u64::from(is_bad)) & (u64::MAX >> (64 - n_calls));
        self.has_failures.store(inner.recent != 0, Ordering::Relaxed);
        if !is_bad || inner.recent.count_ones() < self.options.failures {
            return false;
        }
        // A store that has recovered only to fail again is given more time.
        let BreakerOptions { first_pause, last_pause, .. } = self.options;
        let is_again = matches!(inner.phase, Phase::Recovering(_));
        inner.pause = if is_again { (inner.pause * 2).min(last_pause) } else { first_pause };
        self.counts.opened.fetch_add(1, Ordering::Relaxed);
        let (is_silent, cause) = (outcome.is_silence(), outcome.describe());
        self.enter(&mut inner, Phase::Open { n_good: 0, is_silent, cause });
        !std::mem::replace(&mut inner.is_watched, true)
    }

    /// Whether a call was good while those that are slow now were on their way, or but for a moment.
    fn was_good_lately(&self) -> bool {
        let last_good = self.last_good.load(Ordering::Relaxed);
        let since = self.now().saturating_sub(Duration::from_nanos(last_good));
        last_good != NEVER && since < self.options.slow.saturating_mul(WAITS)
    }

    /// Closes the breaker, since nobody can watch the store.
    pub(super) fn give_up(&self) {
        let mut inner = self.inner();
        inner.is_watched = false;
        self.close(&mut inner);
    }

    /// The breaker is not needed any more.
    pub(super) fn go(&self) {
        self.inner().is_gone = true;
        self.changed.notify_all();
    }

    /// The pause before the first probe.
    pub(super) fn first_pause(&self) -> Duration {
        jittered(self.inner().pause)
    }

    /// Waits so long, unless the breaker goes: whether it is still there.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.inner(), time, |inner| !inner.is_gone);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_gone
    }

    /// Takes down how a probe has ended.
    pub(super) fn probed(&self, outcome: Outcome<'_>) -> Next {
        self.counts.probes.fetch_add(1, Ordering::Relaxed);
        let mut inner = self.inner();
        let inner = &mut *inner;
        let Phase::Open { n_good, is_silent, .. } = &mut inner.phase else { return Next::Recover };
        *is_silent = outcome.is_silence();
        if !outcome.is_good() {
            *n_good = 0;
            inner.pause = (inner.pause * 2).min(self.options.last_pause);
            return Next::Probe { after: jittered(inner.pause) };
        }
        *n_good += 1;
        if *n_good < GOOD_PROBES {
            return Next::Probe { after: self.options.first_pause };
        }
        inner.recent = 0;
        self.has_failures.store(false, Ordering::Relaxed);
        self.enter(inner, Phase::Recovering(Ramp::new(self.now())));
        Next::Recover
    }

    /// Whether a call for leases on so many misses must not be made, since the store is only just back.
    pub(super) fn holds_back(&self, n_misses: usize) -> bool {
        if self.state() != BreakerState::Recovering {
            return false;
        }
        let now = self.now();
        let Phase::Recovering(ramp) = &mut self.inner().phase else { return false };
        let is_admitted = ramp.admits(self.options.ramp, now);
        if !is_admitted {
            self.counts.held_back.fetch_add(n_misses as u64, Ordering::Relaxed);
        }
        !is_admitted
    }

    /// The store has granted leases, or refused all of a call.
    pub(super) fn leased(&self, has_granted: bool) {
        if self.state() != BreakerState::Recovering {
            return;
        }
        let now = self.now();
        if let Phase::Recovering(ramp) = &mut self.inner().phase {
            ramp.answered(has_granted, now);
        }
    }

    /// Waits until a recovery has ended.
    pub(super) fn wait_for_recovery(&self) -> Recovery {
        let mut inner = self.inner();
        loop {
            let left = match &inner.phase {
                _ if inner.is_gone => return Recovery::Gone,
                Phase::Open { .. } => return Recovery::Reopened,
                Phase::Closed => return Recovery::Closed,
                Phase::Recovering(ramp) => ramp.left(self.options.ramp, self.now()),
            };
            inner = match left {
                Duration::ZERO => {
                    self.close(&mut inner);
                    return Recovery::Closed;
                }
                left => self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Has the watch look at the clock again: it waits by the system's, and a test's may have gone on meanwhile.
    #[cfg(test)]
    pub(super) fn look_again(&self) {
        self.changed.notify_all();
    }

    /// The watch wants to end: whether it may, since the breaker has not opened again.
    pub(super) fn is_unwatched(&self) -> bool {
        let mut inner = self.inner();
        inner.is_watched = matches!(inner.phase, Phase::Open { .. });
        !inner.is_watched
    }

    fn close(&self, inner: &mut Inner) {
        inner.recent = 0;
        inner.pause = self.options.first_pause;
        self.has_failures.store(false, Ordering::Relaxed);
        self.enter(inner, Phase::Closed);
    }

    fn enter(&self, inner: &mut Inner, phase: Phase) {
        let n_changes = (self.word.load(Ordering::Acquire) >> 2) + 1;
        self.word.store(word(n_changes, phase.state()), Ordering::Release);
        inner.phase = phase;
        self.changed.notify_all();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing that can panic halfway through a change runs under this lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER)
}

fn word(n_changes: u64, state: BreakerState) -> u64 {
    n_changes << 2 | state as u64
}

fn state_of(word: u64) -> BreakerState {
    match word & 3 {
        0 => BreakerState::Closed,
        1 => BreakerState::Open,
        _ => BreakerState::Recovering,
    }
}

/// Half of a pause, and as much of the other half as chance will have it: many processes must not come all at once.
fn jittered(pause: Duration) -> Duration {
    // Without randomness it is only longer than it might be.
    let share = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
    pause.mul_f64(share.mul_add(0.5, 0.5))
}

#[cfg(test)]
mod tests;
