//! Cached queries as a machine: one entry, and the one or two cells that it depends on.
//!
//! The entry holds a result, and the stamps that its cells' values had before the query was sent. It is served for as long as these are
//! the stamps that are there. A cell without a value gets a stub, a value of no bytes in a layout of its own.

mod faults;
mod lines;
mod load;
mod moves;
mod parts;
mod properties;
mod settle;
pub mod setup;
mod state;
mod trace;
mod writer;
