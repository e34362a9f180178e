//! A view's head: the columns that it takes of each row.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Ident;

use super::{local, place};
use crate::facts::{View, at_call_site};

/// The type of the head. It has fields of the same names and types as the view's columns.
pub(super) fn name(view: &View<'_>) -> Ident {
    crate::facts::Model::type_name(view.ident, "Columns")
}

/// The entity, if it is one.
pub(super) fn entity(view: &View<'_>) -> Ident {
    let mut ident = crate::facts::Model::type_name(view.ident, "Entity");
    ident.set_span(place(&view.of));
    ident
}

pub(super) fn head(view: &View<'_>) -> TokenStream {
    let (vis, given, of, head) = (at_call_site(view.vis), &view.of, entity(view), name(view));
    let (idents, types): (Vec<_>, Vec<_>) = view.columns.iter().map(|column| (column.ident, column.ty)).unzip();
    let row = local("row");
    let impls = backends(view).into_iter().map(|backend| {
        let columns: Vec<_> = view.columns.iter().map(|column| column_of(view, &column.source)).collect();
        let build = view.columns.iter().zip(&columns).map(|(column, path)| {
            let (ident, source) = (column.ident, &column.source);
            // Apart from its use, or a value of another type would be an error of the question mark.
            let value = Ident::new("value", place(ident));
            quote_spanned! {place(ident)=>
                #ident: {
                    let #value = ::larder::__private::read::<#backend, #of, _, _, _>(#row, #path, |row| row.#source)?;
                    #value
                }
            }
        });
        let narrow = view.columns.iter().map(|column| {
            let (ident, source) = (column.ident, &column.source);
            let value = Ident::new("value", place(ident));
            quote_spanned!(place(ident)=> #ident: { let #value = #row.#source; #value })
        });
        quote! {
            #[automatically_derived]
            impl ::larder::__private::Head<#backend> for #head {
                type Entity = #of;
                const WHOLE: bool = false;
                fn columns(list: &mut ::larder::__private::SelectList<#backend>) {
                    #(list.column(#columns);)*
                }
                fn build<'r, R: ::larder::__private::diesel::row::Row<'r, #backend>>(
                    row: &mut ::larder::__private::RowReader<'_, R>,
                ) -> ::larder::__private::diesel::deserialize::Result<Self> {
                    ::core::result::Result::Ok(Self { #(#build),* })
                }
                fn narrow(row: #of) -> Self {
                    let row = ::larder::__private::tied(row, (#(#columns,)*));
                    Self { #(#narrow),* }
                }
            }
        }
    });
    let checked = quote_spanned! {place(given)=>
        <#given as ::larder::__private::If<{ ::larder::__private::is_entity::<#given>() }>>::Type
    };
    quote! {
        type #of = #checked;

        #[derive(::core::clone::Clone)]
        #vis struct #head { #(#idents: #types),* }

        #(#impls)*
    }
}

/// A column of the entity, by its field.
fn column_of(view: &View<'_>, field: &Ident) -> TokenStream {
    let of = entity(view);
    quote_spanned!(place(field)=> <#of as ::larder::__private::Entity>::COLUMNS.#field)
}

/// The back ends that a view is for.
pub(super) fn backends(view: &View<'_>) -> Vec<TokenStream> {
    let of = entity(view);
    if view.backends.is_empty() {
        return vec![quote_spanned!(place(&of)=> <#of as ::larder::__private::Entity>::Backend)];
    }
    view.backends.iter().map(|backend| quote!(#backend)).collect()
}
