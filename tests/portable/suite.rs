//! What larder promises wherever it runs. A test's name is its claim.
//!
//! Compiled once for each back end: `crate::site` has the shop as it is there.

mod background;
pub(crate) mod coherence;
mod documents;
mod faults;
mod figures;
mod graphs;
mod interleavings;
mod lists;
mod near;
mod pages;
mod queries;
mod raw;
mod reads;
mod relations;
mod safe;
mod scope;
mod sources;
mod stampede;
mod tenants;
mod trail;
mod trees;
mod upkeep;
mod views;
mod writes;
