//! The store on real servers.
//!
//! Tests that need nothing special of their server take the one of `REDIS_URL`, or share a private one. Tests that stop, freeze
//! or configure it always start their own.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod buffering;
mod cells;
mod conformance;
mod delays;
mod eventually;
mod faults;
mod garbage;
mod line;
mod listening;
mod log;
mod losses;
mod passwords;
mod permissions;
mod pipelined;
mod rate;
#[cfg(feature = "http")]
mod rate_http;
mod recalling;
mod recorder;
mod reigns;
mod restarts;
mod round_trips;
mod scans;
mod server;
mod sessions;
mod settings;
mod slots;
mod streams;
#[cfg(feature = "tls")]
mod tls;
mod topics;
#[cfg(feature = "tower-sessions")]
mod tower_sessions;
