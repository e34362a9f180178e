//! `#[larder(..)]` on a view and its fields.

use syn::{Attribute, Expr, Ident, LitBool, LitInt, Path, Token, parse::ParseStream, token};

use super::{SerdeCoding, item, size, ttl};
use crate::errors::Errors;

/// The struct's attributes.
#[derive(Default)]
pub(crate) struct ViewAttrs {
    pub(crate) of: Option<Path>,
    pub(crate) cached: Option<CachedAttr>,
    pub(crate) packed: Option<()>,
}

/// `cached(limit = "256KiB", most_roots = 1000, ttl = "10m", fill = false)`.
#[derive(Default)]
pub(crate) struct CachedAttr {
    pub(crate) limit: Option<u64>,
    pub(crate) most_roots: Option<usize>,
    pub(crate) ttl: Option<u64>,
    pub(crate) fill: Option<bool>,
}

/// A field's attributes.
#[derive(Default)]
pub(crate) struct ViewFieldAttrs {
    pub(crate) field: Option<(Ident, Ident)>,
    pub(crate) with: Option<(Ident, Ident)>,
    pub(crate) count: Option<(Ident, Ident)>,
    pub(crate) refine: Refined,
    pub(crate) serde: Option<(Ident, SerdeCoding)>,
}

/// What is said of a relation's rows: each option with its keyword.
#[derive(Default)]
pub(crate) struct Refined {
    pub(crate) filter: Option<(Ident, Expr)>,
    pub(crate) order: Option<(Ident, Expr)>,
    pub(crate) limit: Option<(Ident, Expr)>,
}

impl ViewAttrs {
    pub(crate) fn of(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut view = Self::default();
        item::each(attrs, "larder", errors, |input, _| {
            let option = item::ident(input)?;
            match &*option.to_string() {
                "of" => {
                    input.parse::<Token![=]>()?;
                    item::once(&mut view.of, &option, input.call(Path::parse_mod_style)?)
                }
                "cached" => {
                    let cached = match input.peek(token::Paren) {
                        true => item::parenthesized(input, CachedAttr::of)?,
                        false => CachedAttr::default(),
                    };
                    item::once(&mut view.cached, &option, cached)
                }
                "packed" => item::once(&mut view.packed, &option, ()),
                _ => Err(item::unknown(&option, &["of", "cached", "packed"])),
            }
        });
        view
    }
}

impl CachedAttr {
    fn of(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut cached = Self::default();
        while !input.is_empty() {
            let option = item::ident(input)?;
            input.parse::<Token![=]>()?;
            match &*option.to_string() {
                "limit" => item::once(&mut cached.limit, &option, size::bytes(&input.parse()?)?)?,
                "most_roots" => {
                    let number = input.parse::<LitInt>()?.base10_parse()?;
                    item::once(&mut cached.most_roots, &option, number)?;
                }
                "ttl" => item::once(&mut cached.ttl, &option, ttl::milliseconds(&input.parse()?)?)?,
                "fill" => item::once(&mut cached.fill, &option, input.parse::<LitBool>()?.value)?,
                _ => return Err(item::unknown(&option, &["limit", "most_roots", "ttl", "fill"])),
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(cached)
    }
}

impl ViewFieldAttrs {
    pub(crate) fn of(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut field = Self::default();
        let mut version = None;
        item::each(attrs, "larder", errors, |input, _| {
            let option = item::ident(input)?;
            let slot = match &*option.to_string() {
                "field" => &mut field.field,
                "with" => &mut field.with,
                "count" => &mut field.count,
                "filter" | "order" | "limit" => {
                    let slot = match &*option.to_string() {
                        "filter" => &mut field.refine.filter,
                        "order" => &mut field.refine.order,
                        _ => &mut field.refine.limit,
                    };
                    input.parse::<Token![=]>()?;
                    let value = input.parse()?;
                    return item::once(slot, &option.clone(), (option, value));
                }
                "serde" => return item::once(&mut field.serde, &option.clone(), (option, SerdeCoding::default())),
                "version" => {
                    input.parse::<Token![=]>()?;
                    let number = input.parse::<LitInt>()?.base10_parse()?;
                    return item::once(&mut version, &option.clone(), (option, number));
                }
                _ => {
                    let options = ["field", "with", "count", "filter", "order", "limit", "serde"];
                    return Err(item::unknown(&option, &options));
                }
            };
            input.parse::<Token![=]>()?;
            let value = item::ident(input)?;
            item::once(slot, &option.clone(), (option, value))
        });
        match (&mut field.serde, version) {
            (Some((_, serde)), Some((_, number))) => serde.version = Some(number),
            (None, Some((option, _))) => {
                errors.at(
                    option,
                    "`version` counts the forms of a `serde` field: write `#[larder(serde, version = ..)]`",
                );
            }
            (_, None) => {}
        }
        field
    }
}
