//! What larder promises, on a real PostgreSQL and a real Redis. A test's name is its claim.

#![expect(clippy::unwrap_used, reason = "a test that fails here should")]
#![expect(clippy::type_complexity, reason = "the whole type is what is shown")]

mod asynchronous;
mod background;
mod bad_days;
mod behind;
mod coherence;
mod connections;
mod deferrable;
mod faults;
mod figures;
mod interleavings;
mod lists;
mod materialized;
mod near;
mod outbox;
mod outside;
mod pages;
mod patience;
mod queries;
mod raw;
mod reads;
mod refresh;
mod relations;
mod relay;
mod scope;
mod stampede;
mod trail;
mod upkeep;
mod verify;
mod views;
mod writes;
