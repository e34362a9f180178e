//! What larder promises, on a real PostgreSQL and a real Redis. A test's name is its claim.

mod coherence;
mod faults;
mod lists;
mod raw;
mod reads;
mod relations;
mod views;
mod writes;
