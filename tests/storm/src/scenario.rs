//! What is broken, and what is promised all the same.

mod workers;

use std::{ops::Range, time::Duration};

use crate::{Result, arena::Arena, crew::Crew, pace::Pace, site::Cache};

/// Something that is broken again and again while workers read and write.
#[derive(Debug)]
pub struct Scenario {
    /// How it is called.
    pub name: &'static str,
    /// What is broken, in a sentence.
    pub breaks: &'static str,
    /// What may be stale all the same.
    pub bound: Bound,
    pub(crate) has_faults: bool,
    pub(crate) setting: fn() -> Setting,
    /// Breaks things and mends them, until the run is over.
    pub(crate) disturb: fn(&mut Storm) -> Result<()>,
}

/// What of a read may be stale. Whatever it is, nothing uncommitted is ever read, no acknowledged write is lost, and nothing is stale
/// when all is quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Nothing.
    Never,
    /// What has been out of date for no longer than this.
    Within(Duration),
    /// A control: there has to be something, also when all is quiet.
    Stale,
}

/// The servers that a scenario needs.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) cache: Cache,
    /// Whether workers reach the servers through proxies.
    pub(crate) is_proxied: bool,
    /// Whether Redis keeps an append-only file.
    pub(crate) appends: bool,
    /// Further settings of Redis.
    pub(crate) redis: &'static [(&'static str, &'static str)],
}

impl Setting {
    /// Nothing between workers and servers that forget what they had when they are killed.
    pub(crate) fn plain() -> Self {
        Self { cache: Cache::Larder, is_proxied: false, appends: false, redis: &[] }
    }
}

/// A run under way, as its scenario sees it.
#[derive(Debug)]
pub(crate) struct Storm {
    pub(crate) arena: Arena,
    pub(crate) crew: Crew,
    pub(crate) pace: Pace,
    pub(crate) dice: fastrand::Rng,
    pub(crate) n_faults: u64,
}

impl Storm {
    /// Lets some time pass, in milliseconds: whether the run goes on.
    pub(crate) fn wait(&mut self, range: Range<u64>) -> bool {
        let time = Duration::from_millis(self.dice.u64(range));
        self.pace.wait(time)
    }
}

/// Every scenario.
pub static ALL: &[Scenario] = &[workers::CALM, workers::NAIVE, workers::KILLED, workers::FROZEN];

/// The scenario of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}
