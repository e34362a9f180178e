//! Which keys somebody refreshes, and which are left alone for a while.

use std::{
    collections::{HashSet, VecDeque},
    time::Instant,
};

/// How many keys may be claimed. Those beyond are left to expire.
const MAX_CLAIMED: usize = 4_096;

/// Keys that are claimed, by their hashes. Of two keys with one hash only one is refreshed at a time.
#[derive(Default)]
pub(super) struct Claims {
    claimed: HashSet<u64>,
    /// Of the claimed ones those that were given back in vain, and until when nobody takes them: in that order, for all pauses are equally
    /// long. So nobody who finds no room has to look at all that are claimed.
    paused: VecDeque<(Instant, u64)>,
}

impl Claims {
    /// Claims keys that nobody has, each given with its hash: those for which there is room.
    pub(super) fn claim<T>(&mut self, keys: impl IntoIterator<Item = (u64, T)>, now: Instant) -> Vec<T> {
        while let Some((_, hash)) = self.paused.pop_front_if(|(until, _)| *until <= now) {
            self.claimed.remove(&hash);
        }
        let mut claimed = Vec::new();
        for (hash, key) in keys {
            if self.claimed.len() >= MAX_CLAIMED {
                break;
            }
            if self.claimed.insert(hash) {
                claimed.push(key);
            }
        }
        claimed
    }

    /// Gives back keys that are done, and in vain those that are not: nobody claims these until then.
    pub(super) fn release(&mut self, keys: impl IntoIterator<Item = (u64, bool)>, until: Instant) {
        for (hash, is_done) in keys {
            if is_done {
                self.claimed.remove(&hash);
            } else {
                self.paused.push_back((until, hash));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn hashed(keys: impl IntoIterator<Item = u64>) -> impl Iterator<Item = (u64, u64)> {
        keys.into_iter().map(|key| (key, key))
    }

    #[test]
    fn a_key_is_claimed_once_until_it_is_done_or_its_pause_is_over() {
        let (mut claims, begun) = (Claims::default(), Instant::now());
        assert_eq!(claims.claim(hashed([1, 2, 1]), begun), [1, 2]);
        assert_eq!(claims.claim(hashed([1, 2, 3]), begun), [3]);
        claims.release([(1, true), (2, false)], begun + SECOND);
        assert_eq!(claims.claim(hashed([1, 2, 3]), begun + SECOND / 2), [1]);
        assert_eq!(claims.claim(hashed([1, 2, 3]), begun + SECOND), [2]);
        // Its pause ends once.
        assert_eq!(claims.claim(hashed([1, 2, 3]), begun + 2 * SECOND), [0; 0]);
    }

    #[test]
    fn where_there_is_no_room_the_rest_is_not_looked_at() {
        let (mut claims, begun) = (Claims::default(), Instant::now());
        let max = MAX_CLAIMED as u64;
        let mut n_seen = 0;
        assert_eq!(claims.claim(hashed(1..2 * max).inspect(|_| n_seen += 1), begun).len(), MAX_CLAIMED);
        assert_eq!(n_seen, MAX_CLAIMED + 1);
        claims.release([(7, true), (8, false)], begun + SECOND);
        assert_eq!(claims.claim(hashed([max + 1, max + 2]), begun), [max + 1]);
        assert_eq!(claims.claim(hashed([max + 1, max + 2, 8]), begun + SECOND), [max + 2]);
    }

    #[test]
    fn all_that_were_given_back_in_vain_make_room_when_their_pauses_are_over() {
        let (mut claims, begun) = (Claims::default(), Instant::now());
        let max = MAX_CLAIMED as u64;
        claims.claim(hashed(0..max), begun);
        claims.release((0..max).map(|hash| (hash, false)), begun + SECOND);
        assert_eq!(claims.claim(hashed(0..max), begun + SECOND / 2).len(), 0);
        assert_eq!(claims.claim(hashed(max..2 * max), begun + SECOND).len(), MAX_CLAIMED);
        assert!(claims.paused.is_empty());
    }
}
