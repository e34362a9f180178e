//! What is MySQL's and MariaDB's own: writes without RETURNING, transactions that end by themselves, collations; and safe writes there.
//!
//! `MARIADB_URL` names the server; a test that finds none fails.

#![expect(clippy::unwrap_used, reason = "a test that fails here should")]

mod collations;
mod ends;
mod locks;
mod models;
mod reads;
mod safe;
mod site;
mod types;
mod writes;
