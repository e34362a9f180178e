//! The derived repositories on a database file and a store in process.
#![cfg(feature = "sqlite")]
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

#[cfg(all(feature = "behind", feature = "metrics"))]
mod behind;
mod bulk;
mod codecs;
mod database;
mod embedded;
mod explain;
mod finders;
mod memo;
#[cfg(feature = "metrics")]
mod metrics;
mod models;
mod near;
mod relations;
mod repeats;
#[cfg(feature = "chrono")]
mod safe;
mod spans;
mod stats;
mod tenants;
mod transactions;
mod trees;
mod verify;
mod writes;
