//! `torture`: schedules for as long as one likes. `cargo xtask torture` runs it with private servers.
#![allow(clippy::print_stdout, reason = "a program that talks to whoever runs it")]

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use lexopt::prelude::*;
use signal_hook::consts::{SIGINT, SIGTERM};
use torture::{
    lane::{Lane, Subject},
    run::{self, Until},
    schedule::{self, Played},
    tally::Tally,
};

/// How often the progress is told.
const TICK: Duration = Duration::from_secs(2);

const HELP: &str = "\
Plays schedules of reads, writes and faults on a real PostgreSQL and Redis, one step at a time, and compares every read with
everything that the database ever was. Ends with 1 at the first that is wrong, and prints it.

    cargo xtask torture [--minutes N] [--schedules N] [--seed S] [--trace]

--minutes N      for so long (default: 1, unless a number of schedules or a seed is given)
--schedules N    so many of them (with --seed alone: 1)
--seed S         the seed of the first one; the others have those that follow (default: a random one, which is printed)
--trace          prints what happens, step by step; one schedule at a time

Ctrl-C ends it with the summary.
";

struct Options {
    deadline: Option<Instant>,
    n_schedules: u64,
    seed: u64,
    is_traced: bool,
}

fn main() -> ExitCode {
    match options() {
        Ok(Some(options)) => match torture(&options) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("torture: {error}");
                ExitCode::FAILURE
            }
        },
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("torture: {error}; --help tells more");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Option<Options>, lexopt::Error> {
    let (mut minutes, mut n_schedules, mut seed, mut is_traced) = (None, None, None, false);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("minutes") => minutes = Some(parser.value()?.parse::<u32>()?),
            Long("schedules") => n_schedules = Some(parser.value()?.parse::<u64>()?),
            Long("seed") => seed = Some(parser.value()?.parse::<u64>()?),
            Long("trace") => is_traced = true,
            other => return Err(other.unexpected()),
        }
    }
    let is_bounded = n_schedules.is_some() || seed.is_some();
    let minutes = minutes.or_else(|| (!is_bounded).then_some(1));
    Ok(Some(Options {
        deadline: minutes.map(|minutes| Instant::now() + Duration::from_secs(60) * minutes),
        n_schedules: n_schedules.unwrap_or(if seed.is_some() && minutes.is_none() { 1 } else { u64::MAX }),
        seed: seed.unwrap_or_else(|| fastrand::u64(..1 << 53)),
        is_traced,
    }))
}

/// Whether nothing was wrong.
fn torture(options: &Options) -> io::Result<bool> {
    let is_interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_interrupted))?;
    }
    println!("seeds from {}", options.seed);
    let seed_of = |n: u64| {
        let is_over = n >= options.n_schedules
            || options.deadline.is_some_and(|deadline| Instant::now() > deadline)
            || is_interrupted.load(Ordering::Relaxed);
        (!is_over).then(|| options.seed.wrapping_add(n))
    };
    let start = Instant::now();
    if options.is_traced {
        return trace(seed_of);
    }
    let so_far = Mutex::new((Tally::default(), Instant::now()));
    let outcome = run::run(Subject::Larder, Until::Wrong, seed_of, |played| {
        let mut so_far = so_far.lock().unwrap_or_else(PoisonError::into_inner);
        so_far.0.add(&played.tally);
        if so_far.1.elapsed() > TICK {
            so_far.1 = Instant::now();
            progress(&so_far.0, start.elapsed());
        }
    });
    println!("\n{}in {:.1} s", outcome.tally, start.elapsed().as_secs_f64());
    for played in &outcome.wrong {
        println!("{played}{}", again(played));
    }
    Ok(outcome.n_wrong == 0)
}

fn trace(seed_of: impl Fn(u64) -> Option<u64>) -> io::Result<bool> {
    let lane = Lane::new(Subject::Larder);
    for seed in (0..).map_while(seed_of) {
        let played = schedule::play(&lane, seed, true);
        writeln!(io::stdout(), "{played}")?;
        if played.violation.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn progress(tally: &Tally, time: Duration) {
    let per_second = tally.steps as f64 / time.as_secs_f64();
    let faults: Vec<String> = tally.faults.iter().map(|(fault, n)| format!("{fault} {n}")).collect();
    print!(
        "\r{} schedules, {per_second:.0} steps/s, {} reads ({} hits), {} commits; {}",
        tally.schedules,
        tally.reads,
        tally.hits,
        tally.commits,
        faults.join(", ")
    );
    // Progress that can't be shown is no reason to stop.
    let _ = io::stdout().flush();
}

/// How to see a schedule again.
fn again(played: &Played) -> String {
    format!("again: cargo xtask torture --seed {} --trace", played.seed)
}
