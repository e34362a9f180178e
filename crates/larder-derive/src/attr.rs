//! What was written in the attributes, with its spans.

mod diesel;
mod field;
mod item;
mod model;
mod order;
mod relation;
mod ttl;
mod view;

pub(crate) use self::{
    diesel::{Diesel, Parent},
    field::{FieldAttrs, SerdeCoding, serde},
    model::{ModelAttrs, Writes},
    relation::{Direction, OnDelete, RelationAttr},
    view::{Refined, ViewAttrs, ViewFieldAttrs},
};
