use std::ffi::OsString;

use crate::{environment::Environment, failure::Failure, runner::Runner};

/// What there is to measure, in which package by which name.
const BENCHES: [(&str, [&str; 2]); 8] = [
    ("ratios", ["tests", "ratios"]),
    ("near", ["tests", "near"]),
    ("bad-days", ["tests", "bad-days"]),
    ("queries", ["tests", "queries"]),
    ("behind", ["tests", "behind"]),
    ("shop", ["shop", "load"]),
    ("doctor", ["shop-import", "doctor"]),
    ("partitions", ["tests", "partitions"]),
];

/// Runs the benches against servers that keep their word: a commit waits for the disk, as it does in production.
///
/// The first argument may name one of [`BENCHES`]; the first of them is meant if it does not.
pub(crate) fn run(runner: &Runner, mut arguments: Vec<OsString>) -> Result<(), Failure> {
    let named = BENCHES.iter().find(|bench| arguments.first().is_some_and(|first| first == bench.0));
    if named.is_some() {
        arguments.remove(0);
    }
    let environment = Environment::start(runner, true)?;
    eprintln!("# {}", environment.describe());
    let (_, [package, bench]) = named.unwrap_or(&BENCHES[0]);
    let mut command = runner.cargo(["bench", "--package", package, "--bench", bench]);
    if !arguments.is_empty() {
        command.arg("--").args(arguments);
    }
    runner.pass(environment.apply(&mut command))
}
