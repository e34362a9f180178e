//! A follower on a real PostgreSQL that keeps a logical log.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod lag;
mod lost;
mod seen;
mod setup;
mod words;
mod world;
