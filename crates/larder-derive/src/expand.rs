//! The tokens.
//!
//! All items but the repository stand in an anonymous constant, where no name of theirs can be in anybody's way. Every path
//! starts at a crate's root or at `__larder`, which that constant imports, and there are no glob imports: nothing is known of
//! what the user's module has in scope.

mod codec;
mod coding;
mod entity;
mod finder;
mod guard;
mod head;
mod key_part;
mod loader;
mod near;
mod packed;
mod partition;
mod pattern;
mod receiver;
mod refined;
mod relation;
mod repository;
mod stub;
mod table;
mod tenant;
mod upkeep;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{DeriveInput, Ident};

use crate::{
    ast::{Struct, Words},
    check,
    errors::Errors,
    facts::Source,
};

/// `#[derive(Repository)]`.
pub(crate) fn repository(input: &DeriveInput) -> TokenStream {
    model(input, Source::Table)
}

/// `#[derive(MaterializedView)]`.
pub(crate) fn materialized_view(input: &DeriveInput) -> TokenStream {
    model(input, Source::MaterializedView)
}

fn model(input: &DeriveInput, source: Source) -> TokenStream {
    let mut errors = Errors::default();
    let (model, relations) = match Struct::of(input, "a model", &mut errors) {
        Some(shape) => check::model(shape, source, &mut errors),
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
                upkeep::upkeeps(&model),
                packed::in_views(&model),
                partition::checks(&model),
                repository::methods(&model),
                finder::finders(&model),
                tenant::tenant(&model),
            ];
            let hidden = hidden(quote!(#(#items)*));
            quote!(#repository #hidden)
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
            let items = [head::head(&view), loader::loaders(&view), packed::packed(&view)];
            hidden(quote!(#(#items)*))
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
        Ok(()) => hidden(implementation),
        Err(errors) => stub::codec(input, &errors),
    }
}

/// `#[derive(KeyPart)]`.
pub(crate) fn key_part(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let words = Words::of(input, &mut errors);
    match (errors.finish(), words) {
        (Ok(()), Some(words)) => hidden(key_part::key_part(&input.ident, &words.variants)),
        (Err(errors), _) => stub::key_part(input, &errors),
        (Ok(()), None) => TokenStream::new(),
    }
}

/// Items that nobody can name.
fn hidden(items: TokenStream) -> TokenStream {
    quote! {
        const _: () = {
            use ::larder::__private as __larder;

            #items
        };
    }
}

/// The number by which two derives that have not seen each other name the same columns of an entity. It does not compile if
/// that is none, or has no such columns.
fn fields_number<'a>(entity: &impl quote::ToTokens, fields: impl IntoIterator<Item = &'a Ident>) -> TokenStream {
    let fields: Vec<&Ident> = fields.into_iter().collect();
    let names = fields.iter().map(|field| crate::names::plain(field));
    let (first, rest) = (names.clone().next(), names.skip(1));
    let columns =
        fields.iter().map(|field| quote::quote_spanned!(place(field)=> <#entity as __larder::Entity>::COLUMNS.#field));
    quote! {{
        __larder::fields(__larder::Fingerprint::of(#first) #(.and(#rest))*, (#(#columns,)*))
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
