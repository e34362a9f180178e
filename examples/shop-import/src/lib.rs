//! Imports the CDNOW purchase history into the shop's database, and checks that nothing was lost.
//!
//! A line goes this way: [`parse`] reads it, [`batch`] puts it together with whole customers, [`rows`] says which rows stand
//! for it under which [`ids`], [`mod@write`] inserts them, and [`verify`] counts them again. [`import`] drives that;
//! the rest speaks with the user.

pub mod batch;
pub mod figures;
pub mod ids;
pub mod import;
pub mod options;
pub mod parse;
pub mod progress;
pub mod report;
pub mod rows;
pub mod verify;
pub mod write;
