use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Runs two sides in turn and prints their medians.
#[derive(Debug, Default)]
pub(crate) struct Duel {
    n_missed: usize,
}

impl Duel {
    /// Begins a group of cases.
    #[expect(clippy::unused_self, reason = "the table is the duel's")]
    pub(crate) fn title(&self, title: &str) {
        println!("\n| {title} | larder, µs | by hand, µs | ratio | goal |\n| --- | ---: | ---: | ---: | ---: |");
    }

    /// Runs both sides `n` times each, in turn, and a tenth of that before, to warm up.
    pub(crate) fn run<A, B>(
        &mut self,
        name: &str,
        goal: Option<f64>,
        n: usize,
        ours: impl FnMut() -> Option<A>,
        theirs: impl FnMut() -> Option<B>,
    ) {
        self.run_after(|| (), name, goal, n, ours, theirs);
    }

    /// As [`Duel::run`], with something to be done before each call that is not timed.
    pub(crate) fn run_after<A, B>(
        &mut self,
        prepare: impl Fn(),
        name: &str,
        goal: Option<f64>,
        n: usize,
        mut ours: impl FnMut() -> Option<A>,
        mut theirs: impl FnMut() -> Option<B>,
    ) {
        let (mut ours_took, mut theirs_took) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for round in 0..n + n / 10 {
            // Who comes second finds the processor's caches warm, so they take turns at that as well.
            for side in [round % 2, (round + 1) % 2] {
                prepare();
                let took = if side == 0 { timed(&mut ours) } else { timed(&mut theirs) };
                if round >= n / 10 {
                    if side == 0 { ours_took.push(took) } else { theirs_took.push(took) }
                }
            }
        }
        let (ours, theirs) = (median(ours_took), median(theirs_took));
        let ratio = ours / theirs;
        let verdict = goal.map_or(String::new(), |goal| {
            let missed = ratio > goal;
            self.n_missed += usize::from(missed);
            format!("{goal}{}", if missed { ", missed" } else { "" })
        });
        println!("| {name} | {ours:.2} | {theirs:.2} | {ratio:.2} | {verdict} |");
    }

    /// Tells how it went.
    pub(crate) fn finish(self) {
        println!("\n{} goals missed", self.n_missed);
    }
}

fn timed<T>(side: &mut impl FnMut() -> Option<T>) -> Duration {
    let start = Instant::now();
    let result = black_box(side());
    let took = start.elapsed();
    assert!(result.is_some(), "a side of a duel failed");
    took
}

/// In microseconds.
fn median(mut took: Vec<Duration>) -> f64 {
    took.sort_unstable();
    took[took.len() / 2].as_secs_f64() * 1e6
}
