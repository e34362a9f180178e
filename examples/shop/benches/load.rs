//! The service under load, beside the same route that returns a constant: `cargo xtask bench shop`.
//!
//! Each side is a process of its own, asked by wrk in turn, and the medians of the rounds are compared. Both share the processors with wrk.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints a table, and ends where it can't")]

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
    routing::get,
};
use diesel::{PgConnection, connection::SimpleConnection as _, prelude::*, sql_types::BigInt};
use tests::{Database, EMPTY, Namespace, redis_url};
use tokio::net::TcpListener;
use uuid::Uuid;

const ROUNDS: usize = 7;
const SECONDS: u32 = 3;
const USERS: u32 = 1_000;
/// What the shop opens to the database, as its `--help` says.
const POOL: i64 = 16;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    match arguments.iter().position(|argument| argument == "--constant") {
        Some(at) => constant(arguments[at + 1].clone()),
        None => compare(),
    }
}

/// Serves that text to whoever asks for a user.
#[tokio::main]
async fn constant(text: String) {
    async fn show(State(text): State<&'static str>) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], text).into_response()
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("listening on http://{}", listener.local_addr().unwrap());
    let text: &'static str = text.leak();
    axum::serve(listener, Router::new().route("/users/{id}", get(show)).with_state(text)).await.unwrap();
}

fn compare() {
    let place = Place::new();
    let of_user = "{\"id\":\"00000000-0000-0000-0000-000000000000\",\"email\":\"user0000@example.com\",\"created_at\":\"2026-01-01T00:00:00Z\"}";
    let constant = Server::start(Command::new(env::current_exe().unwrap()).args(["--constant", of_user]));
    let shops = ["near", "shared", "none"].map(|caches| (caches, place.shop(caches)));
    for (caches, shop) in &shops {
        // A Redis that has just started takes nothing for a while.
        while place.wrk(shop, 64, 2).rate == 0.0 || !place.is_warm(shop, caches) {}
    }
    let mut rates = vec![Vec::new(); 4];
    for round in 0..ROUNDS {
        println!("# round {} of {ROUNDS}", round + 1);
        let all = [&constant].into_iter().chain(shops.iter().map(|(_, shop)| shop));
        for (server, rates) in all.zip(&mut rates) {
            let told = place.wrk(server, 64, SECONDS);
            assert_eq!(told.others(), "", "under this load all is answered");
            rates.push(told);
        }
    }
    println!("GET /users/{{id}}, {USERS} users, 64 connections, medians of {ROUNDS} rounds of {SECONDS} s");
    println!("| who | answers a second | of the constant | p50 | p99 |\n| --- | --- | --- | --- | --- |");
    let of_constant = median(rates[0].iter().map(|told| told.rate));
    for (name, rates) in ["a constant", "near", "from Redis", "without caches"].iter().zip(&rates) {
        let rate = median(rates.iter().map(|told| told.rate));
        let [half, most] = [|told: &Told| told.half, |told: &Told| told.most].map(|of| median(rates.iter().map(of)));
        println!("| {name} | {rate:.0} | {:.2} | {half:.2} ms | {most:.2} ms |", rate / of_constant);
    }
    for (caches, shop) in &shops {
        let (told, most) = place.overloaded(shop);
        println!(
            "1,000 connections, caches {caches}: {:.0} a second, p99 {:.0} ms, 200: {}, others:{}; {most} of {POOL} connections to the database",
            told.rate,
            told.most,
            told.good,
            told.others()
        );
    }
}

/// The database with its users, and what wrk is told.
struct Place {
    database: Database,
    namespace: Namespace,
    script: tempfile::TempPath,
    paths: Vec<String>,
}

impl Place {
    fn new() -> Self {
        let database = EMPTY.database();
        shop_core::migrate(&mut database.connect()).unwrap();
        let filled = "INSERT INTO users (email) SELECT 'user' || lpad(n::text, 4, '0') || '@example.com' FROM generate_series(1, 1000) n";
        database.connect().batch_execute(filled).unwrap();
        let ids: Vec<Uuid> =
            shop_core::schema::users::table.select(shop_core::schema::users::id).load(&mut database.connect()).unwrap();
        let paths: Vec<String> = ids.iter().map(|id| format!("/users/{id}")).collect();
        let quoted: Vec<String> = paths.iter().map(|path| format!("\"{path}\"")).collect();
        let text = format!(
            "local paths = {{{}}}\nlocal n = 0\nlocal threads = {{}}\n{}",
            quoted.join(","),
            include_str!("load.lua")
        );
        let script = tempfile::NamedTempFile::with_suffix(".lua").unwrap().into_temp_path();
        fs::write(&script, text).unwrap();
        Self { database, namespace: Namespace::new(), script, paths }
    }

    fn shop(&self, caches: &str) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
        command.args([
            "--listen",
            "127.0.0.1:0",
            "--caches",
            caches,
            "--limit-per-second",
            "0",
            "--namespace",
            self.namespace.as_str(),
        ]);
        command.env("DATABASE_URL", self.database.url()).env("REDIS_URL", redis_url()).env("RUST_LOG", "off");
        Server::start(&mut command)
    }

    /// Whether all users come from where this one keeps them.
    fn is_warm(&self, shop: &Server, caches: &str) -> bool {
        let wanted = if caches == "none" { "database" } else { caches };
        self.paths.iter().all(|path| {
            let answer = ureq::get(format!("{}{path}", shop.url)).call().unwrap();
            answer.headers().get("x-cache").is_some_and(|cache| cache == wanted)
        })
    }

    fn wrk(&self, server: &Server, connections: u32, seconds: u32) -> Told {
        let script: &Path = &self.script;
        let mut wrk = Command::new("wrk");
        wrk.args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "--timeout", "30s", "--latency"]);
        let output = wrk.arg("-s").arg(script).arg(&server.url).output().expect("wrk is there: apt-get install wrk");
        Told::of(&String::from_utf8_lossy(&output.stdout))
    }

    /// Many times as many connections as the database takes, and the most that it had from there.
    fn overloaded(&self, shop: &Server) -> (Told, i64) {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let most = scope.spawn(|| {
                let (mut connection, mut most) = (self.database.connect(), 0);
                while !is_over.load(Ordering::SeqCst) {
                    most = most.max(n_connections(&mut connection));
                    thread::sleep(Duration::from_millis(50));
                }
                most
            });
            let told = self.wrk(shop, 1_000, 10);
            is_over.store(true, Ordering::SeqCst);
            (told, most.join().unwrap())
        })
    }
}

/// Connections that are not this program's own and do something at the moment.
fn n_connections(connection: &mut PgConnection) -> i64 {
    let counting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()";
    diesel::select(diesel::dsl::sql::<BigInt>(&format!("({counting})"))).get_result(connection).unwrap()
}

/// A process that takes requests, until it is dropped.
struct Server {
    program: Child,
    url: String,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut program = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        Self { program, url: line.strip_prefix("listening on ").unwrap().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// What wrk has told.
#[derive(Clone)]
struct Told {
    /// Answers a second.
    rate: f64,
    /// In milliseconds, the median and the 99th percentile.
    half: f64,
    most: f64,
    good: u64,
    others: Vec<(String, u64)>,
}

impl Told {
    fn of(text: &str) -> Self {
        let after = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name}: {text}")).trim().to_owned()
        };
        let mut told = Self {
            rate: after("Requests/sec:").parse().unwrap(),
            half: milliseconds(&after("50%")),
            most: milliseconds(&after("99%")),
            good: 0,
            others: Vec::new(),
        };
        for line in text.lines().filter_map(|line| line.strip_prefix("status ")) {
            let (status, n) = line.split_once(' ').unwrap();
            let n = n.parse().unwrap();
            if status == "200" { told.good = n } else { told.others.push((status.to_owned(), n)) }
        }
        if let Some(line) = text.lines().find_map(|line| line.trim().strip_prefix("Socket errors: ")) {
            told.others.push((line.to_owned(), 0));
        }
        told
    }

    fn others(&self) -> String {
        self.others.iter().map(|(status, n)| format!(" {status}: {n}")).collect()
    }
}

fn milliseconds(text: &str) -> f64 {
    let (number, times) = [("us", 1e-3), ("ms", 1.0), ("s", 1e3), ("m", 6e4)]
        .iter()
        .find_map(|(unit, times)| Some((text.strip_suffix(unit)?, times)))
        .unwrap();
    number.parse::<f64>().unwrap() * times
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
