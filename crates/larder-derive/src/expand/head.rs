//! A view's head: the columns that it takes of each row.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Ident;

use super::place;
use crate::facts::{View, at_call_site};

/// The type of the head. It has fields of the same names and types as the view's columns.
pub(super) fn name(view: &View<'_>) -> Ident {
    crate::facts::Model::type_name(view.ident, "Columns")
}

pub(super) fn head(view: &View<'_>) -> TokenStream {
    let (vis, of, head) = (at_call_site(view.vis), &view.of, name(view));
    let (idents, types): (Vec<_>, Vec<_>) = view.columns.iter().map(|column| (column.ident, column.ty)).unzip();
    let impls = backends(view).into_iter().map(|backend| {
        let columns: Vec<_> = view.columns.iter().map(|column| column_of(view, &column.source)).collect();
        let build = view.columns.iter().zip(&columns).map(|(column, path)| {
            let (ident, ty) = (column.ident, column.ty);
            quote_spanned!(place(ty)=> #ident: row.column::<#backend, _, #ty>(#path)?)
        });
        let narrow = view.columns.iter().map(|column| {
            let (ident, source) = (column.ident, &column.source);
            quote_spanned!(place(ident)=> #ident: row.#source)
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
    quote! {
        #[derive(::core::clone::Clone)]
        #vis struct #head { #(#idents: #types),* }

        #(#impls)*
    }
}

/// A column of the entity, by its field.
fn column_of(view: &View<'_>, field: &Ident) -> TokenStream {
    let of = &view.of;
    quote_spanned!(place(field)=> <#of as ::larder::__private::Entity>::COLUMNS.#field)
}

/// The back ends that a view is for.
pub(super) fn backends(view: &View<'_>) -> Vec<TokenStream> {
    let of = &view.of;
    if view.backends.is_empty() {
        return vec![quote_spanned!(place(of)=> <#of as ::larder::__private::Entity>::Backend)];
    }
    view.backends.iter().map(|backend| quote!(#backend)).collect()
}
