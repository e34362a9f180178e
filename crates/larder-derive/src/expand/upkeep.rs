//! What a model maintains in the rows of others.

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;

use super::{local, place, quiet};
use crate::facts::{Maintained, Model, Upkeep};

/// A type for each.
pub(super) fn upkeeps(model: &Model<'_>) -> TokenStream {
    let upkeeps = model.upkeeps.iter().map(|upkeep| {
        let definition = definition(model, upkeep);
        let on = model.backends.iter().map(|backend| on_backend(model, upkeep, backend));
        quote!(#definition #(#on)*)
    });
    quote!(#(#upkeeps)*)
}

/// The items of `impl Table` that show them.
pub(super) fn shown(model: &Model<'_>, backend: &Type) -> TokenStream {
    if model.upkeeps.is_empty() {
        return TokenStream::new();
    }
    let visitor = local("visitor");
    let steps = model.upkeeps.iter().map(|upkeep| {
        let ident = &upkeep.ident;
        quote_spanned!(place(&upkeep.target)=> #visitor.upkeep::<#ident>();)
    });
    quote! {
        const MAINTAINS: bool = true;
        fn upkeeps(#visitor: &mut impl __larder::VisitUpkeeps<#backend, Child = Self>) {
            #(#steps)*
        }
    }
}

fn definition(model: &Model<'_>, upkeep: &Upkeep) -> TokenStream {
    let Upkeep { ident, target, insert, .. } = upkeep;
    let (vis, child, by) = (model.vis(), model.ident, &model.patterns[upkeep.by].ident);
    let row = local("row");
    let (types, values): (Vec<_>, Vec<_>) = upkeep
        .factors
        .iter()
        .map(|at| {
            let field = &model.fields[*at];
            let (ty, ident) = (field.ty, field.ident);
            let value = quote_spanned!(place(ty)=> <#ty as __larder::KeyField>::part(&#row.#ident));
            (quote_spanned!(place(ty)=> ::core::option::Option<<#ty as __larder::KeyField>::Part>), value)
        })
        .unzip();
    let factors = columns_of(model, upkeep);
    let columns = upkeep.columns.iter().map(|column| maintained(upkeep, column));
    let deletes = match upkeep.delete {
        Some(at) => {
            let at = Literal::usize_unsuffixed(at);
            quote!(::core::option::Option::Some(#at))
        }
        None => quote!(::core::option::Option::None),
    };
    let target_type = quote_spanned!(place(target)=> type Target = #target;);
    let by_type = quote_spanned!(place(target)=> type By = #by;);
    let (row_name, values) =
        if upkeep.factors.is_empty() { (quote!(_), quote!()) } else { (quote!(#row), quote!((#(#values,)*))) };
    let doc = format!(" What the rows of `{child}` maintain elsewhere.");
    quote! {
        #[doc = #doc]
        #[derive(::core::fmt::Debug)]
        #vis enum #ident {}

        #[automatically_derived]
        impl __larder::Upkeep for #ident {
            type Child = #child;
            #target_type
            #by_type
            type Values = (#(#types,)*);
            const FACTORS: &'static [&'static str] =
                &[#(<#factors as __larder::diesel::Column>::NAME),*];
            const COLUMNS: &'static [__larder::Kept] = &[#(#columns),*];
            const INSERTS: bool = #insert;
            const DELETES: ::core::option::Option<usize> = #deletes;
            fn values(#row_name: &#child) -> Self::Values {
                #values
            }
        }
    }
}

fn maintained(upkeep: &Upkeep, column: &Maintained) -> TokenStream {
    let (target, field) = (&upkeep.target, quiet(&column.field));
    let column_of = quote_spanned!(place(&column.field)=> &<#target as __larder::Entity>::COLUMNS.#field);
    match &column.sum {
        None => quote_spanned!(place(&column.field)=> __larder::Kept::count(#column_of)),
        Some(factors) => {
            let factors = factors.iter().map(|at| Literal::usize_unsuffixed(*at));
            quote_spanned!(place(&column.field)=> __larder::Kept::sum(#column_of, &[#(#factors),*]))
        }
    }
}

/// The columns that are summed.
fn columns_of<'m>(model: &'m Model<'_>, upkeep: &Upkeep) -> Vec<&'m syn::Path> {
    upkeep.factors.iter().filter_map(|at| model.fields[*at].column.as_ref()).collect()
}

fn on_backend(model: &Model<'_>, upkeep: &Upkeep, backend: &Type) -> TokenStream {
    let (ident, factors) = (&upkeep.ident, columns_of(model, upkeep));
    let values =
        quote_spanned!(place(&upkeep.target)=> <Self::Values as __larder::BindFactors<#backend, (#(#factors,)*)>>);
    quote! {
        #[automatically_derived]
        impl __larder::UpkeepOn<#backend> for #ident {
            fn bind<'q>(
                signs: ::std::vec::Vec<i64>,
                values: ::std::vec::Vec<Self::Values>,
                statement: &mut __larder::Statement<'q, #backend>,
            ) {
                #values::bind(signs, values, statement);
            }
        }
    }
}
