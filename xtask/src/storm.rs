use std::ffi::OsString;

use crate::{failure::Failure, needs, runner::Runner};

/// Breaks things under several processes that read and write through larder. The program starts servers of its own: it has to kill them.
pub(crate) fn run(runner: &Runner, arguments: Vec<OsString>) -> Result<(), Failure> {
    needs::install(runner)?;
    let mut command = runner.cargo(["run", "--quiet", "--package", "storm", "--"]);
    runner.pass(command.args(arguments))
}
