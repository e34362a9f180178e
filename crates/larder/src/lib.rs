//! Cached repositories for Diesel models.
