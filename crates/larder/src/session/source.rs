//! A session as a repository holds it.

use std::{sync::Arc, time::Instant};

use super::{Access, Consistency, Session, Terms};
use crate::{backend::Backend, patience::Patience, token::Token};

/// A session, and how a repository on it reads.
pub(crate) struct Source<'s, DB: Backend> {
    access: Access<'s, DB>,
    /// What the repository asks for beside what the session does.
    terms: Option<Arc<Terms>>,
}

impl<DB: Backend> Clone for Source<'_, DB> {
    fn clone(&self) -> Self {
        Self { access: self.access, terms: self.terms.clone() }
    }
}

impl<'s, DB: Backend> Source<'s, DB> {
    pub(crate) fn of(session: &'s impl Session<Backend = DB>) -> Self {
        Self { access: session.access(), terms: None }
    }

    /// The handle or the transaction.
    #[cfg(feature = "behind")]
    pub(crate) fn target(&self) -> super::Target<'s, DB> {
        self.access.target()
    }

    /// For one call, which begins now.
    pub(crate) fn access(&self) -> Access<'_, DB> {
        let terms = self.terms.as_deref().or(self.access.terms);
        let since = terms.filter(|terms| !terms.waits_forever()).map(|_| Instant::now());
        Access { terms, since, ..self.access }
    }

    pub(crate) fn reading(self, reading: Consistency) -> Self {
        Self { access: self.access.reading(reading), ..self }
    }

    pub(crate) fn with_deleted(self) -> Self {
        Self { access: self.access.reading_deleted(), ..self }
    }

    pub(crate) fn at_least_as_fresh_as(self, token: Token) -> Self {
        self.on_terms(|terms| terms.at_least_as_fresh_as(token))
    }

    pub(crate) fn patience(self, patience: Patience) -> Self {
        self.on_terms(|terms| terms.patience(patience))
    }

    fn on_terms(self, change: impl FnOnce(&Terms) -> Terms) -> Self {
        let terms = match self.terms.as_deref().or(self.access.terms) {
            Some(terms) => change(terms),
            None => change(&Terms::of(None)),
        };
        Self { terms: Some(Arc::new(terms)), ..self }
    }
}
