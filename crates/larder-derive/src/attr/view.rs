//! `#[larder(..)]` on a view and its fields.

use syn::{Attribute, Expr, Ident, Path, Token};

use super::item;
use crate::errors::Errors;

/// The struct's attributes.
#[derive(Default)]
pub(crate) struct ViewAttrs {
    pub(crate) of: Option<Path>,
}

/// A field's attributes.
#[derive(Default)]
pub(crate) struct ViewFieldAttrs {
    pub(crate) field: Option<(Ident, Ident)>,
    pub(crate) with: Option<(Ident, Ident)>,
    pub(crate) count: Option<(Ident, Ident)>,
    pub(crate) refine: Refined,
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
            if option != "of" {
                return Err(item::unknown(&option, &["of"]));
            }
            input.parse::<Token![=]>()?;
            item::once(&mut view.of, &option, input.call(Path::parse_mod_style)?)
        });
        view
    }
}

impl ViewFieldAttrs {
    pub(crate) fn of(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut field = Self::default();
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
                _ => return Err(item::unknown(&option, &["field", "with", "count", "filter", "order", "limit"])),
            };
            input.parse::<Token![=]>()?;
            let value = item::ident(input)?;
            item::once(slot, &option.clone(), (option, value))
        });
        field
    }
}
