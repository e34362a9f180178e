//! `#[diesel(..)]` and `#[larder(..)]` on a field of a model.

use syn::{Attribute, Ident, LitInt, Token, ext::IdentExt};

use super::{
    guard::{self, GuardAttrs},
    item,
};
use crate::errors::Errors;

/// A field's attributes.
#[derive(Default)]
pub(crate) struct FieldAttrs {
    pub(crate) column: Option<Ident>,
    pub(crate) embed: bool,
    pub(crate) serde: Option<SerdeCoding>,
    pub(crate) guards: GuardAttrs,
}

/// `serde, version = 2`.
#[derive(Default)]
pub(crate) struct SerdeCoding {
    pub(crate) version: Option<u64>,
}

impl FieldAttrs {
    pub(crate) fn of(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut guards = GuardAttrs::default();
        let serde = larder(attrs, errors, Some(&mut guards));
        let mut field = Self { serde, guards, ..Self::default() };
        item::each(attrs, "diesel", errors, |input, _| {
            if !input.peek(Ident::peek_any) {
                return item::skip(input);
            }
            match &*item::ident(input)?.to_string() {
                "column_name" => {
                    input.parse::<Token![=]>()?;
                    field.column = Some(item::literal_or_ident(input)?);
                }
                "embed" => field.embed = true,
                _ => item::skip(input)?,
            }
            Ok(())
        });
        field
    }
}

/// Whether a field goes into its cell by serde.
pub(crate) fn serde(attrs: &[Attribute], errors: &mut Errors) -> Option<SerdeCoding> {
    larder(attrs, errors, None)
}

/// As [`serde`], of a field that may be one of those that larder itself writes.
fn larder(attrs: &[Attribute], errors: &mut Errors, mut guards: Option<&mut GuardAttrs>) -> Option<SerdeCoding> {
    let (mut serde, mut version) = (None, None);
    item::each(attrs, "larder", errors, |input, _| {
        let option = item::ident(input)?;
        match &*option.to_string() {
            word if guard::is_one(word, input)
                && let Some(guards) = guards.as_deref_mut() =>
            {
                guards.item(&option)
            }
            "serde" => item::once(&mut serde, &option, ()),
            "version" => {
                input.parse::<Token![=]>()?;
                let number = input.parse::<LitInt>()?.base10_parse::<u64>()?;
                item::once(&mut version, &option, (option.clone(), number))
            }
            _ if guards.is_some() => Err(item::unknown(&option, &[&["serde"], &guard::OPTIONS[..]].concat())),
            _ => Err(item::unknown(&option, &["serde", "version"])),
        }
    });
    if let (None, Some((option, _))) = (&serde, &version) {
        errors.at(option, "`version` counts the forms of a `serde` field: write `#[larder(serde, version = ..)]`");
    }
    serde.map(|()| SerdeCoding { version: version.map(|(_, number)| number) })
}
