use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

use crate::{environment::Environment, failure::Failure, runner::Runner};

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
    let root = tools()?.join(format!("diesel_cli-{VERSION}-postgres"));
    let program = root.join("bin/diesel");
    if program.is_file() {
        return Ok(program);
    }
    fs::create_dir_all(&root).map_err(Failure::io(format!("create {}", root.display())))?;
    // Two checkouts may want it at once: the second waits, and finds it there.
    let lock = File::create(root.join("lock")).map_err(Failure::io("create a lock file"))?;
    lock.lock().map_err(Failure::io("lock the tools"))?;
    if !program.is_file() {
        // Unoptimized, it is built in half the time, and has to wait for the database anyway.
        println!("building diesel_cli {VERSION} into {}", root.display());
        let mut cargo = runner.cargo(["install", "diesel_cli", "--locked", "--quiet", "--debug", "--version", VERSION]);
        cargo.args(["--no-default-features", "--features", "postgres", "--root"]).arg(&root);
        // Elsewhere than the workspace, whose settings are not meant for it.
        cargo.current_dir(&root).env_remove("CARGO_TARGET_DIR");
        runner.run(&mut cargo)?;
    }
    Ok(program)
}

/// Where tools are kept: outside of the checkout, so that a fresh one finds them.
fn tools() -> Result<PathBuf, Failure> {
    let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("LARDER_TOOLS_DIR")
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("larder/tools")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache/larder/tools")))
        .ok_or_else(|| Failure::new("set LARDER_TOOLS_DIR to a folder for tools: there is no HOME"))
}
