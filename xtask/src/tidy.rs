use crate::{failure::Failure, runner::Runner};

pub(crate) fn run(runner: &Runner) -> Result<(), Failure> {
    println!("{}", runner.root().display());
    runner.check()
}
