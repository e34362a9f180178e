/// A random number to begin with; without randomness, always the same.
pub(super) fn any_seed() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// A small deterministic generator (SplitMix64, Steele et al. 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Keeps some of the things that come by, each with the same chance (algorithm R, Vitter 1985).
pub(super) struct Sample<T> {
    kept: Vec<T>,
    size: usize,
    n_seen: u64,
    dice: Dice,
}

impl<T> Sample<T> {
    pub(super) fn new(size: usize, seed: u64) -> Self {
        Self { kept: Vec::new(), size, n_seen: 0, dice: Dice(seed) }
    }

    pub(super) fn offer(&mut self, thing: T) {
        self.n_seen += 1;
        if self.kept.len() < self.size {
            self.kept.push(thing);
            return;
        }
        let place = usize::try_from(self.dice.roll() % self.n_seen).unwrap_or(usize::MAX);
        if let Some(kept) = self.kept.get_mut(place) {
            *kept = thing;
        }
    }

    pub(super) fn into_kept(self) -> Vec<T> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(size: usize, of: u64, seed: u64) -> Vec<u64> {
        let mut sample = Sample::new(size, seed);
        (0..of).for_each(|thing| sample.offer(thing));
        sample.into_kept()
    }

    #[test]
    fn all_is_kept_of_what_is_not_more_than_wanted() {
        assert_eq!(drawn(5, 5, 1), [0, 1, 2, 3, 4]);
        assert_eq!(drawn(5, 3, 1), [0, 1, 2]);
        assert!(drawn(0, 100, 1).is_empty());
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        assert_eq!(drawn(10, 1_000, 7), drawn(10, 1_000, 7));
        assert_ne!(drawn(10, 1_000, 7), drawn(10, 1_000, 8));
    }

    #[test]
    fn early_and_late_ones_have_the_same_chance() {
        const N_RUNS: u64 = 2_000;
        let mut n_drawn = [0_u32; 10];
        for seed in 0..N_RUNS {
            for thing in drawn(5, 100, seed) {
                n_drawn[usize::try_from(thing / 10).unwrap()] += 1;
            }
        }
        // 1,000 are expected of each tenth, with a standard deviation of 30.
        assert!(n_drawn.iter().all(|n| (850..1_150).contains(n)), "{n_drawn:?}");
    }
}
