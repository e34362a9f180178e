use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::Command,
};

use rustix::process::Signal;

use crate::{Error, daemon::Daemon, port, programs};

/// How a private Varnish is to run.
#[derive(Debug, Clone, Default)]
pub struct VarnishOptions {
    /// Its rules, whole, with the back end.
    pub vcl: String,
    /// Further parameters, as of `varnishd -p`. Defaults to none.
    pub parameters: Vec<(String, String)>,
}

/// A private Varnish that keeps what it has in memory, 32 MiB of it.
#[derive(Debug)]
pub struct Varnish {
    daemon: Daemon,
    program: PathBuf,
    port: u16,
    options: VarnishOptions,
}

impl Varnish {
    /// Starts a server on a free port, and waits until it takes requests: about a second, since it compiles its rules.
    ///
    /// # Errors
    /// Varnish isn't installed, its rules are wrong, or it does not start.
    pub fn start(options: VarnishOptions) -> Result<Self, Error> {
        let program = programs::varnishd()?;
        let daemon = Daemon::new("varnish", Signal::TERM, "TERM")?;
        let mut server = Self { daemon, program, port: 0, options };
        port::on_a_free_one(|port| {
            server.port = port;
            server.restart()
        })?;
        Ok(server)
    }

    /// The URL of its root.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// The port, the same for good.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server; what it had is gone.
    ///
    /// # Errors
    /// The server does not end.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.daemon.end(Signal::TERM)
    }

    /// Starts it again, empty, with other rules: with those of a service, say, that had to know where it is.
    ///
    /// # Errors
    /// As [`restart`](Self::restart).
    pub fn restart_with(&mut self, vcl: String) -> Result<(), Error> {
        self.options.vcl = vcl;
        self.restart()
    }

    /// Starts a stopped server again on its port, empty, and waits until it takes requests. Ends a running one first.
    ///
    /// # Errors
    /// The server does not end or does not start.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        let directory = self.daemon.directory();
        let rules = directory.join("rules.vcl");
        fs::write(&rules, &self.options.vcl).map_err(Error::system("write the rules of Varnish"))?;
        let mut command = Command::new(&self.program);
        command.args(["-F", "-s", "malloc,32m", "-T", "127.0.0.1:0"]);
        command.arg("-a").arg(format!("127.0.0.1:{}", self.port));
        command.arg("-n").arg(directory.join("work")).arg("-f").arg(&rules);
        for (name, value) in &self.options.parameters {
            command.arg("-p").arg(format!("{name}={value}"));
        }
        let (port, log) = (self.port, directory.join("varnish.log"));
        // Only what this start has logged says that it is ready; at the first one there is no log yet.
        let _ = fs::remove_file(&log);
        self.daemon.start(command, |_| {
            let is_up = fs::read_to_string(&log).is_ok_and(|log| log.contains("said Child starts"));
            is_up && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    const RULES: &str = "vcl 4.1;\nbackend default none;\nsub vcl_recv { return (synth(204)); }\n";

    fn options(vcl: &str) -> VarnishOptions {
        VarnishOptions { vcl: vcl.to_owned(), ..VarnishOptions::default() }
    }

    fn ask(port: u16) -> String {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        connection.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_server_answers_by_its_rules_and_ends_when_dropped() -> Result<(), Error> {
        let mut varnish = Varnish::start(options(RULES))?;
        let (port, directory) = (varnish.port(), varnish.daemon.directory().to_owned());
        assert!(ask(port).starts_with("HTTP/1.1 204"));
        varnish.stop()?;
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        varnish.restart()?;
        assert!(ask(port).starts_with("HTTP/1.1 204"));
        drop(varnish);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        assert!(!directory.exists());
        Ok(())
    }

    #[test]
    fn wrong_rules_are_told() {
        let error = Varnish::start(options("vcl 4.1;\nnonsense\n")).unwrap_err().to_string();
        assert!(error.contains("nonsense"), "{error}");
    }

    #[test]
    fn a_taken_port_is_not_taken_for_ones_own() -> Result<(), Error> {
        let first = Varnish::start(options(RULES))?;
        let mut second = Varnish::start(options(RULES))?;
        second.stop()?;
        second.port = first.port();
        let error = second.restart().unwrap_err();
        assert!(error.is_port_taken(), "{error}");
        Ok(())
    }
}
