use std::{
    fs,
    io::Read as _,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use crate::{Error, daemon::Daemon, port, programs};

/// How a private MariaDB is to run.
#[derive(Debug, Clone)]
pub struct MariaDbOptions {
    /// Whether a commit waits for the disk, as it does in production. Defaults to `true`; without it tests are quicker, a killed
    /// *server* still loses nothing, and only a crash of the machine would.
    pub durable: bool,
    /// Further settings, as in `my.cnf`. Defaults to none.
    pub settings: Vec<(String, String)>,
}

impl Default for MariaDbOptions {
    fn default() -> Self {
        Self { durable: true, settings: Vec::new() }
    }
}

/// A private MariaDB, with a user `root` who has every right, and an empty database `larder`.
///
/// Takes connections of `root` without a password; 200 of them at once. Everything that is no setting here is as the server has
/// it by itself: it reads no `my.cnf`.
#[derive(Debug)]
pub struct MariaDb {
    daemon: Daemon,
    program: PathBuf,
    port: u16,
    options: MariaDbOptions,
}

impl MariaDb {
    /// Creates and starts a server on a free port, and waits until it takes connections: about two seconds.
    ///
    /// # Errors
    /// MariaDB isn't installed, or does not start.
    pub fn start(options: MariaDbOptions) -> Result<Self, Error> {
        let (program, installer) = (programs::mariadbd()?, programs::mariadb_install_db()?);
        let daemon = Daemon::new("mariadb", Signal::KILL, "KILL")?;
        let mut install = Command::new(installer);
        install
            // First, or it is taken for a setting of the server.
            .arg("--no-defaults")
            .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
            // The log is made in its size here, and written once more in that of the server if they differ.
            .args([LOG_SIZE, "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"])
            .arg(tmpdir(daemon.directory()))
            .arg(format!("--datadir={}", daemon.directory().join("data").display()));
        daemon.run(install, "mariadb-install-db")?;
        fs::write(daemon.directory().join("init.sql"), "CREATE DATABASE IF NOT EXISTS larder;\n")
            .map_err(Error::system("write a file for MariaDB"))?;
        let mut server = Self { daemon, program, port: 0, options };
        port::on_a_free_one(|port| {
            server.port = port;
            server.restart()
        })?;
        Ok(server)
    }

    /// The URL of the database `larder`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/larder", self.port)
    }

    /// The port, the same for good.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process of the server, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.daemon.pid()
    }

    /// Ends the server in good order: running transactions are rolled back, connections closed.
    ///
    /// # Errors
    /// The server does not end.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.daemon.end(Signal::TERM)
    }

    /// Ends the server as a power cut would.
    ///
    /// # Errors
    /// The process does not end.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.daemon.end(Signal::KILL)
    }

    /// Freezes the server: connections stay open, nothing answers.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn pause(&self) -> Result<(), Error> {
        self.daemon.signal(Signal::STOP)
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn resume(&self) -> Result<(), Error> {
        self.daemon.signal(Signal::CONT)
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
        let mut command = Command::new(&self.program);
        command.arg("--no-defaults").arg(LOG_SIZE).arg(tmpdir(directory));
        let mut set = |name: &str, value: &str| {
            command.arg(format!("--{name}={value}"));
        };
        let inside = |name: &str| directory.join(name).to_string_lossy().into_owned();
        set("datadir", &inside("data"));
        set("socket", &inside("socket"));
        set("pid-file", &inside("pid"));
        set("init-file", &inside("init.sql"));
        set("port", &self.port.to_string());
        set("bind-address", "127.0.0.1");
        set("skip-name-resolve", "ON");
        set("max-connections", "200");
        set("default-time-zone", "+00:00");
        set("character-set-server", "utf8mb4");
        // One user may end another's statement without its being an alarm in the log.
        set("log-warnings", "1");
        if !self.options.durable {
            // Written at each commit, and flushed once a second: without the write a killed server would forget its last commits.
            set("innodb-flush-log-at-trx-commit", "2");
            set("innodb-doublewrite", "OFF");
        }
        for (name, value) in &self.options.settings {
            set(name, value);
        }
        let (port, pid_file) = (self.port, directory.join("pid"));
        self.daemon.start(command, |pid| {
            // Written when the port is bound, which leaves only the greeting to wait for.
            let is_own = fs::read_to_string(&pid_file).is_ok_and(|file| file.trim() == pid.to_string());
            is_own && greets(port)
        })
    }
}

/// Where temporary tables lie: a server that starts takes those for its own, left by a crash, that it finds in a folder, and removes them.
fn tmpdir(directory: &Path) -> String {
    format!("--tmpdir={}", directory.display())
}

/// Of the redo log: a tenth of what a server has by itself, since none of ours writes much.
const LOG_SIZE: &str = "--innodb-log-file-size=16M";

/// Whether a server says its version at the port.
fn greets(port: u16) -> bool {
    let ask = || {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut start = [0; 5];
        connection.read_exact(&mut start)?;
        Ok::<_, std::io::Error>(start[4])
    };
    // The length and the number of the packet, and then the version of the protocol; a refusal begins with 255.
    ask().is_ok_and(|protocol| protocol == 10)
}

#[cfg(test)]
mod tests;
