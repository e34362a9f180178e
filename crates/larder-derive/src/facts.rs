//! What follows from what was written, once it is known to be right.

mod model;
mod view;

pub(crate) use self::{
    model::{Kind, Leads, Maintained, Model, ModelField, Pattern, Relation, Source, Upkeep, at_call_site, tuple},
    view::{View, ViewColumn, ViewRelation},
};
