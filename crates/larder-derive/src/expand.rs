//! The tokens.
//!
//! Paths are absolute and there are no glob imports, since nothing is known of what the user's module has in scope. All items
//! but the repository stand in an anonymous constant, where no name of theirs can be in anybody's way.

mod codec;
mod coding;
mod entity;
mod finder;
mod head;
mod key_part;
mod loader;
mod pattern;
mod receiver;
mod relation;
mod repository;
mod stub;
mod table;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{DeriveInput, Ident};

use crate::{
    ast::{Struct, Words},
    check,
    errors::Errors,
};

/// `#[derive(Repository)]`.
pub(crate) fn repository(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let (model, relations) = match Struct::of(input, "a model", &mut errors) {
        Some(shape) => check::model(shape, &mut errors),
        None => (None, Vec::new()),
    };
    match (errors.finish(), model) {
        (Ok(()), Some(model)) => {
            let repository = repository::repository(&model);
            let items = [
                entity::entity(&model),
                table::tables(&model),
                pattern::patterns(&model),
                relation::relations(&model),
                repository::methods(&model),
                finder::finders(&model),
            ];
            quote! {
                #repository
                const _: () = { #(#items)* };
            }
        }
        (Err(errors), _) => stub::repository(input, &errors, &relations),
        (Ok(()), None) => TokenStream::new(),
    }
}

/// `#[derive(View)]`.
pub(crate) fn view(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let view = Struct::of(input, "a view", &mut errors).and_then(|shape| check::view(shape, &mut errors));
    match (errors.finish(), view) {
        (Ok(()), Some(view)) => {
            let items = [head::head(&view), loader::loaders(&view)];
            quote!(const _: () = { #(#items)* };)
        }
        (Err(errors), _) => stub::view(input, &errors),
        (Ok(()), None) => TokenStream::new(),
    }
}

/// `#[derive(Codec)]`.
pub(crate) fn codec(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let implementation = codec::codec(input, &mut errors);
    match errors.finish() {
        Ok(()) => quote!(const _: () = { #implementation };),
        Err(errors) => stub::codec(input, &errors),
    }
}

/// `#[derive(KeyPart)]`.
pub(crate) fn key_part(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let words = Words::of(input, &mut errors);
    match (errors.finish(), words) {
        (Ok(()), Some(words)) => key_part::key_part(&input.ident, &words.variants),
        (Err(errors), _) => stub::key_part(input, &errors),
        (Ok(()), None) => TokenStream::new(),
    }
}

/// The number by which two derives that have not seen each other name the same columns of an entity. It does not compile if
/// that is none, or has no such columns.
fn fields_number<'a>(entity: &impl quote::ToTokens, fields: impl IntoIterator<Item = &'a Ident>) -> TokenStream {
    let fields: Vec<&Ident> = fields.into_iter().collect();
    let names = fields.iter().map(|field| crate::names::plain(field));
    let (first, rest) = (names.clone().next(), names.skip(1));
    let columns = fields
        .iter()
        .map(|field| quote::quote_spanned!(place(field)=> <#entity as ::larder::__private::Entity>::COLUMNS.#field));
    quote! {{
        ::larder::__private::fields(::larder::__private::Fingerprint::of(#first) #(.and(#rest))*, (#(#columns,)*))
    }}
}

/// The place of something that the user wrote, for tokens whose errors belong there.
///
/// It is the very same place, as the user's own tokens have it: the compiler shows equal errors at one place once.
fn place(of: &impl syn::spanned::Spanned) -> Span {
    of.span()
}

/// A variable of a generated function, or `self`. It is of the derive's own hygiene wherever it stands: a type that came out of
/// a macro has another.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

/// A name of the user's, as if the derive had thought of it: nobody needs to hear that a function which only a view has a use
/// for is never called.
fn quiet(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(name.span().resolved_at(Span::call_site()));
    name
}

/// The same tokens, all of them at one place.
fn moved(tokens: &impl quote::ToTokens, place: Span) -> TokenStream {
    let tokens = tokens.to_token_stream().into_iter();
    tokens
        .map(|mut token| {
            token.set_span(place.resolved_at(token.span()));
            token
        })
        .collect()
}
