//! The program against a real PostgreSQL. `cargo xtask test` brings one.

#![expect(clippy::unwrap_used, reason = "a helper of a test has no other way to fail it")]

mod best;
mod command;
mod interrupted;
mod mistakes;
mod whole;
