use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{Error, account::Account, guard::Guard};

/// How long a server may take to get ready or to end: generous, since tests share their machine with compilers.
const PATIENCE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(5);

/// A server process in a directory of its own.
#[derive(Debug)]
pub(crate) struct Daemon {
    program: &'static str,
    account: Account,
    child: Option<Child>,
    last: Signal,
    // Dropped in this order: the guard deletes the directory of a program that has died, and no other.
    guard: Guard,
    directory: TempDir,
}

impl Daemon {
    /// A directory for a server that is not running yet, and that ends at once on the signal `last`.
    pub(crate) fn new(program: &'static str, last: Signal, last_name: &str) -> Result<Self, Error> {
        let account = Account::for_servers()?;
        let directory = tempfile::Builder::new()
            .prefix(&format!("larder-{program}-"))
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(Error::system("create a temporary directory"))?;
        account.own(directory.path())?;
        let guard = Guard::new(directory.path(), last_name)?;
        Ok(Self { program, account, child: None, last, guard, directory })
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn log(&self) -> PathBuf {
        self.directory().join(format!("{}.log", self.program))
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Runs a command of the server's user to its end.
    pub(crate) fn run(&self, mut command: Command, program: &'static str) -> Result<(), Error> {
        self.prepare(&mut command)?;
        let start = self.log_length();
        let status = command.status().map_err(Error::system(format!("run {program}")))?;
        if status.success() { Ok(()) } else { Err(Error::Failed { program, log: self.log_since(start) }) }
    }

    /// Starts the server, and waits until `is_ready` says of its process id that it is.
    pub(crate) fn start(&mut self, mut command: Command, mut is_ready: impl FnMut(u32) -> bool) -> Result<(), Error> {
        debug_assert!(self.child.is_none(), "a server is started once at a time");
        self.prepare(&mut command)?;
        let start = self.log_length();
        let child = command.spawn().map_err(Error::system(format!("start {}", self.program)))?;
        let pid = child.id();
        self.guard.watch(pid);
        let child = self.child.insert(child);
        let deadline = Instant::now() + PATIENCE;
        while !is_ready(pid) {
            if child.try_wait().map_err(Error::system("wait for a process"))?.is_some() {
                self.child = None;
                self.guard.forget();
                return Err(Error::Failed { program: self.program, log: self.log_since(start) });
            }
            if Instant::now() > deadline {
                self.end_at_once();
                return Err(Error::TimedOut { program: self.program, log: self.log_since(start) });
            }
            thread::sleep(TICK);
        }
        Ok(())
    }

    fn prepare(&self, command: &mut Command) -> Result<(), Error> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .and_then(|log| Ok((log.try_clone()?, log)))
            .map_err(Error::system("open a log file"))?;
        // A group of its own: a Ctrl-C is for the program, which then ends its servers in good order.
        command.stdin(Stdio::null()).stdout(log.0).stderr(log.1).process_group(0);
        // The words of the operating system are looked for in the log.
        command.current_dir(self.directory()).env("LC_ALL", "C");
        self.account.run(command);
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Error> {
        match self.pid() {
            Some(pid) => send(pid, signal),
            None => Ok(()),
        }
    }

    /// Sends a signal that ends the server, and waits for the end. Does nothing where the server isn't running.
    pub(crate) fn end(&mut self, signal: Signal) -> Result<(), Error> {
        let Some(child) = &mut self.child else { return Ok(()) };
        send(child.id(), signal)?;
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().map_err(Error::system("wait for a process"))?.is_none() {
            if Instant::now() > deadline {
                return Err(Error::TimedOut { program: self.program, log: self.log_since(0) });
            }
            thread::sleep(TICK);
        }
        self.child = None;
        self.guard.forget();
        Ok(())
    }

    fn end_at_once(&mut self) {
        let woken = self.signal(Signal::CONT);
        let ended = woken.and_then(|()| self.end(self.last));
        if ended.is_err()
            && let Some(child) = &mut self.child
        {
            // There is nobody left to tell: this runs on drop.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.child = None;
    }

    fn log_length(&self) -> u64 {
        fs::metadata(self.log()).map_or(0, |log| log.len())
    }

    /// The last lines of what was logged since the log was `start` bytes long.
    fn log_since(&self, start: u64) -> String {
        let mut bytes = Vec::new();
        let read = File::open(self.log()).and_then(|mut log| {
            log.seek(SeekFrom::Start(start))?;
            log.read_to_end(&mut bytes)
        });
        if let Err(error) = read {
            return format!("(no log: {error})");
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end_at_once();
    }
}

/// Sends a signal; a process that has ended already is no error.
pub(crate) fn send(pid: u32, signal: Signal) -> Result<(), Error> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(Error::system("send a signal")(error.into())),
    }
}

/// Waits until none of the processes is there any more; they need not be children of this one.
pub(crate) fn wait_gone(program: &'static str, pids: &[u32]) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    for pid in pids {
        let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) else { continue };
        while rustix::process::test_kill_process(pid).is_ok() {
            if Instant::now() > deadline {
                return Err(Error::TimedOut { program, log: String::new() });
            }
            thread::sleep(TICK);
        }
    }
    Ok(())
}
