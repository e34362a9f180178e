//! What was written in the attributes, with its spans.

mod diesel;
mod field;
mod guard;
mod item;
mod maintains;
mod model;
mod near;
mod order;
mod partition;
mod relation;
mod size;
mod ttl;
mod view;

pub(crate) use self::{
    diesel::{Diesel, Parent},
    field::{FieldAttrs, SerdeCoding, serde},
    guard::GuardAttrs,
    maintains::{Aggregate, MaintainedAttr, MaintainsAttr},
    model::{ModelAttrs, Writes},
    near::{Given, Near, NearAttrs, Reads},
    partition::{By, PartitionAttr, Step},
    relation::{Direction, OnDelete, RelationAttr},
    view::{CachedAttr, Refined, ViewAttrs, ViewFieldAttrs},
};
