//! The chores of the workspace: `cargo xtask help` lists them.
//!
//! Everything that a chore starts ends with it, however it ends; whatever it needs and does not find, it installs or names.
#![allow(clippy::print_stdout, reason = "a program that talks to whoever runs it")]

mod bench;
mod cli;
mod contract;
mod diesel;
mod environment;
mod failure;
mod model;
mod needs;
mod programs;
mod runner;
mod services;
mod shop;
mod storm;
mod suite;
mod tidy;
mod tools;
mod torture;

use std::process::ExitCode;

use self::{cli::Chore, failure::Failure, runner::Runner};

fn main() -> ExitCode {
    let chore = match cli::parse(lexopt::Parser::from_env()) {
        Ok(chore) => chore,
        Err(error) => {
            eprintln!("xtask: {error}; `cargo xtask help` lists what there is");
            return ExitCode::from(2);
        }
    };
    match run(chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Interrupted) => {
            eprintln!("xtask: interrupted; everything it had started is stopped");
            ExitCode::from(130)
        }
        Err(Failure::Passed(code)) => ExitCode::from(code),
        Err(Failure::Failed(reason)) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<(), Failure> {
    let runner = Runner::new()?;
    match chore {
        Chore::Help(page) => {
            print!("{page}");
            Ok(())
        }
        Chore::Test { only } => suite::run(&runner, &only),
        Chore::Services { fast, command } => services::run(&runner, fast, command),
        Chore::Diesel { arguments } => diesel::run(&runner, arguments),
        Chore::Bench { arguments } => bench::run(&runner, arguments),
        Chore::Shop(options) => shop::run(&runner, &options),
        Chore::Model { filters, traces } => model::run(&runner, &filters, traces),
        Chore::Storm { arguments } => storm::run(&runner, arguments),
        Chore::Torture { arguments } => torture::run(&runner, arguments),
        Chore::Tidy => tidy::run(&runner),
    }
}
