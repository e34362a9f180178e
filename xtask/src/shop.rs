use std::{
    env,
    fs::File,
    io::Read as _,
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::Value;

use crate::{
    cli::ShopOptions,
    environment::Environment,
    failure::Failure,
    programs::Programs,
    runner::{Runner, Running},
};

/// Somebody of the purchase history, who has bought six times.
const CUSTOMER: &str = "customer-51@cdnow.example";

/// Starts the example service with all that it needs, and keeps it up until Ctrl-C.
pub(crate) fn run(runner: &Runner, options: &ShopOptions) -> Result<(), Failure> {
    let environment = Environment::start(runner, true)?;
    println!("{}", environment.describe());
    println!("building the shop");
    let programs = Programs::build(runner, options.is_release)?;
    if !options.is_empty {
        println!("loading a purchase history: 69,659 orders, some seconds");
        let start = Instant::now();
        programs.load_history(runner, &environment).map_err(|failure| match failure {
            Failure::Failed(reason) => Failure::new(format!("{reason}; `--empty` goes on without the history")),
            other => other,
        })?;
        println!("loaded in {:.1} s", start.elapsed().as_secs_f64());
    }
    let secret = match env::var("SHOP_SECRET") {
        Ok(given) => given,
        Err(_) => draw_secret()?,
    };
    let mut processes = Vec::new();
    for port in (options.port..).take(options.n_processes.into()) {
        let mut command = Command::new(&programs.shop);
        command.arg("--listen").arg(format!("127.0.0.1:{port}")).args(&options.arguments);
        command.env("SHOP_SECRET", &secret);
        processes.push(Process::start(runner, environment.apply(&mut command))?);
    }
    print!("{}", page(&processes));
    runner.wait();
    match runner.check() {
        // That is how it ends.
        Err(Failure::Interrupted) => {}
        _ => return Err(Failure::new("a process of the shop has ended")),
    }
    println!("stopping");
    // All of them, whatever becomes of the first.
    let ended: Vec<_> = processes.into_iter().map(Process::end).collect();
    ended.into_iter().collect()
}

/// One of the service's processes.
pub(crate) struct Process {
    running: Running,
    pub(crate) url: String,
}

impl Process {
    /// Starts one, and waits until it takes requests.
    pub(crate) fn start(runner: &Runner, command: &mut Command) -> Result<Self, Failure> {
        let mut running = runner.start(command.stdout(Stdio::piped()))?;
        let url = running.line_after("listening on ");
        // Whoever has interrupted knows why it has ended.
        runner.check()?;
        Ok(Self { running, url: url? })
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It ends badly.
    pub(crate) fn end(self) -> Result<(), Failure> {
        match self.running.end()? {
            status if status.success() => Ok(()),
            status => Err(Failure::new(format!("the shop has ended badly ({status})"))),
        }
    }
}

/// 64 hexadecimal digits that nobody can guess: the processes know each other's cursors by them.
fn draw_secret() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    let drawn = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    drawn.map_err(Failure::io("draw a secret"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What to look at, with commands that work as they are.
fn page(processes: &[Process]) -> String {
    let Some(Process { url, .. }) = processes.first() else { return String::new() };
    let other = processes.last().map_or(url, |last| &last.url);
    let mut text = String::from("\n");
    for process in processes {
        text += &format!("  {0}  {0}/openapi.json  {0}/metrics\n", process.url);
    }
    text += &match known_user(url) {
        Some(id) => format!(
            "
  curl -i '{url}/users/{id}?include=orders.items'    # a few times, 15 s after the start: X-Cache, Server-Timing
  curl '{url}/users/{id}/orders?status=shipped&limit=2'
  curl -i {url}/orders -H 'content-type: application/json' \\
      -d '{{\"user_id\":\"{id}\",\"items\":[{{\"sku\":\"cd\",\"quantity\":1,\"unit_price\":\"11.50\"}}]}}'
  curl '{other}/stats/users/{id}'    # some seconds later it has one more
"
        ),
        None => format!(
            "
  curl -i {url}/users -H 'content-type: application/json' -d '{{\"email\":\"ada@example.com\"}}'
  curl -i '{other}/users?email=ada@example.com'    # a few times, 15 s after the start: X-Cache, Server-Timing
  curl '{url}/stats/top?limit=3'
"
        ),
    };
    text + "\nCtrl-C ends all of it.\n"
}

/// The id of somebody who has bought something, if there is anybody.
fn known_user(url: &str) -> Option<String> {
    let ask = |path: &str| -> Option<Value> {
        let text = ureq::get(format!("{url}{path}")).call().ok()?.body_mut().read_to_string().ok()?;
        serde_json::from_str(&text).ok()
    };
    let known = ask(&format!("/users?email={CUSTOMER}")).map(|user| user["id"].clone());
    let id = known.or_else(|| ask("/stats/top?limit=1").map(|top| top[0]["user_id"].clone()))?;
    id.as_str().map(str::to_owned)
}
