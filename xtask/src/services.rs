use std::{ffi::OsString, process::Command};

use crate::{environment::Environment, failure::Failure, runner::Runner};

pub(crate) fn run(runner: &Runner, fast: bool, command: Vec<OsString>) -> Result<(), Failure> {
    let environment = Environment::with_every_database(runner, !fast)?;
    let mut words = command.into_iter();
    if let Some(program) = words.next() {
        return runner.pass(environment.apply(Command::new(program).args(words)));
    }
    for (name, url) in environment.variables() {
        println!("export {name}={url}");
    }
    eprintln!("# {}; until Ctrl-C", environment.describe());
    runner.wait();
    eprintln!("# stopping");
    Ok(())
}
