//! A headless Chromium, told what to do over WebDriver.
//!
//! The protocol is JSON over HTTP, and most of what is asked here is Chromium's own: its log, its network, the media that it pretends.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

/// One at a time: several at once would only make each other slow.
static TURN: Mutex<()> = Mutex::new(());

/// A browser with one page, and nothing of any other.
pub(crate) struct Browser {
    agent: Agent,
    session: String,
    driver: Child,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts one, and opens the page.
    pub(crate) fn open(url: &str) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let profile = tempfile::tempdir().unwrap();
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver =
            driver.unwrap_or_else(|error| panic!("chromedriver can't be run, chromium-driver has it: {error}"));
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.filter_map(|line| {
            let port = line.strip_prefix("ChromeDriver was started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let port = { port }.next().unwrap_or_else(|| panic!("it ended: {:?}", driver.wait()));
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1280,1000",
            &folder,
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let sessions = format!("http://127.0.0.1:{port}/session");
        let mut browser = Self { agent, session: sessions, driver, _profile: profile, _turn: turn };
        let made = browser.post("", &wanted);
        let id = made["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {made}"));
        browser.session = format!("{}/{id}", browser.session);
        browser.post("/url", &json!({ "url": url }));
        browser
    }

    /// The value of a script's `return`.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text of what has this id, as it is seen.
    #[track_caller]
    pub(crate) fn text(&self, id: &str) -> String {
        let text = self.run(&format!("return document.getElementById('{id}').innerText"));
        text.as_str().unwrap_or_else(|| panic!("no {id}: {text}")).trim().to_owned()
    }

    /// Presses a key, and lets it go.
    pub(crate) fn press(&self, key: Key) {
        let key = key.code();
        let actions = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.post("/actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }));
    }

    /// Has the page told that this is what its user likes.
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.own("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.own("Emulation.setDeviceMetricsOverride", size);
    }

    /// The whole page as it is shown, a PNG.
    pub(crate) fn picture(&self) -> Vec<u8> {
        let taken = self.own("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }));
        STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()
    }

    /// What the page's console has said of what is wrong, since it was last asked.
    pub(crate) fn complaints(&self) -> Vec<Value> {
        let is_one = |entry: &Value| ["WARNING", "SEVERE"].contains(&entry["level"].as_str().unwrap());
        self.log("browser").into_iter().filter(is_one).collect()
    }

    /// What pages have asked for over the network, the browser's own aside, since it was last asked.
    pub(crate) fn asked_for(&self) -> Vec<String> {
        let entries = self.log("performance").into_iter();
        let events = entries.map(|entry| serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap());
        let sent = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        let sent = sent.map(|mut event| event["message"]["params"].take());
        let by_pages = sent.filter(|sent| !sent["documentURL"].as_str().unwrap().starts_with("chrome://"));
        by_pages.map(|sent| sent["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    fn log(&self, of: &str) -> Vec<Value> {
        self.post("/se/log", &json!({ "type": of })).as_array().unwrap().clone()
    }

    /// A command of Chromium's own protocol.
    fn own(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let mut answer = self.agent.post(&url).send_json(body).unwrap_or_else(|error| panic!("{path}: {error}"));
        // A picture has more than the 10 MB that are read by default.
        let answered: Value = answer.body_mut().with_config().limit(64 << 20).read_json().unwrap();
        assert!(answer.status().is_success(), "{path} {body}: {answered}");
        answered["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser, if it can still be told to.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// A key of the keyboard.
#[derive(Clone, Copy)]
pub(crate) enum Key {
    Tab,
    Enter,
    Space,
}

impl Key {
    /// As WebDriver calls it.
    fn code(self) -> &'static str {
        match self {
            Self::Tab => "\u{e004}",
            Self::Enter => "\u{e007}",
            Self::Space => " ",
        }
    }
}
