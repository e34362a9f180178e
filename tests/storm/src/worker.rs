//! One process of the program under load: it reads and writes, and tells on its output what it did.

mod bounded;
mod recorder;
mod strict;

use std::{process, time::Duration};

use crate::{
    Result,
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
        let (cache, url) = (site.cache.word(), |url: &String| url.clone());
        let numbers = [n_threads.to_string(), seed.to_string()];
        let texts = [Self::WORD.to_owned(), url(&site.database_url), url(&site.redis_url), cache];
        texts.into_iter().chain(numbers).collect()
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

/// Works until the input ends, which it does too when the runner is no more.
pub fn work(work: &Work) -> Result<()> {
    if matches!(work.site.cache, Cache::Strict(_)) { strict::work(work) } else { bounded::work(work) }
}

/// Ends the process: there is nobody left to tell.
fn nobody_listens() -> ! {
    process::exit(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flawed::Flaw;

    #[test]
    fn a_worker_is_what_its_arguments_say() {
        let near = Flaw::ALL.into_iter().flat_map(|(flaw, _)| [Cache::Near(flaw), Cache::Strict(flaw)]);
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
