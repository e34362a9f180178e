//! Relations: a type that says what is linked, and a function that gives it.

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Ident, Path};

use super::{fields_number, place, quiet, tenant::leads_to_common};
use crate::{
    facts::{Kind, Leads, Model, Relation, Source},
    names,
};

pub(super) fn relations(model: &Model<'_>) -> TokenStream {
    let links = model.relations.iter().map(|relation| links(model, relation));
    let (functions, related): (Vec<_>, Vec<_>) =
        model.relations.iter().zip(0..).map(|(relation, number)| entry(model, relation, number)).unzip();
    if functions.is_empty() {
        return TokenStream::new();
    }
    let ident = model.ident;
    quote! {
        #(#links)*

        #[automatically_derived]
        impl #ident { #(#functions)* }

        #(#related)*
    }
}

/// A type for each step.
fn links(model: &Model<'_>, relation: &Relation) -> TokenStream {
    let Relation { link, target, .. } = relation;
    let primary = &model.primary().ident;
    match &relation.leads {
        Leads::Children { by, many, .. } => {
            let to = listed(target, by);
            let arity = if *many { quote!(Many) } else { quote!(Maybe) };
            let is_common = leads_to_common(model, &Kind::Primary, &[target]);
            let step = step(model, link, target, quote!(#primary), to, quote!(__larder::#arity));
            quote!(#step #is_common)
        }
        Leads::Parent { from } => {
            let pattern = &model.patterns[*from];
            let arities = model.fields_of(pattern).into_iter().map(|field| {
                let ty = field.ty;
                quote_spanned!(place(ty)=> <#ty as __larder::KeyField>::Arity)
            });
            // One column that may be NULL is enough for there to be no parent.
            let arity = match model.source {
                Source::Table => {
                    arities.reduce(|one, other| quote!(<(#one, #other) as __larder::Both>::Arity)).unwrap_or_default()
                }
                // Its rows outlive those that they refer to, until the next refresh.
                Source::MaterializedView => quote!(__larder::Maybe),
            };
            let from = &pattern.ident;
            let is_common = leads_to_common(model, &pattern.kind, &[target]);
            let step = step(model, link, target, quote!(#from), primary_of(target), arity);
            quote!(#step #is_common)
        }
        Leads::Through { join, by, to, second } => {
            let first = step(model, link, join, quote!(#primary), listed(join, by), quote!(__larder::Many));
            let second = step(model, second, target, listed(join, to), primary_of(target), quote!(__larder::One));
            let is_common = leads_to_common(model, &Kind::Primary, &[join, target]);
            quote!(#first #second #is_common)
        }
    }
}

fn step(
    model: &Model<'_>,
    link: &Ident,
    target: &Path,
    from: TokenStream,
    to: TokenStream,
    arity: TokenStream,
) -> TokenStream {
    let (vis, entity) = (model.vis(), model.ident);
    let to = quote_spanned!(place(target)=> type To = #to;);
    quote! {
        #[doc(hidden)]
        #[derive(::core::fmt::Debug)]
        #vis enum #link {}

        #[automatically_derived]
        impl __larder::Link for #link {
            type From = #from;
            #to
            type Arity = #arity;
        }

        #[automatically_derived]
        impl __larder::StartsFrom<#entity> for #link {
            type Checked = Self;
            fn checked(self) -> Self {
                self
            }
        }
    }
}

fn listed(entity: &Path, fields: &[Ident]) -> TokenStream {
    let fields = fields_number(entity, fields);
    quote_spanned!(place(entity)=> <#entity as __larder::ListedBy<#fields>>::Pattern)
}

fn primary_of(entity: &Path) -> TokenStream {
    quote_spanned!(place(entity)=> <#entity as __larder::Entity>::Primary)
}

/// The function that gives a relation, and what views find it by.
fn entry(model: &Model<'_>, relation: &Relation, number: u64) -> (TokenStream, TokenStream) {
    let Relation { name, link, target, leads } = relation;
    let (vis, entity) = (model.vis(), model.ident);
    let name = quiet(name);
    let ty = match leads {
        Leads::Through { second, .. } => quote_spanned! {place(target)=>
            __larder::Through<#link, #second, __larder::Of<#target>>
        },
        _ => quote_spanned!(place(target)=> __larder::Rel<#link, __larder::Of<#target>>),
    };
    let constructor = match leads {
        Leads::Through { .. } => quote_spanned!(place(target)=> __larder::Through::new()),
        _ => quote_spanned!(place(target)=> __larder::Rel::new()),
    };
    let docs = docs(model, relation).into_iter().map(|line| if line.is_empty() { line } else { format!(" {line}") });
    let number = Literal::u64_unsuffixed(number);
    let function = quote! {
        #(#[doc = #docs])*
        #[must_use]
        #vis fn #name() -> #ty {
            #constructor
        }
    };
    let relation_type = quote_spanned!(place(target)=> type Relation = #ty;);
    let related = quote! {
        #[automatically_derived]
        impl __larder::Related<#number> for #entity {
            #relation_type
        }
    };
    (function, related)
}

fn docs(model: &Model<'_>, relation: &Relation) -> Vec<String> {
    let target = relation.target.segments.last().map(|segment| names::plain(&segment.ident)).unwrap_or_default();
    let own = names::listed(model.fields_of(model.primary()).iter().map(|field| field.ident), "and");
    let (what, shape, cost) = match &relation.leads {
        Leads::Children { by, many, .. } => {
            let by = names::listed(by, "and");
            if *many {
                (
                    format!("The `{target}` rows that hold this row's {own} in {by}."),
                    format!(
                        "A `Vec` for each row, in the order of the pattern of `{target}` by {by}; `select`, `with`, `filter`, \
                         `order` and `limit` refine it, and the limit is one for each row."
                    ),
                    "one level",
                )
            } else {
                (
                    format!("The `{target}` row that holds this row's {own} in {by}."),
                    "An `Option` for each row: `None` if there is none.".to_owned(),
                    "one level",
                )
            }
        }
        Leads::Parent { from } => {
            let fields = model.fields_of(&model.patterns[*from]);
            let by = names::listed(fields.iter().map(|field| field.ident), "and");
            (
                format!("The `{target}` row to which {by} refer{}.", if fields.len() == 1 { "s" } else { "" }),
                match model.source {
                    Source::Table => {
                        "One for each row, or an `Option` if the reference may be NULL. A row that refers to none although it \
                         must is an error, `Error::Orphan`."
                    }
                    Source::MaterializedView => {
                        "An `Option` for each row: `None` too if that row was deleted since the view was refreshed."
                    }
                }
                .to_owned(),
                "one level",
            )
        }
        Leads::Through { join, .. } => {
            let join = join.segments.last().map(|segment| names::plain(&segment.ident)).unwrap_or_default();
            (
                format!("The `{target}` rows that `{join}` rows join to this one."),
                format!("A `Vec` for each row, in the order of the `{join}` rows; `select` and `with` refine it."),
                "two levels",
            )
        }
    };
    let cost = format!(
        "It is loaded for all rows at once, at the cost of {cost}: for each, one round trip if all is cached; if not, one more \
         for leases, one statement and one round trip to fill it in."
    );
    vec![what, String::new(), shape, String::new(), cost]
}
