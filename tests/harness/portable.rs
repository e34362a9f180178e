//! One shop on every back end: the same models, finders and relations, in tables that each database has in its own way.
//!
//! What the tests under `tests/portable` say is said once, and compiled for each back end: [`Ground`] has what differs, in words that a
//! test can use, and [`Costs`] what differs in statements.

mod docs;
mod ground;
mod keys;
mod mariadb;
mod models;
mod postgres;
mod shop;
mod sqlite;
mod status;

pub use self::{
    docs::{Doc, File, NewDoc, Shelf, schema as archive},
    ground::{Costs, Ground},
    keys::Keys,
    models::{
        NewOrder, NewOrderItem, NewUser, Order, OrderChanges, OrderItem, OrderItemChanges, User, UserChanges, schema,
    },
    shop::{Branch, Shop, day, money, nobody},
    status::Status,
};

/// An amount of the shop.
pub type Money = larder::types::Money<2>;
