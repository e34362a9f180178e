use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use crate::{Error, daemon::Daemon, port, programs};

/// How a private Redis is to run.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    /// Whether the data outlives the server, by an append-only file that is written through at every command. Defaults to `false`.
    pub persistent: bool,
    /// Further settings, as in `redis.conf`. Defaults to none.
    pub settings: Vec<(String, String)>,
}

/// A private Redis, empty at first, without a password.
#[derive(Debug)]
pub struct Redis {
    daemon: Daemon,
    program: PathBuf,
    port: u16,
    options: RedisOptions,
}

impl Redis {
    /// Starts a server on a free port, and waits until it takes connections: some ten milliseconds.
    ///
    /// # Errors
    /// Redis isn't installed, or does not start.
    pub fn start(options: RedisOptions) -> Result<Self, Error> {
        let program = programs::redis_server()?;
        let daemon = Daemon::new("redis", Signal::KILL, "KILL")?;
        let mut server = Self { daemon, program, port: 0, options };
        port::on_a_free_one(|port| {
            server.port = port;
            server.restart()
        })?;
        Ok(server)
    }

    /// The URL of its first database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
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

    /// Ends the server in good order.
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

    /// Starts a stopped or killed server again on its port, and waits until it takes connections.
    ///
    /// Ends a running one first, in good order. It has all data again if [`RedisOptions::persistent`], those of the last `SAVE` or
    /// `BGSAVE` if there was one, and otherwise none; its `run_id` is another.
    ///
    /// # Errors
    /// The server does not end or does not start.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        let mut command = Command::new(&self.program);
        let mut set = |name: &str, value: &str| {
            command.arg(format!("--{name}")).arg(value);
        };
        set("port", &self.port.to_string());
        set("bind", "127.0.0.1");
        set("dir", &self.daemon.directory().to_string_lossy());
        set("save", "");
        if self.options.persistent {
            set("appendonly", "yes");
            set("appendfsync", "always");
        }
        for (name, value) in &self.options.settings {
            set(name, value);
        }
        let port = self.port;
        self.daemon.start(command, |pid| answers(port, pid))
    }
}

/// Whether the process `pid`, and no other server, takes connections at the port and has read its data.
fn answers(port: u16, pid: u32) -> bool {
    let ask = || {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        connection.write_all(b"INFO server\r\nPING\r\nQUIT\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    ask().is_ok_and(|answer| answer.contains(&format!("process_id:{pid}\r\n")) && answer.contains("+PONG\r\n"))
}

#[cfg(test)]
mod tests;
