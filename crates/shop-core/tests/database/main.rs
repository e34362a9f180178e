//! What only a real PostgreSQL can answer. `cargo xtask test` brings one, and the diesel CLI.

#![expect(clippy::unwrap_used, reason = "a helper of a test has no other way to fail it")]

mod models;
mod schema;
