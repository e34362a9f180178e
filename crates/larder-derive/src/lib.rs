//! Derive macros of larder; use them through the `larder` crate.
