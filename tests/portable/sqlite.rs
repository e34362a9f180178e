//! What is SQLite's alone, with the store of the process: the embedded default.

mod ends;
mod given;
mod killed;
mod schedules;
mod stage;
mod waits;
