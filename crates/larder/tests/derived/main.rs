//! The derived repositories on a database file and a store in process.
#![cfg(feature = "sqlite")]
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod bulk;
mod codecs;
mod database;
mod finders;
mod memo;
mod models;
mod near;
mod relations;
mod transactions;
mod verify;
mod writes;
