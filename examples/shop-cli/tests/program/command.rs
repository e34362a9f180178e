//! The program, run to its end or watched on its way.

use std::process::{Child, Command, Output, Stdio};

use tests::{Shop, redis_url};

/// A run of a command on a shop's rows and cells.
pub(crate) fn command(shop: &Shop, arguments: &[&str]) -> Command {
    let mut command = bare(arguments);
    command.args(["--database-url", shop.database.url(), "--redis-url", &redis_url()]);
    command.args(["--namespace", &format!("{}:", shop.namespace.as_str())]);
    command
}

/// The same of another program. Where it is comes from the environment, so that a line may end with words that are no options.
pub(crate) fn program(path: &str, shop: &Shop, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::null());
    command.env("DATABASE_URL", shop.database.url()).env("REDIS_URL", redis_url()).env_remove("RUST_BACKTRACE");
    if !arguments.contains(&"--") {
        command.args(["--namespace", &format!("{}:", shop.namespace.as_str())]);
    }
    command
}

/// A run that is told of nothing.
pub(crate) fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop-larder"));
    command.args(arguments).stdin(Stdio::null());
    for variable in ["DATABASE_URL", "REDIS_URL", "RUST_BACKTRACE"] {
        command.env_remove(variable);
    }
    command
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

pub(crate) fn end(mut command: Command) -> Ended {
    command.output().unwrap().into()
}

/// A run that is under way; dropping it kills it.
pub(crate) struct Running(Option<Child>);

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        Self(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    /// Sends a signal by its name: `INT`, `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.0.as_ref().unwrap().id();
        assert!(Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status().unwrap().success());
    }

    pub(crate) fn wait(mut self) -> Ended {
        self.0.take().unwrap().wait_with_output().unwrap().into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
