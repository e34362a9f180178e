//! The program as a user runs it, on a real PostgreSQL and a real Redis.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod command;
mod doctor;
mod migration;
mod mistakes;
mod outbox;
mod partitions;
mod verify;
