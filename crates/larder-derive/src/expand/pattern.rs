//! The types that stand for access patterns.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Type;

use super::{coding, fields_number, local, place};
use crate::facts::{Kind, Model, Pattern, tuple};

pub(super) fn patterns(model: &Model<'_>) -> TokenStream {
    let patterns = model.patterns.iter().map(|pattern| {
        let definition = definition(model, pattern);
        let on = model.backends.iter().map(|backend| on_backend(model, pattern, backend));
        let listed = (!matches!(pattern.kind, Kind::Common)).then(|| listed(model, pattern));
        let places = places(model, pattern);
        quote!(#definition #(#on)* #listed #places)
    });
    quote!(#(#patterns)*)
}

fn definition(model: &Model<'_>, pattern: &Pattern) -> TokenStream {
    let (vis, ident, entity) = (model.vis(), &pattern.ident, model.ident);
    let fields = model.fields_of(pattern);
    let columns: Vec<_> = fields.iter().filter_map(|field| field.column.as_ref()).collect();
    let (key, key_of) = match pattern.kind {
        Kind::Primary => (
            quote!(<#entity as __larder::Entity>::Key),
            quote!(::core::option::Option::Some(__larder::Entity::key(row))),
        ),
        _ => key(model, pattern),
    };
    let unique = pattern.is_unique();
    let write_through = matches!(pattern.kind, Kind::Primary | Kind::Unique { deferrable: false });
    let (order, head) = match &pattern.kind {
        Kind::List { order, head } => (order.as_slice(), *head),
        _ => (&[][..], 1),
    };
    let head = Literal::usize_unsuffixed(head);
    let order = order.iter().map(|(at, descending)| {
        let column = &model.fields[*at].column;
        quote! {
            __larder::Term {
                column: <#column as __larder::diesel::Column>::NAME,
                descending: #descending,
            }
        }
    });
    let names: Vec<_> = fields.iter().map(|field| field.ident).collect();
    let name = model.finder_name(pattern);
    let doc = format!(" Rows of `{entity}` by {}.", crate::names::listed(&names, "and"));

    quote! {
        #[doc = #doc]
        #[derive(::core::fmt::Debug)]
        #vis enum #ident {}

        #[automatically_derived]
        impl __larder::Pattern for #ident {
            type Entity = #entity;
            type Key = #key;
            const COLUMNS: &'static [&'static str] =
                &[#(<#columns as __larder::diesel::Column>::NAME),*];
            const NAME: &'static str = #name;
            const UNIQUE: bool = #unique;
            const WRITE_THROUGH: bool = #write_through;
            const ORDER: __larder::Ordering = &[#(#order),*];
            const HEAD: usize = #head;
            fn key_of(row: &#entity) -> ::core::option::Option<Self::Key> {
                #key_of
            }
        }
    }
}

/// The type of a key, and how it is taken from a row.
fn key(model: &Model<'_>, pattern: &Pattern) -> (TokenStream, TokenStream) {
    let fields = model.fields_of(pattern);
    let parts: Vec<_> = fields
        .iter()
        .map(|field| {
            let ty = field.ty;
            let checked = quote_spanned! {place(ty)=>
                <#ty as __larder::If<{ __larder::is_key_field::<#ty>() }>>::Type
            };
            part(&checked)
        })
        .collect();
    let values: Vec<_> = fields
        .iter()
        .map(|field| {
            let (row, ident, ty) = (local("row"), field.ident, field.ty);
            quote_spanned!(place(ty)=> <#ty as __larder::KeyField>::part(&#row.#ident))
        })
        .collect();
    let value = match &values[..] {
        [value] => value.clone(),
        values => quote!(::core::option::Option::Some((#(#values?),*))),
    };
    (tuple(&parts), value)
}

/// The part of a key that a field holds.
pub(super) fn part(ty: &impl ToTokens) -> TokenStream {
    quote_spanned!(place(&ty)=> <#ty as __larder::KeyField>::Part)
}

fn on_backend(model: &Model<'_>, pattern: &Pattern, backend: &Type) -> TokenStream {
    let ident = &pattern.ident;
    let fields = model.fields_of(pattern);
    let columns: Vec<_> = fields.iter().filter_map(|field| field.column.as_ref()).collect();
    let columns = tuple(&columns);
    let key = quote_spanned!(place(fields[0].ty)=> <Self::Key as __larder::BindKey<#backend, #columns>>);
    quote! {
        #[automatically_derived]
        impl __larder::PatternOn<#backend> for #ident {
            fn select(list: &mut __larder::SelectList<#backend>) {
                #key::select(list);
            }
            fn matching<'q>(
                keys: ::std::vec::Vec<Self::Key>,
                statement: &mut __larder::Statement<'q, #backend>,
            ) {
                #key::matching(keys, statement);
            }
            fn arrays<'q>(
                keys: ::std::vec::Vec<Self::Key>,
                statement: &mut __larder::Statement<'q, #backend>,
            ) {
                #key::arrays(keys, statement);
            }
            fn read<'r, R: __larder::diesel::row::Row<'r, #backend>>(
                row: &mut __larder::RowReader<'_, R>,
            ) -> __larder::diesel::deserialize::Result<::core::option::Option<Self::Key>> {
                #key::read(row)
            }
        }
    }
}

/// The places of a list's rows, behind which pages begin.
fn places(model: &Model<'_>, pattern: &Pattern) -> Option<TokenStream> {
    let Kind::List { order, .. } = &pattern.kind else { return None };
    let ties = model.primary().fields.iter().filter(|at| !order.iter().any(|(named, _)| named == *at));
    let fields: Vec<_> = order.iter().map(|(at, _)| at).chain(ties).map(|at| &model.fields[*at]).collect();
    let (entity, ident) = (model.ident, &pattern.ident);
    let (row, out) = (local("row"), local("out"));
    let bound: Vec<_> = (0..fields.len()).map(|at| format_ident!("value{at}", span = Span::mixed_site())).collect();
    let types = nested(fields.iter().map(|field| field.ty.to_token_stream()));
    let columns = nested(fields.iter().map(|field| field.column.to_token_stream()));
    let values = nested(fields.iter().map(|field| {
        let ident = field.ident;
        quote_spanned!(place(field.ty)=> ::core::clone::Clone::clone(&#row.#ident))
    }));
    let bindings = nested(bound.iter().map(ToTokens::to_token_stream));
    let encode = fields
        .iter()
        .zip(&bound)
        .map(|(field, bound)| coding::encode(field.ty, field.serde.as_ref(), bound.to_token_stream()));
    let decode = nested(fields.iter().map(|field| coding::decode(field.ty, field.serde.as_ref())));
    let form = fields.iter().map(|field| coding::fingerprint(field.ty, field.serde.as_ref()));
    Some(quote! {
        #[automatically_derived]
        impl __larder::Listed for #ident {
            type Place = #types;
            type Columns = #columns;
            const FORM: __larder::Fingerprint = __larder::Fingerprint::of("place")#(.then(#form))*;
            fn place(#row: &#entity) -> Self::Place {
                #values
            }
            fn encode_place(place: &Self::Place, #out: &mut ::std::vec::Vec<u8>) {
                let #bindings = place;
                #(#encode;)*
            }
            fn decode_place(
                input: &mut __larder::Input<'_>,
            ) -> ::core::result::Result<Self::Place, __larder::Corrupt> {
                ::core::result::Result::Ok(#decode)
            }
        }
    })
}

/// `(a, (b, ()))`.
fn nested(items: impl DoubleEndedIterator<Item = TokenStream>) -> TokenStream {
    items.rfold(quote!(()), |rest, item| quote!((#item, #rest)))
}

/// What relations of other models find the pattern by.
fn listed(model: &Model<'_>, pattern: &Pattern) -> TokenStream {
    let (entity, ident) = (model.ident, &pattern.ident);
    let fields = fields_number(entity, model.fields_of(pattern).iter().map(|field| field.ident));
    quote! {
        #[automatically_derived]
        impl __larder::ListedBy<#fields> for #entity {
            type Pattern = #ident;
        }
    }
}
