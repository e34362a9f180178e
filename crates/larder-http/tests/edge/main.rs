//! Services behind a real Varnish, which has the rules that the crate ships; and a purge API, by what it is sent.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod api;
mod eventually;
mod overtaking;
mod purging;
mod scene;
mod serving;
