//! What follows from what was written, once it is known to be right.

mod model;
mod view;

pub(crate) use self::{
    model::{Kind, Leads, Model, ModelField, Pattern, Relation, Source, at_call_site, tuple},
    view::{View, ViewColumn, ViewRelation},
};
