//! A place where services run: servers, a database and a namespace that those who are started there share.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;
use tests::{Database, EMPTY, Namespace, redis_url};

use crate::program::Shop;

/// Servers, and how a service is started on them.
pub(crate) struct Site {
    database: String,
    redis: String,
    namespace: Namespace,
    arguments: Vec<String>,
    logs: TempDir,
    shared: Option<Database>,
}

impl Site {
    /// On the shared servers, with a database of its own.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let database = EMPTY.database();
        let mut site = Self::on(database.url(), &redis_url(), arguments);
        site.shared = Some(database);
        site
    }

    /// On these servers.
    pub(crate) fn on(database: &str, redis: &str, arguments: &[&str]) -> Self {
        Self {
            database: database.to_owned(),
            redis: redis.to_owned(),
            namespace: Namespace::new(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            logs: tempfile::tempdir().unwrap(),
            shared: None,
        }
    }

    pub(crate) fn start(&self) -> Shop {
        let log = fs::File::options().create(true).append(true).open(self.log_file()).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_shop"));
        program
            .args(["--listen", "127.0.0.1:0", "--namespace", self.namespace.as_str(), "--limit-per-second", "0"])
            .args(&self.arguments)
            .env("DATABASE_URL", &self.database)
            .env("REDIS_URL", &self.redis)
            .env("RUST_LOG", "info")
            .stderr(log);
        Shop::spawn(&mut program)
    }

    /// What all of them have logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap()
    }

    fn log_file(&self) -> PathBuf {
        self.logs.path().join("log")
    }

    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    pub(crate) fn namespace(&self) -> &str {
        self.namespace.as_str()
    }
}
