//! A view's head: the columns that it takes of each row.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;

use super::{place, quiet};
use crate::facts::{Model, View, at_call_site};

/// The type of the head. It has fields of the same names and types as the view's columns.
pub(super) fn name(view: &View<'_>) -> Ident {
    Model::type_name(view.ident, "Columns")
}

/// The entity, if it is one.
pub(super) fn entity(view: &View<'_>) -> Ident {
    let mut ident = Model::type_name(view.ident, "Entity");
    ident.set_span(place(&view.of));
    ident
}

pub(super) fn head(view: &View<'_>) -> TokenStream {
    let (vis, given, of, head) = (at_call_site(view.vis), &view.of, entity(view), name(view));
    let (idents, types): (Vec<_>, Vec<_>) = view.columns.iter().map(|column| (column.ident, column.ty)).unzip();
    let impls = backends(view).into_iter().map(|backend| of_backend(view, &backend));
    let checked = quote_spanned! {place(given)=>
        <#given as __larder::If<{ __larder::is_entity::<#given>() }>>::Type
    };
    let alias = quiet(&of);
    quote! {
        type #alias = #checked;

        #[derive(::core::clone::Clone)]
        #vis struct #head { #(#idents: #types),* }

        #(#impls)*
    }
}

fn of_backend(view: &View<'_>, backend: &TokenStream) -> TokenStream {
    let (of, head) = (entity(view), name(view));
    let idents: Vec<_> = view.columns.iter().map(|column| column.ident).collect();
    let columns: Vec<_> = view.columns.iter().map(|column| column_of(view, &column.source)).collect();
    // Fields stand in variables of their names, which must not be the functions' own.
    let row = Ident::new("row", Span::mixed_site());
    // What is read is what the entity has, so that a field of another type is the same error in both functions, and shown once.
    let build = view.columns.iter().zip(&columns).map(|(column, path)| {
        let (ident, source) = (column.ident, &column.source);
        quote_spanned! {place(ident)=>
            let #ident = __larder::read::<#backend, #of, _, _, _>(#row, #path, |row| row.#source)?;
        }
    });
    let narrow = view.columns.iter().map(|column| {
        let (ident, source) = (column.ident, &column.source);
        quote_spanned!(place(ident)=> let #ident = #row.#source;)
    });
    quote! {
        #[automatically_derived]
        impl __larder::Head<#backend> for #head {
            type Entity = #of;
            const WHOLE: bool = false;
            fn columns(list: &mut __larder::SelectList<#backend>) {
                #(__larder::Taken::<#backend>::select(#columns, list);)*
            }
            fn build<'r, R: __larder::diesel::row::Row<'r, #backend>>(
                #row: &mut __larder::RowReader<'_, R>,
            ) -> __larder::diesel::deserialize::Result<Self> {
                #(#build)*
                ::core::result::Result::Ok(Self { #(#idents),* })
            }
            fn narrow(#row: #of) -> Self {
                let #row = __larder::tied(#row, (#(#columns,)*));
                #(#narrow)*
                Self { #(#idents),* }
            }
        }
    }
}

/// A column of the entity, by its field.
fn column_of(view: &View<'_>, field: &Ident) -> TokenStream {
    let of = entity(view);
    quote_spanned!(place(field)=> <#of as __larder::Entity>::COLUMNS.#field)
}

/// The back ends that a view is for.
pub(super) fn backends(view: &View<'_>) -> Vec<TokenStream> {
    let of = entity(view);
    if view.backends.is_empty() {
        return vec![quote_spanned!(place(&of)=> <#of as __larder::Entity>::Backend)];
    }
    view.backends.iter().map(|backend| quote!(#backend)).collect()
}
