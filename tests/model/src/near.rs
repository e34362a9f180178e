//! The near cache as a machine: one key in the memory of one process or two, over the cell, which is taken for right here.
//!
//! A process listens to the store over one connection, whose messages and replies come in the order in which they were sent. Who
//! reads past the near cache is judged by the search of the cell; here it is judged what the near cache itself would serve.

mod channel;
mod hit;
mod listener;
mod load;
mod membership;
mod misfortune;
mod moves;
mod process;
mod properties;
pub mod setup;
mod state;
mod trace;
mod writer;
