use crate::{failure::Failure, runner::Runner};

/// Searches the protocol's model, whole: the package `model` says what there is, and prints it.
pub(crate) fn run(runner: &Runner, filters: &[String], traces: bool) -> Result<(), Failure> {
    let mut command = runner.cargo(["run", "--quiet", "--package", "model", "--"]);
    if traces {
        command.arg("--trace");
    }
    // What comes after this is a filter, whatever it looks like.
    command.arg("--").args(filters);
    runner.pass(&mut command)
}
