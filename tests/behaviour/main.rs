//! What larder promises, on a real PostgreSQL and a real Redis. A test's name is its claim.

#![expect(clippy::unwrap_used, reason = "a test that fails here should")]
#![expect(clippy::type_complexity, reason = "the whole type is what is shown")]

mod asynchronous;
mod bad_days;
mod behind;
mod connections;
mod deferrable;
mod faults;
mod figures;
mod interleavings;
mod materialized;
mod near;
mod outbox;
mod outside;
mod pages;
mod partitions;
mod patience;
mod queries;
mod refresh;
mod relay;
mod rich;
mod safe;
mod scope;
mod sources;
mod stampede;
mod tenants;
mod trees;
mod upkeep;
mod verify;
mod writes;
