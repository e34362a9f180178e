//! What was written in the attributes, with its spans.

mod diesel;
mod field;
mod item;
mod maintains;
mod model;
mod near;
mod order;
mod relation;
mod size;
mod ttl;
mod view;

pub(crate) use self::{
    diesel::{Diesel, Parent},
    field::{FieldAttrs, SerdeCoding, serde},
    maintains::{Aggregate, MaintainedAttr, MaintainsAttr},
    model::{ModelAttrs, Writes},
    near::{Given, Near, NearAttrs, Reads},
    relation::{Direction, OnDelete, RelationAttr},
    view::{Refined, ViewAttrs, ViewFieldAttrs},
};
