use std::{ffi::OsString, path::PathBuf, process::Command};

use crate::{environment::Environment, failure::Failure, runner::Runner, tools};

/// The version that printed the committed `schema.rs`; another may print it differently.
const VERSION: &str = "2.3.14";

/// Runs the diesel CLI in the caller's folder, on private servers unless `DATABASE_URL` is set.
pub(crate) fn run(runner: &Runner, arguments: Vec<OsString>) -> Result<(), Failure> {
    let program = install(runner)?;
    let environment = Environment::start(runner, false)?;
    runner.pass(environment.apply(Command::new(program).args(arguments)))
}

/// The diesel CLI, built if it isn't there yet: about a minute, once a version and user.
pub(crate) fn install(runner: &Runner) -> Result<PathBuf, Failure> {
    tools::keep(&format!("diesel_cli-{VERSION}-postgres"), "bin/diesel", |root| {
        // Unoptimized, it is built in half the time, and has to wait for the database anyway.
        println!("building diesel_cli {VERSION} into {}", root.display());
        let mut cargo = runner.cargo(["install", "diesel_cli", "--locked", "--quiet", "--debug", "--version", VERSION]);
        cargo.args(["--no-default-features", "--features", "postgres", "--root"]).arg(root);
        // Elsewhere than the workspace, whose settings are not meant for it.
        cargo.current_dir(root).env_remove("CARGO_TARGET_DIR");
        runner.run(&mut cargo)
    })
}
