use std::ffi::OsString;

use crate::{environment::Environment, failure::Failure, runner::Runner};

/// Runs the benches against servers that keep their word: a commit waits for the disk, as it does in production.
pub(crate) fn run(runner: &Runner, arguments: Vec<OsString>) -> Result<(), Failure> {
    let environment = Environment::start(runner, true)?;
    eprintln!("# {}", environment.describe());
    let mut command = runner.cargo(["bench", "--package", "tests", "--bench", "ratios"]);
    if !arguments.is_empty() {
        command.arg("--").args(arguments);
    }
    runner.pass(environment.apply(&mut command))
}
