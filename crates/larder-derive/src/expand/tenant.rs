//! Whose rows a model has: everybody's, or each a tenant's.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Path, Type};

use super::{local, pattern::part, place};
use crate::facts::{Kind, Model, ModelField};

pub(super) fn tenant(model: &Model<'_>) -> TokenStream {
    let entity = model.ident;
    let Some(tenant) = model.tenant.map(|at| &model.fields[at]) else {
        return quote! {
            #[automatically_derived]
            impl __larder::Common for #entity {}
        };
    };
    let ty = part(tenant.ty);
    let patterns = model.finding().map(|pattern| &pattern.ident);
    let tables = model.backends.iter().map(|backend| table(model, tenant, backend));
    quote! {
        #[automatically_derived]
        impl __larder::OfTenant for #entity {
            type Tenant = #ty;
        }

        #(
            #[automatically_derived]
            impl __larder::TenantPattern for #patterns {}
        )*

        #(#tables)*
    }
}

fn table(model: &Model<'_>, tenant: &ModelField<'_>, backend: &Type) -> TokenStream {
    let (entity, column) = (model.ident, &tenant.column);
    let (query, tenant_value, statement) = (local("query"), local("tenant"), local("statement"));
    quote_spanned! {place(tenant.ty)=>
        #[automatically_derived]
        impl __larder::TenantTable<#backend> for #entity {
            fn of_tenant<'q>(#query: Self::Query<'q>, #tenant_value: Self::Tenant) -> Self::Query<'q> {
                __larder::diesel::QueryDsl::filter(
                    #query,
                    __larder::diesel::ExpressionMethods::eq(#column, #tenant_value),
                )
            }
            fn matching_tenant<'q>(
                #tenant_value: Self::Tenant,
                #statement: &mut __larder::Statement<'q, #backend>,
            ) {
                <Self::Tenant as __larder::BindKey<#backend, #column>>::matching(
                    ::std::vec![#tenant_value],
                    #statement,
                );
            }
        }
    }
}

/// The conditions that rows which a relation leads to belong to no tenant, if those that it starts from do not say whose.
pub(super) fn leads_to_common(model: &Model<'_>, from: &Kind, targets: &[&Path]) -> TokenStream {
    if model.tenant.is_some() && !matches!(from, Kind::Common) {
        return TokenStream::new();
    }
    let checks = targets.iter().map(|target| {
        // By way of its key, so that a target which is no entity is the same error as in the step, and shown once.
        quote_spanned! {place(target)=>
            const _: u64 =
                __larder::is_common::<<<#target as __larder::Entity>::Primary as __larder::Pattern>::Entity>();
        }
    });
    quote!(#(#checks)*)
}
