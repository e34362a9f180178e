//! `version`, `created_at` and `updated_at` on a field: what larder itself writes.

use syn::{Ident, Token, parse::ParseStream};

use super::item;

/// The options, as they stand on a field.
pub(super) const OPTIONS: [&str; 3] = ["version", "created_at", "updated_at"];

/// What a field is to larder.
#[derive(Default)]
pub(crate) struct GuardAttrs {
    pub(crate) version: Option<Ident>,
    pub(crate) created_at: Option<Ident>,
    pub(crate) updated_at: Option<Ident>,
}

/// Whether the word is one of the options. `version = 2` is not: it counts the forms of a `serde` field.
pub(super) fn is_one(word: &str, input: ParseStream<'_>) -> bool {
    OPTIONS.contains(&word) && !input.peek(Token![=])
}

impl GuardAttrs {
    /// Takes one of [`OPTIONS`].
    pub(super) fn item(&mut self, option: &Ident) -> syn::Result<()> {
        let slot = match &*option.to_string() {
            "version" => &mut self.version,
            "created_at" => &mut self.created_at,
            _ => &mut self.updated_at,
        };
        item::once(slot, option, option.clone())
    }

    /// The words that were written, in the order of [`OPTIONS`].
    pub(crate) fn words(&self) -> [Option<&Ident>; 3] {
        [self.version.as_ref(), self.created_at.as_ref(), self.updated_at.as_ref()]
    }
}
