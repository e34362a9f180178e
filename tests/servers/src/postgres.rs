mod family;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use rustix::process::Signal;

use self::family::children;
use crate::{
    Error,
    daemon::{Daemon, send, wait_gone},
    port, programs,
};

/// How a private PostgreSQL is to run.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Whether a commit waits for the disk, as it does in production. Defaults to `true`; without it tests are quicker, a killed
    /// *server* still loses nothing, and only a crash of the machine would.
    pub durable: bool,
    /// Further settings, as in `postgresql.conf`. Defaults to none.
    pub settings: Vec<(String, String)>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { durable: true, settings: Vec::new() }
    }
}

/// A private PostgreSQL, with a superuser `postgres` and an empty database `larder`.
///
/// Takes connections of any local user without a password; 200 of them at once.
#[derive(Debug)]
pub struct Postgres {
    daemon: Daemon,
    bin: PathBuf,
    port: u16,
    options: PostgresOptions,
}

impl Postgres {
    /// Creates and starts a server on a free port, and waits until it takes connections: about two seconds.
    ///
    /// # Errors
    /// PostgreSQL isn't installed, or does not start.
    pub fn start(options: PostgresOptions) -> Result<Self, Error> {
        let bin = programs::postgres_bin()?;
        let daemon = Daemon::new("postgres", Signal::QUIT, "QUIT")?;
        let mut initdb = Command::new(bin.join("initdb"));
        initdb
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg("--pgdata")
            .arg(daemon.directory().join("data"));
        daemon.run(initdb, "initdb")?;
        let mut server = Self { daemon, bin, port: 0, options };
        port::on_a_free_one(|port| {
            server.port = port;
            server.restart()
        })?;
        let mut createdb = Command::new(server.bin.join("createdb"));
        createdb.args(["--host=127.0.0.1", "--username=postgres", &format!("--port={}", server.port), "larder"]);
        server.daemon.run(createdb, "createdb")?;
        Ok(server)
    }

    /// The URL of the database `larder`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/larder", self.port)
    }

    /// The port, the same for good.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The first process of the server, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.daemon.pid()
    }

    /// Ends the server in good order: running transactions are rolled back, connections closed.
    ///
    /// # Errors
    /// The server does not end.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.daemon.end(Signal::INT)
    }

    /// Ends the server as a power cut would, with every process of it, and returns when they are gone.
    ///
    /// # Errors
    /// A process does not end.
    pub fn kill(&mut self) -> Result<(), Error> {
        let Some(pid) = self.pid() else { return Ok(()) };
        // Frozen first, or it would start others while they are being counted.
        self.daemon.signal(Signal::STOP)?;
        let children = children(pid)?;
        for child in &children {
            send(*child, Signal::KILL)?;
        }
        self.daemon.end(Signal::KILL)?;
        wait_gone("postgres", &children)?;
        self.free_shared_memory();
        Ok(())
    }

    /// A killed server leaves a few bytes of System V memory, of which a system has some thousand pieces, to its next start.
    fn free_shared_memory(&self) {
        let file = fs::read_to_string(self.daemon.directory().join("data/postmaster.pid")).unwrap_or_default();
        if let Some(id) = file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) {
            let _ = Command::new("ipcrm").args(["-m", id]).stderr(Stdio::null()).status();
        }
    }

    /// Freezes every process of the server: connections stay open, nothing answers.
    ///
    /// # Errors
    /// The processes can't be listed.
    pub fn pause(&self) -> Result<(), Error> {
        self.daemon.signal(Signal::STOP)?;
        self.each_child(Signal::STOP)
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// The processes can't be listed.
    pub fn resume(&self) -> Result<(), Error> {
        self.each_child(Signal::CONT)?;
        self.daemon.signal(Signal::CONT)
    }

    fn each_child(&self, signal: Signal) -> Result<(), Error> {
        let Some(pid) = self.pid() else { return Ok(()) };
        children(pid)?.into_iter().try_for_each(|child| send(child, signal))
    }

    /// Starts a stopped or killed server again on its port and data, and waits until it takes connections.
    ///
    /// Ends a running one first, in good order.
    ///
    /// # Errors
    /// The server does not end or does not start.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        let directory = self.daemon.directory();
        let mut command = Command::new(self.bin.join("postgres"));
        command.arg("-D").arg(directory.join("data")).arg("-p").arg(self.port.to_string());
        let mut set = |name: &str, value: &str| {
            command.arg("-c").arg(format!("{name}={value}"));
        };
        set("listen_addresses", "127.0.0.1");
        set("unix_socket_directories", &directory.to_string_lossy());
        set("max_connections", "200");
        set("timezone", "UTC");
        set("log_line_prefix", "%m [%p] ");
        if !self.options.durable {
            // `synchronous_commit` stays on: without it a killed server forgets its last commits, which would fail tests of faults.
            set("fsync", "off");
            set("full_page_writes", "off");
        }
        for (name, value) in &self.options.settings {
            set(name, value);
        }
        let pid_file = directory.join("data/postmaster.pid");
        self.daemon.start(command, |pid| fs::read_to_string(&pid_file).is_ok_and(|file| says_ready(&file, pid)))
    }
}

/// Whether `postmaster.pid` is of that process, and says that it takes connections.
fn says_ready(file: &str, pid: u32) -> bool {
    let mut lines = file.lines();
    lines.next().is_some_and(|first| first.trim() == pid.to_string())
        && lines.nth(6).is_some_and(|status| status.trim() == "ready")
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its processes, if frozen, have to wake to hear that the server ends.
        let _ = self.resume();
    }
}

#[cfg(test)]
mod tests;
