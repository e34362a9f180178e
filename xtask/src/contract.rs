use std::{fs, os::unix::fs::symlink, path::PathBuf, process::Command};

use crate::{
    environment::Environment,
    failure::Failure,
    programs::Programs,
    runner::{Runner, line_of},
    shop::Process,
    tools,
};

/// The version that the service is checked with: another may look for other things.
const VERSION: &str = "4.32.5";

/// Reads the service's document, sends what it allows and what it does not, and fails at the first answer that breaks it.
///
/// On servers of its own, since it writes and deletes what it likes. The history is there so that the document's examples are true.
pub(crate) fn run(runner: &Runner) -> Result<(), Failure> {
    let schemathesis = install(runner)?;
    let environment = Environment::private(runner)?;
    let programs = Programs::build(runner, false)?;
    programs.load_history(runner, &environment)?;
    let mut shop = Command::new(&programs.shop);
    // Limits that are told and not reached: it asks as fast as it can, and tries many passwords.
    shop.args(["--listen", "127.0.0.1:0", "--limit-per-second", "1000000", "--limit-user-per-second", "1000000"]);
    shop.args(["--limit-sign-ins", "1000000"]).env("RUST_LOG", "warn");
    let shop = Process::start(runner, environment.apply(&mut shop))?;
    let session = sign_in(&shop.url)?;
    let mut command = Command::new(schemathesis);
    command.arg("--config-file").arg(runner.root().join("examples/shop/schemathesis.toml"));
    // The file and not what is served: of its own accord it would leave out the route that it has the document from.
    command.arg("run").arg(runner.root().join("examples/shop/openapi.json")).args(["--url", &shop.url]);
    command.env("SHOP_SESSION", session);
    println!("{}", line_of(&command));
    runner.run(&mut command)?;
    shop.end()
}

/// The session of a new user.
fn sign_in(url: &str) -> Result<String, Failure> {
    let ask = |path: &str| {
        let somebody = r#"{"email":"grace@example.com","password":"correct horse"}"#;
        let answer = ureq::post(format!("{url}{path}")).content_type("application/json").send(somebody);
        answer.map_err(|error| Failure::new(format!("POST {path}: {error}")))
    };
    ask("/users")?;
    let answer = ask("/session")?;
    let cookie = answer.headers().get("set-cookie").and_then(|value| value.to_str().ok());
    let id = cookie.and_then(|cookie| cookie.strip_prefix("session=")?.split(';').next());
    id.map(str::to_owned).ok_or_else(|| Failure::new("who signs in is given no session"))
}

/// Schemathesis in an environment of its own, installed if it isn't there yet.
fn install(runner: &Runner) -> Result<PathBuf, Failure> {
    tools::keep(&format!("schemathesis-{VERSION}"), "ready/bin/schemathesis", |root| {
        println!("installing schemathesis {VERSION} into {}", root.display());
        // An environment knows its own path and can't be moved when it is whole: the link that it is found by comes last.
        let made = root.join("made");
        runner.run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&made))?;
        let mut pip = Command::new(made.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        runner.run(pip.arg(runner.root().join("xtask/schemathesis.txt")))?;
        let link = root.join("ready");
        // One may be there of an environment that somebody has emptied.
        let _ = fs::remove_file(&link);
        symlink("made", link).map_err(Failure::io("link the environment"))
    })
}
