//! The protocol as a state machine, and the exhaustive search of it. `docs/model.md` tells how to read what comes out.
//!
//! One cell is watched, with everybody who may come near it: writers, readers, a writer who does not use larder, relays, a verifier,
//! and what may go wrong. Each step is what one of them does at once: one request to the store, one statement, one COMMIT.

mod cell;
mod database;
mod state;

mod faults;
mod reader;
mod relay;
mod repair;
mod verifier;
mod writer;

mod machine;
mod moves;
mod trace;

pub mod cases;
pub mod near;
pub mod properties;
pub mod queries;
pub mod rules;
pub mod run;
pub mod search;
pub mod setup;
pub mod views;

pub use self::{
    moves::{Actor, Step},
    trace::Trace,
};
