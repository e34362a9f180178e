//! `cargo xtask services -- cargo run -p shop`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

mod serve;

use std::{env, process::ExitCode};

use shop::{HELP, Request, parse};
use tracing_subscriber::{EnvFilter, fmt};

fn main() -> ExitCode {
    let options = match parse(env::args_os().skip(1), |name| env::var(name).ok()) {
        Ok(Request::Help) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(Request::Run(options)) => *options,
        Err(error) => {
            eprintln!("shop: {error}");
            return ExitCode::from(2);
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if options.log_json {
        log.json().init()
    } else {
        log.init()
    }
    serve::run(options).unwrap_or_else(|error| {
        eprintln!("shop: {error}");
        ExitCode::FAILURE
    })
}
