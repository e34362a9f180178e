//! Derive macros of larder; use them through the `larder` crate.
//!
//! Five steps, a module each: the shape of the input ([`ast`]), what was written in its attributes ([`attr`]), the rules over
//! the whole ([`check`]), what follows from it ([`facts`]), and the tokens ([`expand`]). Mistakes are collected on the way
//! ([`errors`]), and all of them are shown at once.

mod ast;
mod attr;
mod check;
mod errors;
mod expand;
mod facts;
mod names;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a repository for a Diesel model.
#[proc_macro_derive(Repository, attributes(larder, diesel))]
pub fn repository(input: TokenStream) -> TokenStream {
    expand::repository(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes a view of an entity: some of its columns, and relations that come with them.
#[proc_macro_derive(View, attributes(larder, diesel))]
pub fn view(input: TokenStream) -> TokenStream {
    expand::view(&parse_macro_input!(input as DeriveInput)).into()
}

/// Writes values into cache cells and reads them back.
#[proc_macro_derive(Codec, attributes(larder))]
pub fn codec(input: TokenStream) -> TokenStream {
    expand::codec(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes an enum without fields a part of keys: each variant is written as its name.
#[proc_macro_derive(KeyPart)]
pub fn key_part(input: TokenStream) -> TokenStream {
    expand::key_part(&parse_macro_input!(input as DeriveInput)).into()
}
