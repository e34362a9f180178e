use std::ffi::OsString;

use crate::{environment::Environment, failure::Failure, runner::Runner};

/// Plays schedules against servers that don't wait for the disk: only what is seen by others counts, and not what a power cut leaves.
pub(crate) fn run(runner: &Runner, arguments: Vec<OsString>) -> Result<(), Failure> {
    let environment = Environment::start(runner, false)?;
    eprintln!("# {}", environment.describe());
    let mut command = runner.cargo(["run", "--quiet", "--package", "torture", "--"]);
    command.args(arguments);
    runner.pass(environment.apply(&mut command))
}
