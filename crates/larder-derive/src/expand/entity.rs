//! `impl Entity`, and the struct of columns that views and filters name.

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};

use super::{coding, guard, local, near, partition, place, quiet};
use crate::{
    attr::Writes,
    facts::{Model, ModelField, Source, tuple},
};

pub(super) fn entity(model: &Model<'_>) -> TokenStream {
    let Model { ident, name, write_through, .. } = model;
    let columns = columns(model);
    let columns_type = model.columns();
    let primary = &model.primary().ident;
    let backend = &model.backends[0];
    let key_fields = model.fields_of(model.primary());
    let key: Vec<_> = key_fields
        .iter()
        .map(|field| {
            let ty = field.ty;
            quote_spanned! {place(ty)=>
                <#ty as __larder::If<{ __larder::is_key_part::<#ty>() }>>::Type
            }
        })
        .collect();
    let key = tuple(&key);
    let key_of: Vec<_> = key_fields
        .iter()
        .map(|field| {
            let (this, ident) = (local("self"), field.ident);
            quote_spanned!(place(field.ty)=> ::core::clone::Clone::clone(&#this.#ident))
        })
        .collect();
    let key_of = tuple(&key_of);

    let (names, values): (Vec<_>, Vec<_>) =
        model.fields.iter().map(|field| (quiet(field.ident), column_value(field))).unzip();
    let layout = model.fields.iter().map(|field| {
        let fingerprint = coding::fingerprint(field.ty, field.serde.as_ref());
        let name = match &field.column {
            Some(column) => quote!(<#column as __larder::diesel::Column>::NAME),
            None => {
                let name = crate::names::plain(field.ident);
                quote!(#name)
            }
        };
        quote!((#name, #fingerprint))
    });
    let ttl = match model.ttl {
        Some(milliseconds) => {
            quote!(::core::option::Option::Some(::core::time::Duration::from_millis(#milliseconds)))
        }
        None => quote!(::core::option::Option::None),
    };
    let writes = model.writes.map(|writes| {
        let writes = match writes {
            Writes::Strict => quote!(Strict),
            Writes::Available => quote!(Available),
        };
        quote! {
            const WRITES: ::core::option::Option<__larder::Writes> =
                ::core::option::Option::Some(__larder::Writes::#writes);
        }
    });
    let near = near::constants(model);
    let partition = partition::constant(model);
    let (source, view) = match model.source {
        Source::Table => (quote!(Writable), quote!()),
        Source::MaterializedView => {
            let query = match &model.query {
                Some(query) => quote!(::core::option::Option::Some(#query)),
                None => quote!(::core::option::Option::None),
            };
            let view = quote! {
                const VIEW: ::core::option::Option<__larder::Viewed> =
                    ::core::option::Option::Some(__larder::Viewed { query: #query });
            };
            (quote!(MaterializedView), view)
        }
    };
    let guards = guard::items(model);
    let marks = guard::marks(model);
    let tenant = model.tenant.and_then(|at| model.fields[at].column.as_ref()).map(|column| {
        quote! {
            const TENANT: ::core::option::Option<&'static str> =
                ::core::option::Option::Some(<#column as __larder::diesel::Column>::NAME);
        }
    });
    let source = quote! {
        #[automatically_derived]
        impl __larder::#source for #ident {}

        #marks
    };
    let encode = model.fields.iter().map(|field| {
        let ident = field.ident;
        coding::encode(field.ty, field.serde.as_ref(), quote!(&self.#ident))
    });
    let decode = model.fields.iter().map(|field| {
        let ident = field.ident;
        let decode = coding::decode(field.ty, field.serde.as_ref());
        quote!(#ident: #decode)
    });
    let heap_bytes = model.fields.iter().map(|field| {
        let ident = field.ident;
        coding::heap_bytes(field.ty, field.serde.as_ref(), quote!(&self.#ident))
    });
    let relations_type = Model::type_name(ident, "Relations");
    let (relations, numbers): (Vec<_>, Vec<_>) =
        model.relations.iter().map(|relation| quiet(&relation.name)).zip((0..).map(Literal::u64_unsuffixed)).unzip();
    let patterns = model.finding().map(|pattern| &pattern.ident);
    let table = &model.table;
    let cells_name = (!model.is_named).then(|| {
        quote! {
            fn cells_name() -> &'static str {
                static NAME: ::std::sync::OnceLock<::std::string::String> = ::std::sync::OnceLock::new();
                __larder::table_name::<#backend, #table::table>(&NAME, Self::NAME)
            }
        }
    });

    quote! {
        #columns

        #[automatically_derived]
        impl __larder::Entity for #ident {
            type Key = #key;
            type Backend = #backend;
            type Primary = #primary;
            type Columns = #columns_type;
            const COLUMNS: Self::Columns = #columns_type { #(#names: #values),* };
            type Relations = #relations_type;
            const RELATIONS: Self::Relations = #relations_type { #(#relations: #numbers),* };
            const NAME: &'static str = #name;
            #cells_name
            const LAYOUT: __larder::Layout = __larder::layout(#name, &[#(#layout),*]);
            const TTL: ::core::option::Option<::core::time::Duration> = #ttl;
            const WRITE_THROUGH: bool = #write_through;
            #writes
            #near
            #partition
            #view
            #guards
            #tenant
            fn key(&self) -> Self::Key {
                #key_of
            }
            fn encode(&self, out: &mut ::std::vec::Vec<u8>) {
                #(#encode;)*
            }
            fn decode(
                input: &mut __larder::Input<'_>,
            ) -> ::core::result::Result<Self, __larder::Corrupt> {
                ::core::result::Result::Ok(Self { #(#decode),* })
            }
            fn heap_bytes(&self) -> usize {
                0 #(+ #heap_bytes)*
            }
            fn cells(&self, cells: &mut __larder::Cells<'_, Self>) {
                #(cells.add::<#patterns>(self);)*
            }
        }

        #source
    }
}

/// The columns by the names of their fields, and the relations by theirs.
fn columns(model: &Model<'_>) -> TokenStream {
    let (vis, columns) = (model.vis(), model.columns());
    let fields = model.fields.iter().map(|field| {
        let (ident, column) = (quiet(field.ident), column_type(field));
        quote!(#vis #ident: #column)
    });
    let (doc, relations_doc) =
        (format!(" The columns of `{}`.", model.ident), format!(" The relations of `{}`, numbered.", model.ident));
    let relations_type = Model::type_name(model.ident, "Relations");
    let relations = model.relations.iter().map(|relation| quiet(&relation.name));
    quote! {
        #[doc = #doc]
        #[derive(::core::fmt::Debug, ::core::clone::Clone, ::core::marker::Copy)]
        #vis struct #columns { #(#fields),* }

        #[doc = #relations_doc]
        #[derive(::core::fmt::Debug, ::core::clone::Clone, ::core::marker::Copy)]
        #vis struct #relations_type { #(#vis #relations: u64),* }
    }
}

fn column_type(field: &ModelField<'_>) -> TokenStream {
    let (column, ty) = (&field.column, field.ty);
    column.as_ref().map_or_else(|| quote!(__larder::Embedded<#ty>), |column| quote!(#column))
}

fn column_value(field: &ModelField<'_>) -> TokenStream {
    field.column.as_ref().map_or_else(|| quote!(__larder::Embedded::new()), |column| quote!(#column))
}
