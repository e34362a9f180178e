//! `near`, `near_ttl`, `near_bytes` and `reads`.

use syn::{Ident, parse::ParseStream};

use super::{item, size, ttl};

/// The options, as they stand among those of a model.
pub(super) const OPTIONS: [&str; 4] = ["near", "near_ttl", "near_bytes", "reads"];

/// What a model says of the near cache.
#[derive(Default)]
pub(crate) struct NearAttrs {
    pub(crate) near: Option<Near>,
    /// In milliseconds.
    pub(crate) ttl: Option<Given<u64>>,
    pub(crate) bytes: Option<Given<u64>>,
    pub(crate) reads: Option<Given<Reads>>,
}

/// A value, and the word of it that an error is told at.
pub(crate) struct Given<T> {
    pub(crate) word: Ident,
    pub(crate) value: T,
}

/// `near = strict`, and so on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Near {
    Off,
    Bounded,
    Strict,
    Outwaited,
}

/// `reads = shared`, and so on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    Near,
    Shared,
    Database,
}

impl NearAttrs {
    /// Takes the value of one of [`OPTIONS`].
    pub(super) fn item(&mut self, option: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        let given = |value| Given { word: option.clone(), value };
        match &*option.to_string() {
            "near" => item::once(&mut self.near, option, near(input)?),
            "near_ttl" => item::once(&mut self.ttl, option, given(ttl::milliseconds(&input.parse()?)?)),
            "near_bytes" => item::once(&mut self.bytes, option, given(size::bytes(&input.parse()?)?)),
            _ => item::once(&mut self.reads, option, reads(input)?),
        }
    }
}

impl Near {
    /// Whether writers see to it that nobody serves an old copy.
    pub(crate) fn is_strict(self) -> bool {
        matches!(self, Self::Strict | Self::Outwaited)
    }
}

fn near(input: ParseStream<'_>) -> syn::Result<Near> {
    let word = item::ident(input)?;
    match &*word.to_string() {
        "off" => Ok(Near::Off),
        "bounded" => Ok(Near::Bounded),
        "strict" => Ok(Near::Strict),
        "outwaited" => Ok(Near::Outwaited),
        _ => Err(syn::Error::new(word.span(), "`near` is `off`, `bounded`, `strict` or `outwaited`")),
    }
}

fn reads(input: ParseStream<'_>) -> syn::Result<Given<Reads>> {
    let word = item::ident(input)?;
    let value = match &*word.to_string() {
        "near" => Reads::Near,
        "shared" => Reads::Shared,
        "database" => Reads::Database,
        _ => return Err(syn::Error::new(word.span(), "`reads` is `near`, `shared` or `database`")),
    };
    Ok(Given { word, value })
}
