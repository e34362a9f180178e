//! What larder itself writes into a row.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{local, place};
use crate::facts::{Model, ModelField};

/// The items of `impl Entity`, if there is any such column.
pub(super) fn items(model: &Model<'_>) -> TokenStream {
    let guards = model.guards;
    let columns = [guards.version, guards.deleted_at, guards.created_at, guards.updated_at];
    if columns.iter().all(Option::is_none) {
        return TokenStream::new();
    }
    let none = || quote!(::core::option::Option::None);
    let name = |at| column(model, at).map(|column| quote!(<#column as __larder::diesel::Column>::NAME));
    let version = name(guards.version).map_or_else(none, |name| quote!(::core::option::Option::Some(#name)));
    let stamp = |at: Option<usize>, of: &str| match (field(model, at), name(at)) {
        (Some(ModelField { ty, .. }), Some(name)) => {
            let of = Ident::new(of, Span::call_site());
            quote_spanned!(place(ty)=> __larder::#of::<#ty>(#name))
        }
        _ => none(),
    };
    let deleted_at = stamp(guards.deleted_at, "deletion");
    let (created_at, updated_at) = (stamp(guards.created_at, "stamp"), stamp(guards.updated_at, "stamp"));
    let this = local("self");
    let version_of = field(model, guards.version).map(|ModelField { ident, ty, .. }| {
        let value = quote_spanned!(place(ty)=> __larder::version_of::<#ty>(&#this.#ident));
        quote! {
            fn version(&self) -> ::core::option::Option<i64> {
                #value
            }
        }
    });
    let is_deleted = field(model, guards.deleted_at).map(|ModelField { ident, ty, .. }| {
        let value = quote_spanned!(place(ty)=> __larder::is_deleted::<#ty>(&#this.#ident));
        quote! {
            fn is_deleted(&self) -> bool {
                #value
            }
        }
    });
    quote! {
        const GUARDS: __larder::Guards = __larder::Guards {
            version: #version,
            deleted_at: #deleted_at,
            created_at: #created_at,
            updated_at: #updated_at,
        };
        #version_of
        #is_deleted
    }
}

/// What says that the model has such columns.
pub(super) fn marks(model: &Model<'_>) -> TokenStream {
    let (ident, guards) = (model.ident, model.guards);
    let versioned = guards.version.map(|_| quote!(Versioned));
    let soft_delete = guards.deleted_at.map(|_| quote!(SoftDelete));
    let traits = versioned.into_iter().chain(soft_delete);
    quote! {
        #(
            #[automatically_derived]
            impl __larder::#traits for #ident {}
        )*
    }
}

/// The query without deleted rows, if rows can be that.
pub(super) fn live(model: &Model<'_>) -> TokenStream {
    let Some(column) = column(model, model.guards.deleted_at) else { return TokenStream::new() };
    quote! {
        fn live(query: Self::Query<'_>) -> Self::Query<'_> {
            __larder::diesel::QueryDsl::filter(query, __larder::diesel::ExpressionMethods::is_null(#column))
        }
    }
}

fn field<'m, 'a>(model: &'m Model<'a>, at: Option<usize>) -> Option<&'m ModelField<'a>> {
    model.fields.get(at?)
}

fn column<'m>(model: &'m Model<'_>, at: Option<usize>) -> Option<&'m syn::Path> {
    field(model, at)?.column.as_ref()
}
