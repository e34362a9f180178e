//! The finders of a repository: those of each pattern but the primary key's, which every repository has.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::Ident;

use super::pattern::part;
use crate::{
    facts::{Kind, Model, ModelField, Pattern, tuple},
    names,
};

pub(super) fn finders(model: &Model<'_>) -> TokenStream {
    let patterns: Vec<_> = model.finding().filter(|pattern| !matches!(pattern.kind, Kind::Primary)).collect();
    if patterns.is_empty() {
        return TokenStream::new();
    }
    let (entity, repository) = (model.ident, model.repository());
    // A bound on the only back end by its name keeps messages short; of several, each must find the same functions.
    let (params, backend, bounds) = match &model.backends[..] {
        [backend] => (quote!(), quote!(#backend), quote!()),
        _ => {
            let patterns = patterns.iter().map(|pattern| &pattern.ident);
            let bounds = quote!(#(#patterns: __larder::PatternOn<DB>,)*);
            (quote!(DB: __larder::Backend,), quote!(DB), bounds)
        }
    };
    let finders = patterns.iter().map(|pattern| {
        let finder = Finder::new(model, pattern);
        if pattern.is_unique() { finder.unique(&backend) } else { finder.list(&backend) }
    });
    let keys = patterns.iter().map(|pattern| Finder::new(model, pattern).named());
    // Names of a tenant's keys are its repository's to give, which knows whose they are.
    let (of_entity, of_repository) = match model.tenant {
        None => (quote!(#[automatically_derived] impl #entity { #(#keys)* }), quote!()),
        Some(_) => (quote!(), quote!(#(#keys)*)),
    };
    quote! {
        #of_entity

        #[automatically_derived]
        impl<'s, #params S> #repository<'s, #backend, S>
        where
            S: __larder::Shape<#backend, Entity = #entity>,
            #bounds
        {
            #(#finders)*
            #of_repository
        }
    }
}

struct Finder<'m, 'a> {
    model: &'m Model<'a>,
    pattern: &'m Pattern,
    fields: Vec<&'m ModelField<'a>>,
    name: String,
}

impl<'m, 'a> Finder<'m, 'a> {
    fn new(model: &'m Model<'a>, pattern: &'m Pattern) -> Self {
        let (fields, name) = (model.given_fields_of(pattern), model.finder_name(pattern));
        Self { model, pattern, fields, name }
    }

    /// The function's name.
    fn called(&self, verb: &str, ending: &str) -> Ident {
        format_ident!("{verb}_by_{}{ending}", self.name)
    }

    fn columns(&self) -> String {
        let fields = if self.fields.is_empty() { &self.model.fields_of(self.pattern) } else { &self.fields };
        names::listed(fields.iter().map(|field| field.ident), "and")
    }

    /// `email: impl Into<String>`, for each column.
    fn arguments(&self) -> TokenStream {
        let arguments = self.fields.iter().map(|field| {
            let (ident, part) = (field.ident, part(field.ty));
            quote!(#ident: impl ::core::convert::Into<#part>)
        });
        quote!(#(#arguments),*)
    }

    fn key(&self) -> TokenStream {
        let values: Vec<_> = self
            .fields
            .iter()
            .map(|field| {
                let ident = field.ident;
                quote!(::core::convert::Into::into(#ident))
            })
            .collect();
        tuple(&values)
    }

    /// The type parameters of a finder of many keys, the type of a key, and what makes the pattern's of it.
    fn many(&self) -> (TokenStream, TokenStream, TokenStream) {
        let params: Vec<Ident> = (0..self.fields.len()).map(|at| format_ident!("K{at}")).collect();
        let values: Vec<Ident> = (0..self.fields.len()).map(|at| format_ident!("k{at}")).collect();
        let bounds = params.iter().zip(&self.fields).map(|(param, field)| {
            let part = part(field.ty);
            quote!(#param: ::core::clone::Clone + ::core::convert::Into<#part>)
        });
        let given = tuple(&values);
        let into: Vec<_> = values.iter().map(|value| quote!(::core::convert::Into::into(#value))).collect();
        let into = tuple(&into);
        let keys = quote!(keys.iter().cloned().map(|#given| #into));
        (quote!(#(#bounds),*), tuple(&params), keys)
    }

    /// The function that names a key without asking for its rows.
    fn named(&self) -> TokenStream {
        let (vis, pattern, columns, entity) = (self.model.vis(), &self.pattern.ident, self.columns(), self.model.ident);
        let (name, arguments, key) = (self.called("key", ""), self.arguments(), self.key());
        let docs = docs([
            format!("The `{entity}` rows with this {columns}, there or not, for what depends on them."),
            "Asks nobody.".to_owned(),
        ]);
        match self.model.tenant {
            None => quote! {
                #docs
                #vis fn #name(#arguments) -> __larder::KeyOf<#pattern> {
                    __larder::KeyOf::new(#key)
                }
            },
            Some(_) => quote! {
                #docs
                #vis fn #name(&self, #arguments) -> __larder::KeyOf<#pattern> {
                    self.inner.key_by::<#pattern>(#key)
                }
            },
        }
    }

    fn unique(&self, backend: &TokenStream) -> TokenStream {
        let (vis, pattern, columns, entity) = (self.model.vis(), &self.pattern.ident, self.columns(), self.model.ident);
        let (one, many) = (self.called("find", ""), self.called("find", "_many"));
        let (arguments, key, (params, given, keys)) = (self.arguments(), self.key(), self.many());
        let output = quote!(<S as __larder::Shape<#backend>>::Output);
        let explain = self.called("explain", "");
        let docs_explain = docs([
            format!("What `{many}` would do with these {columns}, without doing it."),
            "Costs one round trip for each level whose keys are not all near, and no statement.".to_owned(),
        ]);
        let docs = docs([
            format!("The `{entity}` with this {columns}, or `None`."),
            COST_OF_ONE.to_owned(),
            ERRORS.to_owned(),
        ]);
        let docs_many = docs_of_many(
            format!("The `{entity}` rows with these {columns}, in the order of `keys`."),
            "`n` keys give `n` slots; a slot is `None` where no such row exists.",
        );
        quote! {
            #docs
            #[track_caller]
            #vis fn #one(&self, #arguments) -> __larder::Result<::core::option::Option<#output>> {
                self.inner.find_by::<#pattern>(#key)
            }

            #docs_many
            #[track_caller]
            #vis fn #many<#params>(
                &self,
                keys: &[#given],
            ) -> __larder::Result<::std::vec::Vec<::core::option::Option<#output>>> {
                self.inner.find_by_many::<#pattern>(#keys)
            }

            #docs_explain
            #vis fn #explain<#params>(&self, keys: &[#given]) -> __larder::Explanation {
                self.inner.explain_by::<#pattern>(#keys)
            }
        }
    }

    fn list(&self, backend: &TokenStream) -> TokenStream {
        let (vis, pattern, columns, entity) = (self.model.vis(), &self.pattern.ident, self.columns(), self.model.ident);
        let (one, many, count) = (self.called("list", ""), self.called("list", "_many"), self.called("count", ""));
        let (arguments, key, (params, given, keys)) = (self.arguments(), self.key(), self.many());
        let output = quote!(<S as __larder::Shape<#backend>>::Output);
        let order = self.order();
        let shape = match self.model.tenant {
            None => quote!(S),
            Some(_) => quote!(__larder::InTenant<S, #entity>),
        };
        let docs_one = docs([
            format!("The `{entity}` rows with this {columns}, still to be limited and loaded: {order}."),
            COST_OF_LIST.to_owned(),
        ]);
        let docs_many = docs_of_many(
            format!("The `{entity}` rows with each of these {columns}: a list for each of `keys`, in their order."),
            &format!("`n` keys give `n` lists, each {order}; one is empty where there are no such rows."),
        );
        let docs_count = docs([
            format!("The number of `{entity}` rows with this {columns}."),
            "Costs one round trip, and one statement that counts if the list is not cached whole. Stores nothing."
                .to_owned(),
            ERRORS.to_owned(),
        ]);
        let many = (!self.fields.is_empty()).then(|| {
            quote! {
                #docs_many
                #[track_caller]
                #vis fn #many<#params>(
                    &self,
                    keys: &[#given],
                ) -> __larder::Result<::std::vec::Vec<::std::vec::Vec<#output>>> {
                    self.inner.list_by_many::<#pattern>(#keys)
                }
            }
        });
        quote! {
            #docs_one
            #vis fn #one(&self, #arguments) -> __larder::List<'s, #backend, #shape, #pattern>
            where
                S: ::core::clone::Clone,
            {
                self.inner.list_by::<#pattern>(#key)
            }

            #many

            #docs_count
            #[track_caller]
            #vis fn #count(&self, #arguments) -> __larder::Result<i64> {
                self.inner.count_by::<#pattern>(#key)
            }
        }
    }

    /// The pattern's order in words.
    fn order(&self) -> String {
        let Kind::List { order, .. } = &self.pattern.kind else { return String::new() };
        let mut terms: Vec<String> = order
            .iter()
            .map(|(at, descending)| {
                let field = self.model.fields[*at].ident;
                if *descending { format!("`{field}`, largest first") } else { format!("`{field}`") }
            })
            .collect();
        // What is left equal is ordered by the rest of the primary key.
        let ties = self.model.primary().fields.iter().filter(|at| !order.iter().any(|(named, _)| named == *at));
        terms.extend(ties.map(|at| format!("`{}`", self.model.fields[*at].ident)));
        format!("ordered by {}", terms.join(", then by "))
    }
}

const COST_OF_ONE: &str = "Costs one round trip if it is cached. If not: one more for a lease, one statement, and one round trip \
     to fill it in. Each relation in the shape is a level more, at the same price.";

const COST_OF_LIST: &str = "Loading costs one round trip if the list is cached. If not: one more for a lease, one statement, and \
     one round trip to fill it in. Each relation in the shape is a level more, at the same price.";

const ERRORS: &str = "# Errors\n`Error::Database` if the statement fails, `Error::Pool` if there is no connection for it. A failing \
     store is no error: rows come from the database.";

fn docs_of_many(first: String, slots: &str) -> TokenStream {
    docs([
        first,
        format!(
            "{slots} Repeated keys are loaded once. Costs as much as one key does, however many there are: one round trip for \
             each 512, and one statement for as many as it can bind."
        ),
        ERRORS.to_owned(),
    ])
}

/// Paragraphs as a doc comment.
fn docs(paragraphs: impl IntoIterator<Item = String>) -> TokenStream {
    let mut docs = TokenStream::new();
    for (at, paragraph) in paragraphs.into_iter().enumerate() {
        if at > 0 {
            quote!(#[doc = ""]).to_tokens(&mut docs);
        }
        for line in paragraph.lines() {
            let line = format!(" {line}");
            quote!(#[doc = #line]).to_tokens(&mut docs);
        }
    }
    docs
}
