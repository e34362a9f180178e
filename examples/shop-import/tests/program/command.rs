//! The program, run to its end or watched on its way.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tests::Database;

/// The history that comes with the program.
pub(crate) fn history() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cdnow.csv")
}

fn command(database: &Database, file: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop-import"));
    command.args(["--database-url", database.url()]).args(options).arg(file).env_remove("RUST_BACKTRACE");
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

pub(crate) fn run(database: &Database, file: &Path, options: &[&str]) -> Ended {
    command(database, file, options).output().unwrap().into()
}

/// A run of the whole history that is under way; dropping it kills it.
pub(crate) struct Running(Option<Child>);

impl Running {
    pub(crate) fn start(database: &Database, options: &[&str]) -> Self {
        let mut command = command(database, &history(), options);
        Self(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    /// Sends a signal by its name: `INT`, `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.0.as_ref().unwrap().id();
        assert!(Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status().unwrap().success());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.as_mut().unwrap().try_wait().unwrap().is_some()
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

/// Waits until something has come about, and fails if it takes more than half a minute.
pub(crate) fn eventually(what: &str, mut has_come_about: impl FnMut() -> bool) {
    let start = Instant::now();
    while !has_come_about() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
