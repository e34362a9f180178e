//! View cells as a machine: two trees, each in a cell under the key of its root.
//!
//! A cell holds a root with all that hangs from it. Whoever writes a row of a tree marks the cells of the roots that it belonged to and will
//! belong to; which these are it finds by following foreign keys in its own transaction, a statement a level.

mod faults;
mod load;
mod moves;
mod path;
mod properties;
mod rows;
mod settle;
pub mod setup;
mod state;
mod trace;
mod waits;
mod writer;
