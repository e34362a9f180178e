use std::ffi::OsString;

use crate::{environment::Environment, failure::Failure, runner::Runner};

/// What there is to measure.
const BENCHES: [&str; 5] = ["ratios", "near", "bad-days", "queries", "behind"];

/// Runs the benches against servers that keep their word: a commit waits for the disk, as it does in production.
///
/// The first argument may name one of [`BENCHES`]; the first of them is meant if it does not.
pub(crate) fn run(runner: &Runner, mut arguments: Vec<OsString>) -> Result<(), Failure> {
    let named = BENCHES.iter().find(|bench| arguments.first().is_some_and(|first| first == **bench));
    if named.is_some() {
        arguments.remove(0);
    }
    let environment = Environment::start(runner, true)?;
    eprintln!("# {}", environment.describe());
    let mut command = runner.cargo(["bench", "--package", "tests", "--bench", named.unwrap_or(&BENCHES[0])]);
    if !arguments.is_empty() {
        command.arg("--").args(arguments);
    }
    runner.pass(environment.apply(&mut command))
}
