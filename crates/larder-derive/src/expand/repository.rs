//! The repository: a type of the user's module, and what every one of them has.

use proc_macro2::TokenStream;
use quote::quote;

use crate::facts::Model;

/// The type. It is the only thing outside of the anonymous constant: users name it.
pub(super) fn repository(model: &Model<'_>) -> TokenStream {
    let (vis, ident, repository) = (model.vis(), model.ident, model.repository());
    let doc = format!(
        " Finds and writes rows of [`{ident}`] on a session, and gives each in a shape: the row, a view of it, or a tuple with \
         its relations."
    );
    let name = if model.tenant.is_some() { "TenantRepository" } else { "Repository" };
    let more = format!(
        " Made by [`{ident}::repository`]. Beside its own finders it has those of [`{name}`](::larder::{name}), to which \
         it dereferences."
    );
    let inner = inner(model, &quote!(::larder));
    quote! {
        #[doc = #doc]
        #[doc = ""]
        #[doc = #more]
        #vis struct #repository<'s, DB: ::larder::Backend, S> {
            inner: #inner,
        }
    }
}

/// What it is made around.
fn inner(model: &Model<'_>, larder: &TokenStream) -> TokenStream {
    let ident = model.ident;
    match model.tenant {
        None => quote!(#larder::Repository<'s, DB, S>),
        Some(_) => quote!(#larder::TenantRepository<'s, DB, S, #ident>),
    }
}

/// The function of the model that makes it.
fn constructor(model: &Model<'_>) -> TokenStream {
    let (vis, ident, repository) = (model.vis(), model.ident, model.repository());
    if model.tenant.is_some() {
        let doc = format!(" The repository of one tenant's `{ident}` rows, on a session of that tenant.");
        return quote! {
            #[doc = #doc]
            #[doc = ""]
            #[doc = " `larder.tenant(id)` is one, and in a transaction `tx.tenant(id)`. Keys are given without the tenant, which \
                     stands before each. Costs a copy of the id."]
            #[must_use]
            #vis fn repository<S: __larder::TenantSession<Self, Backend: __larder::Keeps<Self>>>(
                session: &S,
            ) -> #repository<'_, S::Backend, __larder::Of<Self>> {
                #repository { inner: __larder::TenantRepository::new(session) }
            }
        };
    }
    let doc = format!(" The repository of `{ident}` on the handle, or in a transaction.");
    quote! {
        #[doc = #doc]
        #[doc = ""]
        #[doc = " On the handle its reads go through the caches and each write is a transaction; in a transaction reads \
                 see its own rows and no cache. Costs nothing by itself."]
        #[must_use]
        #vis fn repository<S: __larder::Session<Backend: __larder::Keeps<Self>>>(
            session: &S,
        ) -> #repository<'_, S::Backend, __larder::Of<Self>> {
            #repository { inner: __larder::Repository::new(session) }
        }
    }
}

pub(super) fn methods(model: &Model<'_>) -> TokenStream {
    let (vis, ident, repository) = (model.vis(), model.ident, model.repository());
    let (constructor, inner) = (constructor(model), inner(model, &quote!(__larder)));
    let constructor = quote! {
        #[automatically_derived]
        impl #ident {
            #constructor
        }
    };
    let with_deleted = model.guards.deleted_at.map(|_| {
        quote! {
            /// The same rows, and those that are deleted: rows of relations too, all of them from the database.
            #[must_use]
            #vis fn with_deleted(self) -> Self {
                #repository { inner: self.inner.with_deleted() }
            }
        }
    });
    quote! {
        #constructor

        #[automatically_derived]
        impl<'s, DB: __larder::Backend, S> #repository<'s, DB, S> {
            /// The same rows, of which only `T` is loaded: a view.
            ///
            /// What was asked for `with` before is dropped: select first.
            #[must_use]
            #vis fn select<T>(self) -> #repository<'s, DB, __larder::Of<T>>
            where
                T: __larder::LoadOf<DB, #ident>,
            {
                #repository { inner: self.inner.select() }
            }

            /// The same rows, and a relation of each, as one member more of a tuple.
            #[must_use]
            #vis fn with<R>(self, relation: R) -> #repository<'s, DB, S::Extended>
            where
                R: __larder::StartsFrom<#ident>,
                S: __larder::Extend<R::Checked>,
            {
                #repository { inner: self.inner.with(relation.checked()) }
            }

            /// The same rows, read from there: rows of relations too. In a transaction it changes nothing.
            #[must_use]
            #vis fn reading(self, consistency: __larder::Consistency) -> Self {
                #repository { inner: self.inner.reading(consistency) }
            }

            /// The same rows, as fresh as a write at least: rows of relations too.
            #[must_use]
            #vis fn at_least_as_fresh_as(self, token: __larder::Token) -> Self {
                #repository { inner: self.inner.at_least_as_fresh_as(token) }
            }

            /// The same rows, waited for only so long: rows of relations too.
            #[must_use]
            #vis fn patience(self, patience: __larder::Patience) -> Self {
                #repository { inner: self.inner.patience(patience) }
            }

            #with_deleted
        }

        #[automatically_derived]
        impl<'s, DB: __larder::Backend, S> ::core::ops::Deref for #repository<'s, DB, S> {
            type Target = #inner;
            fn deref(&self) -> &Self::Target {
                &self.inner
            }
        }

        #[automatically_derived]
        impl<DB: __larder::Backend, S: ::core::clone::Clone> ::core::clone::Clone for #repository<'_, DB, S> {
            fn clone(&self) -> Self {
                #repository { inner: ::core::clone::Clone::clone(&self.inner) }
            }
        }
    }
}
