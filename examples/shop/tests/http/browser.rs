//! A client that keeps its session's cookie.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};
use ureq::{Agent, http};

use crate::program::{Shop, agent};

/// Whoever sits before it, and the cookie that they have.
#[derive(Clone)]
pub(crate) struct Browser {
    base: String,
    agent: Agent,
    /// `name=value`.
    pub(crate) cookie: Option<String>,
    headers: Vec<(&'static str, String)>,
}

/// What it was answered.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) raw: String,
}

pub(crate) const PASSWORD: &str = "correct horse battery";

impl Browser {
    pub(crate) fn of(shop: &Shop) -> Self {
        Self::at(shop.url())
    }

    /// One that asks whoever is there.
    pub(crate) fn at(base: &str) -> Self {
        Self { base: base.to_owned(), agent: agent(), cookie: None, headers: Vec::new() }
    }

    /// With a header in each request.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn with_cookie(&self, cookie: &str) -> Self {
        Self { cookie: Some(cookie.to_owned()), ..self.clone() }
    }

    /// Opens an account, and tells its id.
    pub(crate) fn register(&self, email: &str) -> String {
        let page = self.send("POST", "/users", Some(&json!({ "email": email, "password": PASSWORD })));
        assert_eq!(page.status, 201, "{page:?}");
        page.body()["id"].as_str().unwrap().to_owned()
    }

    /// Signs in, and takes the cookie that it is given.
    pub(crate) fn sign_in(&mut self, email: &str) -> Page {
        let page = self.try_password(email, PASSWORD);
        assert_eq!(page.status, 200, "{page:?}");
        self.cookie = Some(page.given_cookie());
        page
    }

    pub(crate) fn try_password(&self, email: &str, password: &str) -> Page {
        self.send("POST", "/session", Some(&json!({ "email": email, "password": password })))
    }

    /// Who is signed in: their address, if somebody is.
    pub(crate) fn who(&self) -> Option<String> {
        let page = self.get("/me");
        match page.status {
            200 => Some(page.body()["email"].as_str().unwrap().to_owned()),
            _ => {
                assert_eq!(page.problem(401), "/problems/not-signed-in");
                None
            }
        }
    }

    pub(crate) fn get(&self, path: &str) -> Page {
        self.send("GET", path, None)
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Page {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let answered = match body {
            Some(body) => {
                self.agent.run(request.header("content-type", "application/json").body(body.to_string()).unwrap())
            }
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut answer = answered.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let headers = answer.headers().iter().map(text).collect();
        let raw = answer.body_mut().read_to_string().unwrap();
        Page { status: answer.status().as_u16(), headers, raw }
    }

    /// Sends bytes that no well-behaved client would, and gives the status of the answer and all of it.
    pub(crate) fn send_bytes(&self, bytes: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.base.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // It may have answered, and closed, before all of it is sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let mut part = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut part) {
            answer.extend_from_slice(&part[..n]);
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}"));
        (status.parse().unwrap(), answer)
    }
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }

    /// All lines of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The names of all headers.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn body(&self) -> Value {
        serde_json::from_str(&self.raw).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The cookie that it sets, as it is sent back.
    pub(crate) fn given_cookie(&self) -> String {
        let all = self.all("set-cookie");
        assert_eq!(all.len(), 1, "{self:?}");
        all[0].split(';').next().unwrap().to_owned()
    }

    /// A problem's kind, which it has to be.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!((self.status, self.header("content-type")), (status, "application/problem+json"), "{self:?}");
        assert_eq!(self.body()["status"], status);
        self.body()["type"].as_str().unwrap().to_owned()
    }
}
