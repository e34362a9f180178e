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
//! `upkeep` looks after columns that are maintained, and `migration` prints what a feature needs; `--help` tells of all. Results go to
//! standard output, as text or as JSON, and all else to standard error; passwords go nowhere. A program ends with 0 if all is well, with
//! 1 if something was found wrong, and with 2 if the command line makes no sense or something failed.

mod command;
mod complaint;
mod connect;
mod migration;
mod options;
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
    process::ExitCode,
};

use diesel::pg::Pg;
use larder::Models;

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

fn run(
    models: &Models<Pg>,
    arguments: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<String>,
) -> ExitCode {
    let done = match command::parse(arguments, variable) {
        Ok(Request::Help(text)) => print(&text).map(|()| ExitCode::SUCCESS),
        Ok(Request::Migration(options)) => migration::run(models, &options),
        Ok(Request::Run(common, command)) => {
            let secrets = Secrets::of([&common.database_url, &common.redis_url]);
            let done = match command {
                Command::Verify(options) => verify::run(models, &common, &options),
                Command::Relay(options) => relay::run(models, &common, &options),
                Command::Lag(options) => relay::lag(&common, &options),
                Command::Upkeep(options) => upkeep::run(models, &common, &options),
                Command::CheckTriggers(options) => migration::check(models, &common, &options),
            };
            done.map_err(|complaint| complaint.without(&secrets))
        }
        Err(error) => Err(Complaint::of(&error)),
    };
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
