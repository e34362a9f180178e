//! `storm`: breaks things under larder for as long as one likes. `storm --help` tells more.
#![allow(clippy::print_stdout, reason = "a program that talks to whoever runs it")]

mod cli;

use std::{env, process::ExitCode, time::Duration};

use storm::{
    Result,
    run::{Plan, run},
    scenario::{self, Scenario},
    worker,
};

use self::cli::{Errand, Options};

fn main() -> ExitCode {
    let done = match cli::parse(lexopt::Parser::from_env()) {
        Ok(Errand::Help) => {
            print!("{}", cli::HELP);
            Ok(true)
        }
        Ok(Errand::List) => {
            for Scenario { name, breaks, .. } in scenario::ALL {
                println!("{name:<20} {breaks}");
            }
            Ok(true)
        }
        Ok(Errand::Work(work)) => worker::work(&work).map(|()| true),
        Ok(Errand::Run(options)) => run_all(&options),
        Err(error) => {
            eprintln!("storm: {error}; `--help` tells what there is");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("storm: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the scenarios one after the other: whether all were good.
fn run_all(options: &Options) -> Result<bool> {
    let scenarios = &options.scenarios;
    let n_scenarios = u32::try_from(scenarios.len())?;
    let plan = Plan {
        program: env::current_exe()?,
        n_workers: options.n_workers,
        n_threads: 2,
        time: options.time.map(|time| time / n_scenarios),
        n_operations: options.n_operations.map(|n| n.div_ceil(n_scenarios.into())),
        seed: options.seed,
        folder: env::temp_dir().join("larder-storm"),
        tells_progress: true,
    };
    let is_bounded = plan.time.is_some() || plan.n_operations.is_some();
    let plan = if is_bounded { plan } else { Plan { time: Some(Duration::from_secs(10)), ..plan } };
    eprintln!("# seed {}", options.seed);
    let (mut n_bad, mut n_operations) = (0, 0);
    for scenario in scenarios {
        let report = run(scenario, &plan).map_err(|error| format!("{}: {error}", scenario.name))?;
        println!("{report}");
        n_bad += u32::from(!report.is_good());
        n_operations += report.n_operations();
    }
    println!("{n_operations} operations in {n_scenarios} scenarios, of which {n_bad} failed");
    Ok(n_bad == 0)
}
