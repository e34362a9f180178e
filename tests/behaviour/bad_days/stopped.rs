//! The process itself stands still, as a container does that is paused, or a machine that is suspended.

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use diesel::{
    PgConnection,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};
use larder::Larder;
use tests::{EMPTY, eventually};

use super::{LONG, ends};

/// How long the process waits for a connection, and how long it is stopped at least.
const WAIT: Duration = Duration::from_secs(1);
const STOP: Duration = Duration::from_secs(2);

/// Where the process that is stopped finds its database.
const URL: &str = "LARDER_STOPPED_URL";

/// Uses the only connection until it is told on its input to give it back, and waits for it meanwhile.
#[expect(clippy::print_stdout, reason = "it tells whoever has started it")]
fn wait_for_a_connection(url: &str) {
    let builder = Pool::builder().max_size(1).test_on_check_out(false);
    let pool = builder.build(ConnectionManager::<PgConnection>::new(url)).unwrap();
    // A transaction that idles for so long as this one does would be ended otherwise.
    let larder = Larder::<Pg>::builder(pool).wait_for_connection(WAIT).commit_within(LONG).build();
    thread::scope(|scope| {
        let waiting = larder
            .transaction(|_| {
                let waiting = scope.spawn(|| {
                    println!("\nwaits");
                    larder.transaction(|_| Ok(()))
                });
                io::stdin().lines().next().unwrap().unwrap();
                Ok(waiting)
            })
            .unwrap();
        println!("\ngot {:?}", waiting.join().unwrap());
    });
}

/// A process that is killed if it does not end by itself.
struct Process(Child);

impl Process {
    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success(), "{signal}: {sent}");
    }

    /// Whether each of its threads is in that state, by the letter that Linux has for it.
    fn is_all(&self, state: &str) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap();
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok()).all(|stat| {
            // Behind the name, which may have blanks and brackets.
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(state))
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be over.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_that_is_stopped_while_it_waits_for_a_connection_goes_on_waiting_when_it_goes_on() {
    if let Ok(url) = env::var(URL) {
        return wait_for_a_connection(&url);
    }
    ends(|| {
        let database = EMPTY.database();
        let name = "bad_days::stopped::a_process_that_is_stopped_while_it_waits_for_a_connection_goes_on_waiting_when_it_goes_on";
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", name, "--nocapture"]).env(URL, database.url());
        let mut process = Process(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
        let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        lines.find(|line| line == "waits").unwrap();
        eventually(LONG, || process.is_all("S"));
        process.signal("STOP");
        eventually(LONG, || process.is_all("T"));
        let stopped = Instant::now();
        eventually(LONG, || stopped.elapsed() > STOP);
        process.signal("CONT");
        // By now a wait that was one piece is over.
        eventually(LONG, || process.is_all("S"));
        writeln!(process.0.stdin.take().unwrap(), "give it back").unwrap();
        assert_eq!(lines.find(|line| line.starts_with("got ")).unwrap(), "got Ok(())");
    });
}
