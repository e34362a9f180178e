//! The program, and what it answers.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tests::{Database, EMPTY, Namespace, redis_url};
use ureq::{Agent, http};

/// A service of one test, on a database of its own.
pub(crate) struct Shop {
    program: Child,
    base: String,
    agent: Agent,
    /// Where it is, if a site does not know.
    place: Option<Place>,
}

/// Where a service works. Those that share one are processes of one service.
#[derive(Clone)]
struct Place {
    database: Arc<Database>,
    namespace: String,
    redis: String,
}

/// What it has answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HashMap<String, String>,
    pub(crate) body: Value,
    pub(crate) raw: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field}: {self:?}")).to_owned()
    }
}

impl Shop {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self::on(redis_url(), arguments)
    }

    /// On a Redis of the test's own.
    pub(crate) fn on(redis: String, arguments: &[&str]) -> Self {
        let namespace = Namespace::new().as_str().to_owned();
        Self::at(Place { database: Arc::new(EMPTY.database()), namespace, redis }, arguments)
    }

    /// Another process of the same service.
    pub(crate) fn beside(&self, arguments: &[&str]) -> Self {
        Self::at(self.place.clone().expect("it is not of a site"), arguments)
    }

    fn at(place: Place, arguments: &[&str]) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_shop"));
        program
            .args(["--listen", "127.0.0.1:0", "--namespace", &place.namespace])
            // A test asks as fast as it can, from one address.
            .args(["--limit-per-second", "0"])
            .args(arguments)
            .env("DATABASE_URL", place.database.url())
            .env("REDIS_URL", &place.redis)
            .env("RUST_LOG", "warn");
        let mut shop = Self::spawn(&mut program);
        shop.place = Some(place);
        shop
    }

    /// Starts one as the command says, and waits until it takes requests.
    pub(crate) fn spawn(program: &mut Command) -> Self {
        let mut program = program.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap_or_else(|| panic!("it ended: {:?}", program.wait())).unwrap();
        let base = line.strip_prefix("listening on ").unwrap().to_owned();
        let agent = agent();
        Self { program, base, agent, place: None }
    }

    /// Where it is asked: `http://` and an address.
    pub(crate) fn url(&self) -> &str {
        &self.base
    }

    /// The URL of its database.
    pub(crate) fn database_url(&self) -> &str {
        self.place.as_ref().expect("it is not of a site").database.url()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let text = body.as_ref().map(Value::to_string);
        self.request(method, path, text.as_deref().map(|text| ("application/json", text)))
    }

    pub(crate) fn send_text(&self, method: &str, path: &str, kind: &str, body: &str) -> Answer {
        self.request(method, path, Some((kind, body)))
    }

    fn request(&self, method: &str, path: &str, body: Option<(&str, &str)>) -> Answer {
        ask(&self.agent, &self.base, method, path, &[], body)
    }

    /// Sends a request with these headers.
    pub(crate) fn send_under(&self, headers: &[(&str, &str)], method: &str, path: &str, body: Option<Value>) -> Answer {
        let text = body.as_ref().map(Value::to_string);
        let body = text.as_deref().map(|text| ("application/json", text));
        ask(&self.agent, &self.base, method, path, headers, body)
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.program.kill().unwrap();
        let _ = self.program.wait();
    }

    /// Tells it to end, and waits until it has.
    pub(crate) fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Waits until it has ended.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.program.wait().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    pub(crate) fn id(&self) -> u32 {
        self.program.id()
    }

    /// Where it listens, without the scheme.
    pub(crate) fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // One that has ended by itself can't be killed.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

pub(crate) fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .new_agent()
}

/// Asks whoever is there, with a body of that type.
pub(crate) fn ask(
    agent: &Agent,
    base: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<(&str, &str)>,
) -> Answer {
    let mut request = http::Request::builder().method(method).uri(format!("{base}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = match body {
        Some((kind, text)) => agent.run(request.header("content-type", kind).body(text).unwrap()),
        None => agent.run(request.body(()).unwrap()),
    };
    let mut response = response.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let raw = response.body_mut().read_to_string().unwrap();
    let body = serde_json::from_str(&raw).unwrap_or_default();
    Answer { status: response.status().as_u16(), headers, body, raw }
}
