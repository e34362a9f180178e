use std::{
    panic,
    sync::{Condvar, Mutex, MutexGuard},
    time::Duration,
};

use fastrand::Rng;
use larder::failpoints::Point;

/// What a thread ends with that is stopped for good at a step.
pub(super) struct Killed;

/// Only a schedule that is broken waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets exactly one of several threads go on at a time, in an order that a seed draws.
pub(super) struct Stage {
    show: Mutex<Show>,
    turns: Condvar,
}

struct Show {
    random: Rng,
    running: usize,
    actors: Vec<Actor>,
    /// SQLite has one writer at a time: another one would wait for it with the turn in its hands.
    writing: Option<usize>,
    kills: bool,
    n_steps: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Actor {
    Goes,
    WantsToWrite,
    Left,
}

impl Stage {
    pub(super) fn new(seed: u64, n_actors: usize) -> Self {
        let mut random = Rng::with_seed(seed);
        let (running, kills) = (random.usize(..n_actors), random.u8(..3) == 0);
        let actors = vec![Actor::Goes; n_actors];
        Self {
            show: Mutex::new(Show { random, running, actors, writing: None, kills, n_steps: 0 }),
            turns: Condvar::new(),
        }
    }

    fn show(&self) -> MutexGuard<'_, Show> {
        self.show.lock().unwrap()
    }

    fn await_turn<'s>(&'s self, me: usize, show: MutexGuard<'s, Show>) -> MutexGuard<'s, Show> {
        let (show, waited) = self.turns.wait_timeout_while(show, PATIENCE, |show| show.running != me).unwrap();
        assert!(!waited.timed_out(), "{me} waited in vain for {}", show.running);
        show
    }

    fn pass<'s>(&'s self, me: usize, mut show: MutexGuard<'s, Show>) -> MutexGuard<'s, Show> {
        show.choose();
        self.turns.notify_all();
        self.await_turn(me, show)
    }

    /// Comes on: waits for the first turn.
    pub(super) fn enter(&self, me: usize) {
        drop(self.await_turn(me, self.show()));
    }

    /// Comes to a place between two steps: others may go on meanwhile, and it may be the end of this one.
    pub(super) fn step(&self, me: usize, point: Point) {
        let mut show = self.show();
        show.n_steps += 1;
        if point == Point::AfterCommit && show.writing == Some(me) {
            show.writing = None;
        }
        let mut show = self.pass(me, show);
        if show.kills && show.random.u8(..40) == 0 {
            drop(show);
            // Unlike `panic_any` it says nothing.
            panic::resume_unwind(Box::new(Killed));
        }
    }

    /// Waits until nobody else writes.
    pub(super) fn begin_to_write(&self, me: usize) {
        let mut show = self.show();
        show.actors[me] = Actor::WantsToWrite;
        let mut show = self.pass(me, show);
        (show.actors[me], show.writing) = (Actor::Goes, Some(me));
    }

    /// A deed is done, or its actor was killed in it.
    pub(super) fn end(&self, me: usize) {
        let mut show = self.show();
        if show.writing == Some(me) {
            show.writing = None;
        }
        drop(self.pass(me, show));
    }

    /// Has nothing more to do: how many steps were taken so far.
    pub(super) fn leave(&self, me: usize) -> usize {
        let mut show = self.show();
        show.actors[me] = Actor::Left;
        show.choose();
        self.turns.notify_all();
        show.n_steps
    }
}

impl Show {
    fn choose(&mut self) {
        let may = |actor: &Actor| match actor {
            Actor::Goes => true,
            Actor::WantsToWrite => self.writing.is_none(),
            Actor::Left => false,
        };
        let able: Vec<usize> = (0..self.actors.len()).filter(|at| may(&self.actors[*at])).collect();
        if let Some(next) = self.random.choice(able) {
            self.running = next;
        }
    }
}
