//! Every case has the verdict that is expected of it.

use model::{
    cases::{self, Case, World},
    run,
};

/// How many states of a case are searched here; `cargo xtask model` searches all.
fn at_most(case: &Case) -> usize {
    match case.setup {
        // What holds of the near cache, of queries and of view cells holds in large worlds; what breaks, breaks in small ones.
        World::Near(_) | World::Queries(_) if case.ablation.is_none() => 20_000,
        World::Views(_) if case.ablation.is_none() => 40_000,
        World::Cell(_) | World::Near(_) | World::Queries(_) | World::Views(_) => 200_000,
    }
}

#[test]
fn no_search_comes_upon_anything_that_is_not_expected() {
    let all = cases::all();
    let (mut n_done, mut n_complete, mut surprises) = (0, 0, Vec::new());
    run::each(&all, at_most, |case, outcome| {
        n_done += 1;
        n_complete += usize::from(outcome.is_complete);
        // What breaks without a rule is come upon early, and has to be.
        let is_expected = if outcome.is_complete || case.ablation.is_some() {
            outcome.verdict == case.expected
        } else {
            // What was not come upon yet may still come.
            outcome.verdict.is_within(case.expected)
        };
        if !is_expected {
            let traces: Vec<_> = outcome
                .traces
                .iter()
                .map(|(finding, trace)| format!("a shortest way to {finding:?}:\n{trace}"))
                .collect();
            surprises.push(format!(
                "{}\n{} instead of {}\n{}",
                case.name,
                outcome.verdict,
                case.expected,
                traces.join("\n")
            ));
        }
    });
    assert!(surprises.is_empty(), "{}", surprises.join("\n\n"));
    assert_eq!(n_done, all.len());
    assert!(2 * n_complete > n_done, "only {n_complete} of {n_done} cases were searched to the end");
}
