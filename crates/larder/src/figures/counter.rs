//! Counters.

use std::{
    cell::Cell,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    /// Counts one more: whether it is the one that is meant of each `n`. Which one that is differs from `n` to `n`, so that whoever counts the
    /// same things over and over in the same order means all of them in turn.
    pub(crate) fn one_of(&self, n: u64) -> bool {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        let (turn, place) = (before / n, before % n);
        u128::from(place) == (u128::from(mixed(turn)) * u128::from(n)) >> u64::BITS
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The `n`th number of SplitMix64 (Steele, Lea, Flood 2014). Multiples of the golden ratio alone would be more even, but not for whoever comes
/// back after a Fibonacci number of them.
fn mixed(n: u64) -> u64 {
    let mut bits = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// How many threads have a line of their own.
const OWN: usize = 32;
/// How many lines the others share.
const SHARED: usize = 8;

/// A counter that many threads count up at once without waiting for each other's memory.
///
/// A thread that has a line to itself needs no locked instruction to add to it: that is what makes it cost about a nanosecond.
pub(crate) struct Striped([Line; OWN + SHARED]);

#[derive(Default)]
#[repr(align(64))]
struct Line(AtomicU64);

impl Default for Striped {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Line::default()))
    }
}

impl Striped {
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        let seat = SEAT.get();
        match self.0.get(seat) {
            // Nobody else writes this line while the thread has its seat.
            Some(Line(line)) if seat < OWN => {
                line.store(line.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed)
            }
            Some(Line(line)) => _ = line.fetch_add(n, Ordering::Relaxed),
            None => self.add_without_seat(n),
        }
    }

    #[cold]
    fn add_without_seat(&self, n: u64) {
        let seat = sit_down();
        self.0[seat].0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.iter().map(|Line(line)| line.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}

/// The number of no seat.
const STANDING: usize = usize::MAX;

thread_local! {
    /// Where this thread counts: at a line of its own, or at a shared one. It has no destructor, so that reading it is one load.
    static SEAT: Cell<usize> = const { Cell::new(STANDING) };
    /// Gives the seat back when the thread ends.
    static TICKET: Cell<Option<Ticket>> = const { Cell::new(None) };
}

/// Seats that nobody has, of those that are one thread's own.
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());
/// How many of them have been given out for the first time.
static GIVEN: AtomicUsize = AtomicUsize::new(0);
static N_SHARING: AtomicUsize = AtomicUsize::new(0);

struct Ticket(usize);

impl Drop for Ticket {
    fn drop(&mut self) {
        // What the thread counts from now on, it counts beside others. The lock hands the line over to the next one who has the seat.
        SEAT.set(shared_seat());
        FREE.lock().unwrap_or_else(PoisonError::into_inner).push(self.0);
    }
}

fn shared_seat() -> usize {
    OWN + N_SHARING.fetch_add(1, Ordering::Relaxed) % SHARED
}

fn sit_down() -> usize {
    let own = || {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.or_else(|| {
            let next = |given: usize| (given < OWN).then_some(given + 1);
            GIVEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()
        })
    };
    // A thread that is ending has nobody any more who would give its seat back.
    let is_ending = TICKET.try_with(|_| ()).is_err();
    let seat = match if is_ending { None } else { own() } {
        Some(seat) => {
            TICKET.set(Some(Ticket(seat)));
            seat
        }
        None => shared_seat(),
    };
    SEAT.set(seat);
    seat
}

#[cfg(test)]
mod tests {
    use std::{
        cell::OnceCell,
        sync::{Barrier, mpsc},
        thread,
    };

    use super::*;

    /// Those who take all seats leave none to the others.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    #[test]
    fn one_of_each_so_many_is_meant() {
        let counter = Counter::default();
        for _ in 0..1_000 {
            assert_eq!((0..64).filter(|_| counter.one_of(64)).count(), 1);
        }
        assert_eq!(counter.get(), 64_000);
    }

    #[test]
    fn what_is_counted_in_the_same_order_is_meant_in_turn() {
        for n_rounds in [1, 2, 3, 5, 8, 13, 21] {
            let (counter, n_keys) = (Counter::default(), 64 * n_rounds);
            let mut meant = vec![0; n_keys];
            (0..2_048).for_each(|_| meant.iter_mut().for_each(|meant| *meant += u32::from(counter.one_of(64))));
            let (least, most) = (meant.iter().min().unwrap(), meant.iter().max().unwrap());
            // 32 times each, if it were even.
            assert!(*least >= 8 && *most <= 64, "{n_keys} keys: {least} to {most} times");
        }
    }

    #[test]
    fn nothing_is_lost_of_what_many_threads_count_at_once() {
        const N_SHARING: usize = 3 * SHARED;
        // Long enough that those who share a seat really count at once.
        const N: usize = 500_000;
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        // Twice, so that seats are given on.
        for _ in 0..2 {
            let (counter, seated, counted) = (Striped::default(), Barrier::new(OWN + 1), Barrier::new(OWN + 1));
            let sharing = Barrier::new(N_SHARING);
            thread::scope(|scope| {
                for _ in 0..OWN {
                    scope.spawn(|| {
                        counter.add(1);
                        seated.wait();
                        (1..N).for_each(|_| counter.add(1));
                        counted.wait();
                    });
                }
                seated.wait();
                // Nobody has a seat to himself any more.
                for _ in 0..N_SHARING {
                    scope.spawn(|| {
                        sharing.wait();
                        (0..N).for_each(|_| counter.add(1));
                    });
                }
                counted.wait();
            });
            assert_eq!(counter.get(), (N * (OWN + N_SHARING)) as u64);
        }
    }

    #[test]
    fn two_threads_never_have_one_seat_of_their_own() {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let (n_threads, barrier) = (OWN + 4, Barrier::new(OWN + 4));
        let mut seats: Vec<usize> = thread::scope(|scope| {
            let sit = || {
                Striped::default().add(1);
                barrier.wait();
                SEAT.get()
            };
            let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(sit)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|seat| *seat < OWN).collect()
        });
        let n_seats = seats.len();
        seats.sort_unstable();
        seats.dedup();
        assert_eq!(seats.len(), n_seats);
    }

    #[test]
    fn who_counts_while_its_thread_ends_has_given_its_seat_back() {
        struct Late(mpsc::Sender<usize>);

        impl Drop for Late {
            fn drop(&mut self) {
                Striped::default().add(1);
                let _ = self.0.send(SEAT.get());
            }
        }

        thread_local! {
            static LATE: OnceCell<Late> = const { OnceCell::new() };
        }

        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let (sender, seats) = mpsc::channel();
        let sit = move || {
            // What is first there, goes last.
            LATE.with(|late| assert!(late.set(Late(sender)).is_ok()));
            Striped::default().add(1);
        };
        thread::spawn(sit).join().unwrap();
        assert!((OWN..OWN + SHARED).contains(&seats.recv().unwrap()));
    }
}
