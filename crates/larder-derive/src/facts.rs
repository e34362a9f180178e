//! What follows from what was written, once it is known to be right.

mod model;
mod view;

pub(crate) use self::{
    model::{
        Guards, Kind, Leads, Maintained, Model, ModelField, Partition, PartitionBy, Pattern, Relation, Source, Upkeep,
        at_call_site, tuple,
    },
    view::{View, ViewColumn, ViewRelation},
};
