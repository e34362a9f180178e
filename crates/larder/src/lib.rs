//! Cached repositories for Diesel models.

pub mod store;
