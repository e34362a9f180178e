//! `impl Load` of a view: its columns, and then its relations, level by level.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;

use super::{head, local, moved, place, receiver};
use crate::facts::{View, ViewRelation};

pub(super) fn loaders(view: &View<'_>) -> TokenStream {
    let loaders = head::backends(view).into_iter().map(|backend| loader(view, &backend));
    quote!(#(#loaders)*)
}

fn loader(view: &View<'_>, backend: &TokenStream) -> TokenStream {
    let (ident, of, columns) = (view.ident, head::entity(view), head::name(view));
    let own = view.columns.iter().map(|column| {
        let ident = column.ident;
        quote!(#ident: columns.#ident)
    });
    let (head, body) = if view.relations.is_empty() {
        (quote!(#columns), quote!(::larder::__private::viewed(heads, |columns| Self { #(#own),* })))
    } else {
        let types: Vec<_> = view.relations.iter().map(|relation| relation_type(view, relation)).collect();
        let relations = quote!((#(#types,)*));
        // Named where the fields are: an error of the value is one of the field.
        let named = |prefix: &str| -> Vec<Ident> {
            let places = view.relations.iter().map(|relation| place(relation.ty));
            places.enumerate().map(|(at, place)| Ident::new(&format!("{prefix}{at}"), place)).collect()
        };
        let (names, keys) = (named("r"), named("k"));
        let access = local("access");
        let loads = view.relations.iter().zip(names.iter().zip(&keys)).map(|(relation, (name, keys))| {
            let value = value(view, relation);
            quote_spanned! {place(relation.ty)=>
                let #name = #value;
                let mut #name = ::larder::__private::Relation::<#backend>::load(&#name, #access, #keys)?.into_iter();
            }
        });
        let fields = view.relations.iter().zip(&names).map(|(relation, name)| {
            let ident = relation.ident;
            let value = if relation.counted {
                quote!(#name)
            } else {
                let fills = fills(view, relation);
                quote_spanned!(place(relation.ty)=> #fills::fill(#name))
            };
            quote_spanned!(place(relation.ty)=> #ident: { let #name = #name.next()?; #value })
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

        #[automatically_derived]
        impl ::larder::__private::LoadOf<#backend, #of> for #ident {}
    }
}

/// The relation as the model declares it.
fn declared(view: &View<'_>, relation: &ViewRelation<'_>) -> TokenStream {
    // An unknown relation is a mistake of the name, not of the entity.
    let place = place(&relation.relation);
    let (of, name) = (moved(&head::entity(view), place), &relation.relation);
    quote_spanned! {place=>
        <#of as ::larder::__private::Related<{ <#of as ::larder::__private::Entity>::RELATIONS.#name }>>
    }
}

fn relation_type(view: &View<'_>, relation: &ViewRelation<'_>) -> TokenStream {
    let declared = declared(view, relation);
    let place = place(&relation.relation);
    if relation.counted {
        let counted = counted(&declared, place);
        quote_spanned!(place=> <#counted as ::larder::__private::Count>::Counted)
    } else {
        quote_spanned!(place=> #declared::Relation)
    }
}

/// The relation's type, if its rows can be counted.
fn counted(declared: &TokenStream, place: Span) -> TokenStream {
    quote_spanned! {place=>
        <#declared::Relation as ::larder::__private::If<{
            ::larder::__private::is_counted::<#declared::Relation>()
        }>>::Type
    }
}

/// What makes the field of the relation's rows.
fn fills(view: &View<'_>, relation: &ViewRelation<'_>) -> TokenStream {
    let (declared, ty) = (declared(view, relation), relation.ty);
    quote_spanned! {place(ty)=>
        <<#declared::Relation as ::larder::__private::Leads>::Arity as ::larder::__private::Fills<#ty>>
    }
}

/// The relation as the view wants it.
fn value(view: &View<'_>, relation: &ViewRelation<'_>) -> TokenStream {
    let declared = declared(view, relation);
    let at = place(&relation.relation);
    let mut value = quote_spanned!(at=> #declared::relation());
    if !relation.counted {
        let fills = fills(view, relation);
        value = quote_spanned!(place(relation.ty)=> #value.select::<#fills::Item>());
    }
    let child = quote_spanned! {at=>
        <<#declared::Relation as ::larder::__private::Leads>::Child as ::larder::__private::Entity>::COLUMNS
    };
    let columns = format_ident!("columns", span = Span::mixed_site());
    let refined = &relation.refined;
    if let Some((keyword, filter)) = &refined.filter {
        let filter = receiver::columns(filter.clone(), &columns);
        value = quote_spanned!(place(keyword)=> #value.filter(#filter));
    }
    if let Some((keyword, order)) = &refined.order {
        let order = receiver::columns(order.clone(), &columns);
        value = quote_spanned!(place(keyword)=> #value.order(#order));
    }
    if let Some((keyword, limit)) = &refined.limit {
        value = quote_spanned!(place(keyword)=> #value.limit(#limit));
    }
    if relation.counted {
        let counted = if refined.filter.is_some() { quote!(_) } else { counted(&declared, at) };
        value = quote_spanned!(at=> <#counted as ::larder::__private::Count>::counted(#value));
    }
    if refined.filter.is_none() && refined.order.is_none() {
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
