//! Models and views of every kind, on a database file and a store in process: what they compile to, find and cost.

// Expressions that only deprecated code would need have no place here, nor has what a derive leaves unused.
#![deny(unused)]

#[path = "pass/codec.rs"]
mod codec;
#[path = "pass/columns.rs"]
mod columns;
#[path = "pass/composite.rs"]
mod composite;
#[path = "pass/modules.rs"]
mod modules;
#[path = "pass/one.rs"]
mod one;
#[path = "pass/pages.rs"]
mod pages;
#[path = "pass/references.rs"]
mod references;
#[path = "pass/shop.rs"]
mod shop;
#[path = "pass/support.rs"]
mod support;
#[path = "pass/through.rs"]
mod through;
#[path = "pass/tree.rs"]
mod tree;
#[path = "pass/unique.rs"]
mod unique;
