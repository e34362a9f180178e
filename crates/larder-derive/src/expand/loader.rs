//! `impl Load` of a view: its columns, and then its relations, level by level.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;

use super::{fingerprint, head, place, receiver};
use crate::facts::{View, ViewRelation};

pub(super) fn loaders(view: &View<'_>) -> TokenStream {
    let loaders = head::backends(view).into_iter().map(|backend| loader(view, &backend));
    quote!(#(#loaders)*)
}

fn loader(view: &View<'_>, backend: &TokenStream) -> TokenStream {
    let (ident, of, columns) = (view.ident, &view.of, head::name(view));
    let own = view.columns.iter().map(|column| {
        let ident = column.ident;
        quote!(#ident: columns.#ident)
    });
    let (head, body) = if view.relations.is_empty() {
        (quote!(#columns), quote!(::larder::__private::viewed(heads, |columns| Self { #(#own),* })))
    } else {
        let types: Vec<_> = view.relations.iter().map(|relation| relation_type(view, relation)).collect();
        let relations = quote!((#(#types,)*));
        let names: Vec<Ident> = (0..types.len()).map(|at| format_ident!("r{at}")).collect();
        let keys: Vec<Ident> = (0..types.len()).map(|at| format_ident!("k{at}")).collect();
        let loads = view.relations.iter().zip(names.iter().zip(&keys)).map(|(relation, (name, keys))| {
            let value = value(view, relation);
            quote_spanned! {place(relation.ty)=>
                let #name = #value;
                let mut #name = ::larder::__private::Relation::<#backend>::load(&#name, access, #keys)?.into_iter();
            }
        });
        let fields = view.relations.iter().zip(&names).map(|(relation, name)| {
            let ident = relation.ident;
            quote_spanned!(place(relation.ty)=> #ident: #name.next()?)
        });
        let head = quote! {
            ::larder::__private::LinkedBy<
                #columns,
                <#relations as ::larder::__private::Relations<#backend, #of>>::Keys,
                #relations,
            >
        };
        let body = quote! {
            let (columns, (#(#keys,)*)) = ::larder::__private::unlink(heads);
            #(#loads)*
            ::larder::__private::viewed_with(columns, |columns| {
                ::core::option::Option::Some(Self { #(#own,)* #(#fields),* })
            })
        };
        (head, body)
    };
    let access = if view.relations.is_empty() { quote!(_) } else { quote!(access) };
    quote! {
        #[automatically_derived]
        impl ::larder::__private::Load<#backend> for #ident {
            type Entity = #of;
            type Head = #head;
            fn assemble(
                #access: ::larder::__private::Access<'_, #backend>,
                heads: ::std::vec::Vec<Self::Head>,
            ) -> ::larder::__private::Result<::std::vec::Vec<Self>> {
                #body
            }
        }
    }
}

/// The relation as the model declares it.
fn declared(view: &View<'_>, relation: &ViewRelation<'_>) -> TokenStream {
    let (of, name) = (&view.of, fingerprint([&relation.relation]));
    quote_spanned!(place(&relation.relation)=> <#of as ::larder::__private::Related<#name>>)
}

fn relation_type(view: &View<'_>, relation: &ViewRelation<'_>) -> TokenStream {
    let declared = declared(view, relation);
    let place = place(&relation.relation);
    if relation.counted {
        quote_spanned!(place=> <#declared::Relation as ::larder::__private::Count>::Counted)
    } else {
        quote_spanned!(place=> #declared::Relation)
    }
}

/// The relation as the view wants it.
fn value(view: &View<'_>, relation: &ViewRelation<'_>) -> TokenStream {
    let declared = declared(view, relation);
    let at = place(&relation.relation);
    let mut value = quote_spanned!(at=> #declared::relation());
    if !relation.counted {
        value = quote_spanned!(at=> #value.select());
    }
    let child = quote_spanned! {at=>
        <<#declared::Relation as ::larder::__private::Leads>::Child as ::larder::__private::Entity>::COLUMNS
    };
    let columns = format_ident!("columns", span = proc_macro2::Span::mixed_site());
    let refined = &relation.refined;
    let (filter, order) = (
        refined.filter.clone().map(|filter| receiver::columns(filter, &columns)),
        refined.order.clone().map(|order| receiver::columns(order, &columns)),
    );
    if let Some(filter) = &filter {
        value = quote_spanned!(place(filter)=> #value.filter(#filter));
    }
    if let Some(order) = &order {
        value = quote_spanned!(place(order)=> #value.order(#order));
    }
    if let Some(limit) = &refined.limit {
        value = quote_spanned!(place(limit)=> #value.limit(#limit));
    }
    if relation.counted {
        value = quote_spanned!(at=> #value.count());
    }
    if filter.is_none() && order.is_none() {
        return value;
    }
    quote! {{
        #[allow(unused_imports, reason = "an expression needs one or the other")]
        use ::larder::__private::diesel::{
            BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _,
            TextExpressionMethods as _,
        };
        let #columns = #child;
        #value
    }}
}
