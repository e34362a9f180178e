//! `impl Load` of a view: its columns, and then its relations, level by level.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Ident;

use super::{head, local, packed, place, refined};
use crate::facts::View;

pub(super) fn loaders(view: &View<'_>) -> TokenStream {
    let aliases = refined::aliases(view);
    let loaders = head::backends(view).into_iter().map(|backend| loader(view, &backend));
    quote!(#aliases #(#loaders)*)
}

fn loader(view: &View<'_>, backend: &TokenStream) -> TokenStream {
    let (ident, of) = (view.ident, head::entity(view));
    let (access, head, body) = if view.relations.is_empty() {
        let (head, own) = (head::name(view), own_columns(view));
        (quote!(_), quote!(#head), quote!(__larder::viewed(heads, |columns| Self { #(#own),* })))
    } else {
        let (head, body) = with_relations(view, backend);
        (quote!(access), head, body)
    };
    let whole = packed::whole(view, backend);
    quote! {
        #[automatically_derived]
        impl __larder::Load<#backend> for #ident {
            type Entity = #of;
            type Head = #head;
            fn assemble(
                #access: __larder::Access<'_, #backend>,
                heads: ::std::vec::Vec<Self::Head>,
            ) -> __larder::Result<::std::vec::Vec<Self>> {
                #body
            }
            #whole
        }

        #[automatically_derived]
        impl __larder::LoadOf<#backend, #of> for #ident {}
    }
}

/// The fields that hold columns.
fn own_columns(view: &View<'_>) -> Vec<TokenStream> {
    let idents = view.columns.iter().map(|column| column.ident);
    idents.map(|ident| quote!(#ident: columns.#ident)).collect()
}

/// The head and the loading of a view that has relations.
fn with_relations(view: &View<'_>, backend: &TokenStream) -> (TokenStream, TokenStream) {
    let (of, columns, own) = (head::entity(view), head::name(view), own_columns(view));
    let loaded = view.relations.iter().map(|relation| refined::loaded(view, relation));
    let loaded = quote!((#(#loaded,)*));
    let head = quote! {
        __larder::LinkedBy<#columns, <#loaded as __larder::Relations<#backend, #of>>::Keys, #loaded>
    };

    // Named at the fields' types: an error of a value is one of its field.
    let named = |prefix: &str| -> Vec<Ident> {
        let places = view.relations.iter().map(|relation| place(relation.ty));
        places.enumerate().map(|(at, place)| Ident::new(&format!("{prefix}{at}"), place)).collect()
    };
    let (names, keys, access) = (named("r"), named("k"), local("access"));
    let steps = view.relations.iter().zip(names.iter().zip(&keys));
    let loads = steps.map(|(relation, (name, keys))| {
        let value = refined::value(view, relation);
        quote_spanned! {place(relation.ty)=>
            let #name = #value;
            let mut #name = __larder::Relation::<#backend>::load(&#name, #access, #keys)?.into_iter();
        }
    });
    let (taken, fields): (Vec<_>, Vec<_>) = view
        .relations
        .iter()
        .zip(&names)
        .map(|(relation, name)| {
            let (ident, place) = (relation.ident, place(relation.ty));
            let taken = quote_spanned!(place=> let #name = #name.next()?;);
            if relation.counted {
                return (taken, quote_spanned!(place=> #ident: #name));
            }
            let fills = refined::fills(view, relation);
            (taken, quote_spanned!(place=> #ident: #fills::fill(#name)))
        })
        .unzip();
    let body = quote! {
        let (columns, (#(#keys,)*)) = __larder::unlink(heads);
        #(#loads)*
        __larder::viewed_with(columns, |columns| {
            #(#taken)*
            ::core::option::Option::Some(Self { #(#own,)* #(#fields),* })
        })
    };
    (head, body)
}
