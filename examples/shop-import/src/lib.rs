//! Imports the CDNOW purchase history into the shop's database, and checks that nothing was lost.
//!
//! A line goes this way: [`parse`] reads it, [`batch`] puts it together with whole customers, [`rows`] says which rows stand
//! for it under which [`ids`], [`mod@write`] inserts them, [`verify`] counts them again
//! by SQL, and [`read`] by reading every one through the cache. [`import`] drives that;
//! the rest speaks with the user.

pub mod batch;
pub mod counters;
pub mod figures;
pub mod ids;
pub mod import;
pub mod options;
pub mod parse;
pub mod progress;
pub mod read;
pub mod report;
pub mod rows;
pub mod verify;
pub mod write;
