//! Answers that the service keeps: in larder's store in memory, where only HTTP's own rules are at stake, and in a real Redis.

#![expect(clippy::unwrap_used, reason = "a test that fails here should")]

mod coherent;
mod eventually;
mod keys;
mod requests;
mod rules;
mod scene;
mod shared;
mod single_flight;
