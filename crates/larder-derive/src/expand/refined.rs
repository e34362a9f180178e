//! The relations of a view: a name for the type of each, and the value that is loaded.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;

use super::{head, moved, place, quiet, receiver};
use crate::{
    facts::{Model, View, ViewRelation},
    names,
};

/// The names of the relations' types.
pub(super) fn aliases(view: &View<'_>) -> TokenStream {
    let aliases = view.relations.iter().map(|relation| {
        let (alias, at) = (alias(view, relation), place(&relation.relation));
        // An unknown relation is a mistake of its name, and not of the entity's.
        let (of, name) = (moved(&head::entity(view), at), &relation.relation);
        let declared = quote_spanned! {at=>
            <#of as __larder::Related<{ <#of as __larder::Entity>::RELATIONS.#name }>>::Relation
        };
        let checked = if relation.counted {
            quote_spanned!(at=> <#declared as __larder::If<{ __larder::is_counted::<#declared>() }>>::Type)
        } else {
            declared
        };
        let alias = quiet(&alias);
        quote_spanned!(at=> type #alias = #checked;)
    });
    quote!(#(#aliases)*)
}

/// The name of a relation's type.
pub(super) fn alias(view: &View<'_>, relation: &ViewRelation<'_>) -> Ident {
    let mut alias = Model::type_name(view.ident, &format!("To{}", names::camel_case(&names::plain(relation.ident))));
    alias.set_span(place(&relation.relation));
    alias
}

/// The type of what is loaded, before it is refined.
pub(super) fn loaded(view: &View<'_>, relation: &ViewRelation<'_>) -> TokenStream {
    let alias = alias(view, relation);
    if relation.counted {
        quote_spanned!(place(&relation.relation)=> <#alias as __larder::Count>::Counted)
    } else {
        quote!(#alias)
    }
}

/// What makes a field of the relation's rows.
pub(super) fn fills(view: &View<'_>, relation: &ViewRelation<'_>) -> TokenStream {
    let (alias, ty) = (alias(view, relation), relation.ty);
    quote_spanned!(place(ty)=> <<#alias as __larder::Leads>::Arity as __larder::Fills<#ty>>)
}

/// The relation as the view wants it.
pub(super) fn value(view: &View<'_>, relation: &ViewRelation<'_>) -> TokenStream {
    let (alias, at) = (alias(view, relation), place(&relation.relation));
    let mut value = quote_spanned!(at=> <#alias as ::core::default::Default>::default());
    if !relation.counted {
        let fills = fills(view, relation);
        value = quote_spanned!(place(relation.ty)=> #value.select::<#fills::Item>());
    }
    let columns = Ident::new("columns", Span::mixed_site());
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
        let counted = if refined.filter.is_some() { quote!(_) } else { quote!(#alias) };
        value = quote_spanned!(at=> <#counted as __larder::Count>::counted(#value));
    }
    if refined.filter.is_none() && refined.order.is_none() {
        return value;
    }
    quote! {{
        #[allow(unused_imports, reason = "an expression needs one or the other")]
        use __larder::diesel::{
            BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _,
            TextExpressionMethods as _,
        };
        let #columns = <<#alias as __larder::Leads>::Child as __larder::Entity>::COLUMNS;
        #value
    }}
}
