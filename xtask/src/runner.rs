mod running;

use std::{
    env,
    ffi::OsStr,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

pub(crate) use self::running::Running;
use crate::failure::Failure;

/// How long a command may take to end when asked to, before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs commands in such a way that a Ctrl-C, SIGTERM or SIGHUP ends the command with all that it has started, and then comes
/// back as [`Failure::Interrupted`], so that the servers are stopped on the way out.
pub(crate) struct Runner {
    root: PathBuf,
    state: Arc<Interruption>,
}

#[derive(Default)]
struct Interruption {
    state: Mutex<State>,
    happened: Condvar,
}

#[derive(Default)]
struct State {
    n_signals: usize,
    /// The process groups of the commands that are running.
    groups: Vec<Pid>,
    /// How many of those that run beside others have said their last word.
    n_silent: usize,
}

impl Runner {
    pub(crate) fn new() -> Result<Self, Failure> {
        let state = Arc::new(Interruption::default());
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(Failure::io("listen for signals"))?;
        let heard = Arc::clone(&state);
        thread::spawn(move || signals.forever().for_each(|_| heard.hear()));
        // Asked for at run time: the same binary may serve several checkouts that share a target folder.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = manifest
            .and_then(|folder| Some(folder.parent()?.to_owned()))
            .ok_or_else(|| Failure::new("run it as `cargo xtask`"))?;
        Ok(Self { root, state })
    }

    /// The folder of the workspace.
    pub(crate) fn root(&self) -> &PathBuf {
        &self.root
    }

    /// `cargo` in the folder of the workspace.
    pub(crate) fn cargo<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Starts a command that takes no input; what it prints is shown, unless the caller takes it.
    ///
    /// # Errors
    /// It can't be started, or somebody has interrupted.
    pub(crate) fn start(&self, command: &mut Command) -> Result<Running, Failure> {
        let name = command.get_program().display().to_string();
        // In a group of its own it can be ended together with everything that it starts; a Ctrl-C reaches it through us.
        command.process_group(0).stdin(Stdio::null());
        let mut state = self.state.lock();
        if state.n_signals > 0 {
            return Err(Failure::Interrupted);
        }
        let child = command.spawn().map_err(Failure::io(format!("start {name}")))?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        state.groups.extend(group);
        Ok(Running::new(name, child, group, Arc::clone(&self.state)))
    }

    /// Runs a command as [`start`](Self::start) does, to its end.
    ///
    /// # Errors
    /// It can't be started, or somebody interrupts. How it ends is in the status.
    pub(crate) fn status(&self, command: &mut Command) -> Result<ExitStatus, Failure> {
        let status = self.start(command)?.wait();
        self.check()?;
        status
    }

    /// Runs a command to its end, and fails if it does.
    pub(crate) fn run(&self, command: &mut Command) -> Result<(), Failure> {
        let line = line_of(command);
        let status = self.status(command)?;
        if status.success() { Ok(()) } else { Err(Failure::new(format!("`{line}` failed ({status})"))) }
    }

    /// Runs a command that somebody asked for: it speaks for itself, and its exit code becomes the chore's.
    pub(crate) fn pass(&self, command: &mut Command) -> Result<(), Failure> {
        let status = self.status(command)?;
        if status.success() {
            return Ok(());
        }
        // A command that a signal has ended has no code.
        Err(Failure::Passed(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    }

    /// Fails if somebody has interrupted.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.state.lock().n_signals > 0 { Err(Failure::Interrupted) } else { Ok(()) }
    }

    /// Waits until somebody interrupts, or until one of those that run beside others has ended.
    pub(crate) fn wait(&self) {
        let state = self.state.lock();
        drop(self.state.happened.wait_while(state, |state| state.n_signals == 0 && state.n_silent == 0));
    }
}

impl Interruption {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the running commands to end; from the second time on, and when it takes too long, they are killed.
    fn hear(self: &Arc<Self>) {
        let mut state = self.lock();
        state.n_signals += 1;
        self.happened.notify_all();
        for group in &state.groups {
            // It may have ended by itself meanwhile.
            let _ = kill_process_group(*group, if state.n_signals == 1 { Signal::TERM } else { Signal::KILL });
        }
        let groups = state.groups.clone();
        drop(state);
        groups.into_iter().for_each(|group| self.kill_late(group));
    }

    /// Kills a group if it is still there after some time.
    fn kill_late(self: &Arc<Self>, group: Pid) {
        let late = Arc::clone(self);
        thread::spawn(move || {
            thread::sleep(PATIENCE);
            if late.lock().groups.contains(&group) {
                let _ = kill_process_group(group, Signal::KILL);
            }
        });
    }
}

/// A command as one would type it.
pub(crate) fn line_of(command: &Command) -> String {
    let program = command.get_program();
    let name = std::path::Path::new(program).file_name().unwrap_or(program);
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn runner() -> Runner {
        Runner { root: env::temp_dir(), state: Arc::default() }
    }

    #[test]
    fn a_command_that_fails_is_named() {
        let failure = runner().run(Command::new("/bin/sh").args(["-c", "exit 7"])).unwrap_err();
        let Failure::Failed(reason) = failure else { panic!("{failure:?}") };
        assert!(reason.contains("`sh -c exit 7` failed") && reason.contains('7'), "{reason}");
    }

    #[test]
    fn a_signal_ends_the_command_with_its_children() {
        let runner = runner();
        let state = Arc::clone(&runner.state);
        let interrupter = thread::spawn(move || {
            while state.lock().groups.is_empty() {
                thread::yield_now();
            }
            state.hear();
        });
        // Were the inner shell left over, the outer one would have to wait for it.
        let outcome = runner.run(Command::new("/bin/sh").args(["-c", "(sleep 60); exit 0"]));
        interrupter.join().unwrap();
        assert!(matches!(outcome, Err(Failure::Interrupted)), "{outcome:?}");
        assert!(matches!(runner.run(&mut Command::new("true")), Err(Failure::Interrupted)));
    }
}
