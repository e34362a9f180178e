//! The commands of larder, for the models of a program.
//!
//! larder knows a model by its type, so a program of one's own has the commands for one's own models:
//!
//! ```no_run
//! # use std::process::ExitCode;
//! # use larder::Models;
//! # fn models() -> Models<diesel::pg::Pg> { Models::new() }
//! fn main() -> ExitCode {
//!     // Models::new().with::<User>().with::<Order>()
//!     larder_cli::main(&models())
//! }
//! ```
//!
//! `verify` compares what Redis serves with what PostgreSQL has, `relay` settles what waits in the outbox, `lag` tells how much that is,
//! `upkeep` looks after columns that are maintained, `partitions` after partitions, `doctor` looks whether the database has what the models
//! need, and `migration` prints what a feature needs; `--help` tells of all. Results go to
//! standard output, as text or as JSON, and all else to standard error; passwords go nowhere. A program ends with 0 if all is well, with
//! 1 if something was found wrong, and with 2 if the command line makes no sense or something failed.

mod command;
mod complaint;
mod connect;
mod doctor;
mod init;
mod migration;
mod options;
mod partitions;
mod progress;
mod relay;
mod secrets;
mod stop;
mod upkeep;
mod verify;

use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    iter,
    process::ExitCode,
};

use diesel::pg::Pg;
use larder::{Models, doctor::Examined};

use self::{
    command::{Command, Request},
    complaint::Complaint,
    secrets::Secrets,
};

/// Does what the command line of this process says, for these models.
///
/// What the command line leaves open is taken from the environment: `DATABASE_URL` and `REDIS_URL`. From then on a first Ctrl-C or SIGTERM is
/// a request to end in good order, and a second one the end.
#[must_use]
pub fn main(models: &Models<Pg>) -> ExitCode {
    run(models, env::args_os().skip(1), |name| env::var(name).ok())
}

/// Does what the command line of this process says for `doctor` alone, on whatever back end: for programs whose models are none of PostgreSQL.
///
/// ```no_run
/// # use std::process::ExitCode;
/// # use larder::{Models, doctor::Examined};
/// # fn example<DB: Examined>(models: &Models<DB>) -> ExitCode {
/// larder_cli::doctor_main(models)
/// # }
/// ```
///
/// Its options are those of `doctor` in [`main`], which may stand behind that word.
#[must_use]
pub fn doctor_main<DB: Examined>(models: &Models<DB>) -> ExitCode {
    let given: Vec<OsString> = env::args_os().skip(1).collect();
    let options = given.iter().skip(usize::from(given.first().is_some_and(|word| word == "doctor")));
    let line = iter::once(OsString::from("doctor")).chain(options.cloned());
    end(match command::parse(line, |name| env::var(name).ok()) {
        Ok(Request::Help(text)) => print(&text).map(|()| ExitCode::SUCCESS),
        Ok(Request::Run(common, Command::Doctor(options))) => {
            let secrets = Secrets::of([&common.database_url]);
            doctor::run(models, &common, &options).map_err(|complaint| complaint.without(&secrets))
        }
        Ok(_) => unreachable!("the line begins with the command"),
        Err(error) => Err(Complaint::of(&error)),
    })
}

fn run(
    models: &Models<Pg>,
    arguments: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<String>,
) -> ExitCode {
    end(match command::parse(arguments, variable) {
        Ok(Request::Help(text)) => print(&text).map(|()| ExitCode::SUCCESS),
        Ok(Request::Migration(options)) => migration::run(models, &options),
        Ok(Request::Run(common, command)) => {
            let secrets = Secrets::of([&common.database_url, &common.redis_url]);
            let done = match command {
                Command::Verify(options) => verify::run(models, &common, &options),
                Command::Relay(options) => relay::run(models, &common, &options),
                Command::Lag(options) => relay::lag(&common, &options),
                Command::Partitions(options) => partitions::run(models, &common, &options),
                Command::Upkeep(options) => upkeep::run(models, &common, &options),
                Command::Doctor(options) => doctor::run(models, &common, &options),
                Command::CheckTriggers(options) => migration::check(models, &common, &options),
            };
            done.map_err(|complaint| complaint.without(&secrets))
        }
        Err(error) => Err(Complaint::of(&error)),
    })
}

/// Does what the command line of this process says, of the commands that need no models: the program `larder`, which has `init`.
///
/// It writes models for the tables of a database that is there already. What the command line leaves open is taken from the environment:
/// `DATABASE_URL`.
#[must_use]
pub fn main_without_models() -> ExitCode {
    init::main(env::args_os().skip(1), |name| env::var(name).ok())
}

fn end(done: Result<ExitCode, Complaint>) -> ExitCode {
    done.unwrap_or_else(|complaint| {
        // There is nobody left to tell if this fails.
        let _ = writeln!(io::stderr(), "error: {complaint}");
        ExitCode::from(2)
    })
}

/// Writes a result to standard output.
fn print(text: &str) -> Result<(), Complaint> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Complaint::of(&error))
}
