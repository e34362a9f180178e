//! Several processes on larder, everything under them broken on purpose, and an oracle that judges what they saw.
//!
//! A [`Scenario`](scenario::Scenario) says what is broken and what is promised all the same. [`run`](run::run) starts private servers
//! and workers, breaks things under them, and compares what the workers saw with what could have been.

mod arena;
mod clock;
mod crew;
mod flawed;
mod history;
mod judge;
mod naive;
mod oracle;
mod pace;
mod record;
pub mod run;
pub mod scenario;
mod site;
mod strict;
mod verify;
pub mod worker;
mod world;

/// The result of what only a person reads.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
