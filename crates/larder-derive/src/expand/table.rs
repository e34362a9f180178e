//! `impl Table` and `impl Load`, for each back end.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;

use super::{guard, local, packed, place, upkeep};
use crate::{
    attr::OnDelete,
    facts::{Leads, Model, tuple},
};

pub(super) fn tables(model: &Model<'_>) -> TokenStream {
    let tables = model.backends.iter().map(|backend| table(model, backend));
    let loads = model.backends.iter().map(|backend| load(model, backend));
    quote!(#(#tables)* #(#loads)*)
}

fn table(model: &Model<'_>, backend: &Type) -> TokenStream {
    let Model { ident, table, .. } = model;
    let primary = &model.primary().ident;
    let (list, row) = (local("list"), local("row"));
    let columns = model.fields.iter().map(|field| match &field.column {
        Some(column) => quote!(list.column(#column)),
        None => {
            let ty = field.ty;
            quote_spanned!(place(ty)=> #list.embedded::<#ty>())
        }
    });
    let build = model.fields.iter().map(|field| {
        let (ident, ty) = (field.ident, field.ty);
        match &field.column {
            Some(column) => quote_spanned!(place(ty)=> #ident: #row.column::<#backend, _, #ty>(#column)?),
            None => quote_spanned!(place(ty)=> #ident: #row.embedded::<#backend, #ty>()?),
        }
    });
    let dependents = dependents(model, backend);
    let live = guard::live(model);
    let key_fields = model.fields_of(model.primary());
    let key_columns: Vec<_> = key_fields.iter().filter_map(|field| field.column.as_ref()).collect();
    let key_columns = tuple(&key_columns);
    let key = quote_spanned! {place(key_fields[0].ty)=>
        <<Self as __larder::Entity>::Key as __larder::BindKey<#backend, #key_columns>>
    };
    let upkeeps = upkeep::shown(model, backend);
    let views = packed::shown(model, backend);
    let patterns = model.finding().map(|pattern| &pattern.ident);

    quote! {
        #[automatically_derived]
        impl __larder::Table<#backend> for #ident {
            type ByKey = #primary;
            type Table = #table::table;
            type Query<'q> = #table::BoxedQuery<'q, #backend>;
            #dependents
            #upkeeps
            #views
            fn query<'q>() -> Self::Query<'q> {
                __larder::diesel::QueryDsl::into_boxed(#table::table)
            }
            #live
            fn select<'q>(
                query: Self::Query<'q>,
                list: __larder::SelectList<#backend>,
            ) -> __larder::Fragment<'q, #backend> {
                list.of(query)
            }
            fn patterns(
                visitor: &mut impl __larder::VisitPatterns<#backend, Entity = Self>,
            ) -> __larder::diesel::deserialize::Result<()> {
                #(visitor.pattern::<#patterns>()?;)*
                ::core::result::Result::Ok(())
            }
            fn behind<'q>(
                key: <Self as __larder::Entity>::Key,
                statement: &mut __larder::Statement<'q, #backend>,
            ) {
                #key::behind(key, statement);
            }
            fn columns(list: &mut __larder::SelectList<#backend>) {
                #(#columns;)*
            }
            fn build<'r, R: __larder::diesel::row::Row<'r, #backend>>(
                row: &mut __larder::RowReader<'_, R>,
            ) -> __larder::diesel::deserialize::Result<Self> {
                ::core::result::Result::Ok(Self { #(#build),* })
            }
        }
    }
}

/// What goes with a row when it is deleted.
fn dependents(model: &Model<'_>, backend: &Type) -> TokenStream {
    let steps: Vec<_> = model
        .relations
        .iter()
        .filter_map(|relation| {
            let Leads::Children { on_delete: Some(on_delete), .. } = relation.leads else { return None };
            let parents = local("parents");
            let (link, method) = (
                &relation.link,
                match on_delete {
                    OnDelete::Cascade => quote!(cascade),
                    OnDelete::SetNull => quote!(set_null),
                },
            );
            Some(quote_spanned!(place(&relation.target)=> #parents.#method::<#link>()?;))
        })
        .collect();
    if steps.is_empty() {
        return TokenStream::new();
    }
    quote! {
        const HAS_DEPENDENTS: bool = true;
        fn dependents(
            parents: &mut __larder::Dependents<'_, #backend, Self>,
        ) -> __larder::Result<()> {
            #(#steps)*
            ::core::result::Result::Ok(())
        }
    }
}

fn load(model: &Model<'_>, backend: &Type) -> TokenStream {
    let ident = model.ident;
    quote! {
        #[automatically_derived]
        impl __larder::Load<#backend> for #ident {
            type Entity = Self;
            type Head = __larder::Whole<Self>;
            fn assemble(
                _: __larder::Access<'_, #backend>,
                heads: ::std::vec::Vec<Self::Head>,
            ) -> __larder::Result<::std::vec::Vec<Self>> {
                __larder::whole(heads)
            }
            fn assemble_one(
                _: __larder::Access<'_, #backend>,
                head: Self::Head,
            ) -> __larder::Result<::core::option::Option<Self>> {
                __larder::whole_one(head)
            }
        }

        #[automatically_derived]
        impl __larder::LoadOf<#backend, Self> for #ident {}
    }
}
