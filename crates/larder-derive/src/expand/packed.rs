//! Views that lie in cells: how they are written there, what leads to their rows, and which models know of them.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;

use super::{coding, head, local, place, refined};
use crate::{
    attr::CachedAttr,
    facts::{Model, View, ViewRelation},
    names,
};

/// How many bytes a tree has at most that is stored, and how many roots a transaction marks one by one.
const LIMIT: u64 = 256 << 10;
const MOST_ROOTS: usize = 1_000;

pub(super) fn packed(view: &View<'_>) -> TokenStream {
    if !view.is_packed {
        return TokenStream::new();
    }
    let (coding, in_tree, cached) =
        (coding(view), in_tree(view), view.cached.as_ref().map(|options| cached(view, options)));
    let branches = head::backends(view).into_iter().map(|backend| branches(view, &backend));
    quote!(#coding #in_tree #(#branches)* #cached)
}

/// The item of `impl Load` by which trees are read that are stored whole.
pub(super) fn whole(view: &View<'_>, backend: &TokenStream) -> TokenStream {
    if view.cached.is_none() {
        return TokenStream::new();
    }
    let (access, keys) = (local("access"), local("keys"));
    quote! {
        const IS_WHOLE: bool = true;
        fn whole(
            #access: __larder::Access<'_, #backend>,
            #keys: &[<Self::Entity as __larder::Entity>::Key],
        ) -> ::core::option::Option<__larder::Result<::std::vec::Vec<::core::option::Option<Self>>>> {
            __larder::trees_by::<#backend, Self>(#access, #keys)
        }
    }
}

/// The items of `impl Table` that show the views that rows of a model are in.
pub(super) fn shown(model: &Model<'_>, backend: &Type) -> TokenStream {
    if model.in_views.is_empty() {
        return TokenStream::new();
    }
    let visitor = local("visitor");
    let steps = model.in_views.iter().map(|view| quote_spanned!(place(view)=> #visitor.view::<#view>();));
    quote! {
        const IS_IN_VIEWS: bool = true;
        fn views(#visitor: &mut impl __larder::VisitViews<#backend>) {
            #(#steps)*
        }
    }
}

/// That the model's writes mark the cells of those views.
pub(super) fn in_views(model: &Model<'_>) -> TokenStream {
    let ident = model.ident;
    let views = model.in_views.iter();
    quote! {
        #(
            #[automatically_derived]
            impl __larder::InView<#views> for #ident {}
        )*
    }
}

fn coding(view: &View<'_>) -> TokenStream {
    let ident = view.ident;
    let (this, out, input) = (local("self"), local("out"), local("input"));
    let columns = view.columns.iter().map(|column| {
        let (name, print) = (names::plain(&column.source), coding::fingerprint(column.ty, column.serde.as_ref()));
        quote!(.and(#name).then(#print))
    });
    let relations = view.relations.iter().map(|relation| {
        let (name, ty) = (identity(relation), relation.ty);
        match relation.counted {
            true => quote!(.and(#name)),
            false => quote_spanned!(place(ty)=> .and(#name).then(<#ty as __larder::Packed>::FINGERPRINT)),
        }
    });
    let packs = view.columns.iter().map(|column| {
        let ident = column.ident;
        coding::encode(column.ty, column.serde.as_ref(), quote!(&#this.#ident))
    });
    let pack_relations = view.relations.iter().map(|relation| {
        let (ident, ty) = (relation.ident, relation.ty);
        match relation.counted {
            true => coding::encode(ty, None, quote!(&#this.#ident)),
            false => quote_spanned!(place(ty)=> <#ty as __larder::Packed>::pack(&#this.#ident, #out)),
        }
    });
    let unpacks = view.columns.iter().map(|column| {
        let (ident, value) = (column.ident, coding::decode(column.ty, column.serde.as_ref()));
        quote!(#ident: #value)
    });
    let unpack_relations = view.relations.iter().map(|relation| {
        let (ident, ty) = (relation.ident, relation.ty);
        let value = match relation.counted {
            true => coding::decode(ty, None),
            false => quote_spanned!(place(ty)=> <#ty as __larder::Packed>::unpack(#input)?),
        };
        quote!(#ident: #value)
    });
    quote! {
        #[automatically_derived]
        impl __larder::Packed for #ident {
            const FINGERPRINT: __larder::Fingerprint =
                __larder::Fingerprint::of("view") #(#columns)* #(#relations)*;
            fn pack(&#this, #out: &mut ::std::vec::Vec<u8>) {
                #(#packs;)*
                #(#pack_relations;)*
            }
            fn unpack(
                #input: &mut __larder::Input<'_>,
            ) -> ::core::result::Result<Self, __larder::Corrupt> {
                ::core::result::Result::Ok(Self { #(#unpacks,)* #(#unpack_relations,)* })
            }
        }
    }
}

/// Which of the relation's rows, and in which order: a cell of others is another cell.
fn identity(relation: &ViewRelation<'_>) -> String {
    let refined = &relation.refined;
    let mut identity =
        format!("{} {}", if relation.counted { "count" } else { "with" }, names::plain(&relation.relation));
    for (keyword, value) in [&refined.filter, &refined.order, &refined.limit].into_iter().flatten() {
        // Compilers differ in the spaces that they put between tokens.
        let value = value.to_token_stream().to_string().replace(char::is_whitespace, "");
        identity.push_str(&format!(" {keyword} {value}"));
    }
    identity
}

/// What a relation's rows are made of: the view of them, or they themselves.
fn item(view: &View<'_>, relation: &ViewRelation<'_>) -> TokenStream {
    let alias = refined::alias(view, relation);
    if relation.counted {
        return quote_spanned!(place(relation.ty)=> <#alias as __larder::Leads>::Child);
    }
    let fills = refined::fills(view, relation);
    quote_spanned!(place(relation.ty)=> #fills::Item)
}

fn in_tree(view: &View<'_>) -> TokenStream {
    let (ident, of) = (view.ident, head::entity(view));
    let given = &view.of;
    let items = view.relations.iter().map(|relation| {
        let (item, at) = (item(view, relation), place(relation.ty));
        quote_spanned!(at=> #item: __larder::InTree<__V>)
    });
    let own = quote_spanned!(place(given)=> #of: __larder::InView<__V>);
    quote! {
        #[automatically_derived]
        impl<__V> __larder::InTree<__V> for #ident
        where
            #own,
            #(#items,)*
        {
        }
    }
}

fn branches(view: &View<'_>, backend: &TokenStream) -> TokenStream {
    let (ident, of) = (view.ident, head::entity(view));
    let visitor = if view.relations.is_empty() { quote!(_) } else { local("visitor").to_token_stream() };
    let steps = view.relations.iter().map(|relation| {
        let (alias, item) = (refined::alias(view, relation), item(view, relation));
        let link = quote_spanned!(place(&relation.relation)=> <#alias as __larder::OneStep>::Link);
        quote_spanned!(place(&relation.relation)=> #visitor.branch::<#link, #item>();)
    });
    quote! {
        #[automatically_derived]
        impl __larder::Branches<#backend> for #ident {
            fn branches(#visitor: &mut impl __larder::VisitBranches<#backend, Entity = #of>) {
                #(#steps)*
            }
        }
    }
}

fn cached(view: &View<'_>, options: &CachedAttr) -> TokenStream {
    let (ident, of, name) = (view.ident, head::entity(view), names::plain(view.ident));
    let limit = Literal::u64_unsuffixed(options.limit.unwrap_or(LIMIT));
    let most_roots = Literal::usize_unsuffixed(options.most_roots.unwrap_or(MOST_ROOTS));
    let fills = options.fill.unwrap_or(true);
    let ttl = match options.ttl {
        Some(milliseconds) => {
            quote!(::core::option::Option::Some(::core::time::Duration::from_millis(#milliseconds)))
        }
        None => quote!(::core::option::Option::None),
    };
    quote_spanned! {place(ident)=>
        #[automatically_derived]
        impl __larder::CachedView for #ident {
            type Root = #of;
            const NAME: &'static str = #name;
            const LIMIT: usize = #limit;
            const MOST_ROOTS: usize = #most_roots;
            const FILLS: bool = #fills;
            const TTL: ::core::option::Option<::core::time::Duration> = #ttl;
        }
    }
}
