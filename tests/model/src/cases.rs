//! What is searched, and what is expected of it: the one list that the tests and `cargo xtask model` share.

mod ablations;
mod available;
mod elsewhere;
mod faults;
mod near;
mod queries;
mod refresh;

mod strict;
mod tokens;
mod unique;
mod verify;
mod views;

use crate::{
    near::setup::Near,
    properties::{Finding, Verdict},
    queries::setup::Queries,
    rules::Rule,
    search::Outcome,
    setup::Setup,
    views::setup::Views,
};

/// One of the four machines, and how it is set up.
#[derive(Debug, Clone, Copy)]
pub enum World {
    /// The cell in the store.
    Cell(Setup),
    /// The near cache of a process or two.
    Near(Near),
    /// A cached query, and what it depends on.
    Queries(Queries),
    /// Trees under the keys of their roots.
    Views(Views),
}

impl World {
    /// Searches every interleaving, or as many as it takes to come to `at_most` states.
    #[must_use]
    pub fn search(&self, at_most: usize) -> Outcome {
        match self {
            Self::Cell(setup) => setup.search(at_most),
            Self::Near(setup) => setup.search(at_most),
            Self::Queries(setup) => setup.search(at_most),
            Self::Views(setup) => setup.search(at_most),
        }
    }

    fn without(self, rule: Rule) -> Self {
        match self {
            Self::Cell(setup) => Self::Cell(setup.without(rule)),
            Self::Near(setup) => Self::Near(setup.without(rule)),
            Self::Queries(setup) => Self::Queries(setup.without(rule)),
            Self::Views(setup) => Self::Views(setup.without(rule)),
        }
    }
}

impl From<Setup> for World {
    fn from(setup: Setup) -> Self {
        Self::Cell(setup)
    }
}

impl From<Near> for World {
    fn from(setup: Near) -> Self {
        Self::Near(setup)
    }
}

impl From<Queries> for World {
    fn from(setup: Queries) -> Self {
        Self::Queries(setup)
    }
}

impl From<Views> for World {
    fn from(setup: Views) -> Self {
        Self::Views(setup)
    }
}

/// One configuration and its verdict.
#[derive(Debug)]
pub struct Case {
    /// `group: variant, fault`.
    pub name: String,
    /// What is searched.
    pub setup: World,
    /// What comes out.
    pub expected: Verdict,
    /// The rule that was taken out, and what comes out where it is left in.
    pub ablation: Option<(Rule, Verdict)>,
}

const NONE: Verdict = Verdict::NONE;
const GAP: Verdict = Verdict::of(&[Finding::Gap]);
const LAG: Verdict = Verdict::of(&[Finding::Lag]);
const TIMER: Verdict = Verdict::of(&[Finding::Timer]);
const UNBOUNDED: Verdict = Verdict::of(&[Finding::Unbounded]);

/// Every case, group by group.
#[must_use]
pub fn all() -> Vec<Case> {
    [
        faults::cases(),
        ablations::cases(),
        unique::cases(),
        available::cases(),
        elsewhere::cases(),
        verify::cases(),
        refresh::cases(),
        near::cases(),
        tokens::cases(),
        strict::cases(),
        queries::cases(),
        views::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn case(name: impl Into<String>, setup: impl Into<World>, expected: Verdict) -> Case {
    Case { name: name.into(), setup: setup.into(), expected, ablation: None }
}

/// A rule, where it matters, and what comes out with it and without it.
struct Ablation {
    rule: Rule,
    fault: &'static str,
    setup: World,
    with: Verdict,
    without: Verdict,
}

impl Ablation {
    /// Both are searched.
    fn cases(&self, group: &str) -> [Case; 2] {
        let Self { rule, fault, setup, with, without } = *self;
        let mut removed = case(format!("{group}: without {rule:?}, {fault}"), setup.without(rule), without);
        removed.ablation = Some((rule, with));
        [case(format!("{group}: with {rule:?}, {fault}"), setup, with), removed]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_fault_that_breaks_it_when_it_is_taken_out() {
        let all = all();
        for rule in Rule::ALL {
            let ablations: Vec<_> =
                all.iter().filter(|case| case.ablation.is_some_and(|(removed, _)| removed == *rule)).collect();
            let is_broken = |case: &&Case| case.ablation.is_some_and(|(_, with)| with != case.expected);
            assert!(ablations.iter().any(is_broken), "{rule:?}");
        }
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut names: Vec<_> = all().into_iter().map(|case| case.name).collect();
        names.sort_unstable();
        let doubles: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(doubles.is_empty(), "{doubles:?}");
    }
}
