//! Every mistake of a derive's input, each at the tokens that are wrong.

use std::fmt::Display;

use proc_macro2::Span;
use quote::ToTokens;

/// Mistakes found so far. Nothing stops at the first.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    found: Vec<syn::Error>,
}

impl Errors {
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.found.extend(error);
    }

    /// Says what is wrong with `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.found.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn at_span(&mut self, span: Span, message: impl Display) {
        self.found.push(syn::Error::new(span, message));
    }

    /// The value, unless there is an error instead.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// `Err` with all mistakes, in the order in which they were found, if there are any.
    pub(crate) fn finish(self) -> Result<(), Vec<syn::Error>> {
        if self.found.is_empty() { Ok(()) } else { Err(self.found) }
    }
}
