//! What Diesel was told: `#[diesel(..)]`, of which larder reads what it needs and passes over the rest.

use syn::{Attribute, Ident, Path, Token, Type, ext::IdentExt, parse::ParseStream, punctuated::Punctuated};

use super::item;
use crate::errors::Errors;

/// The struct's attributes.
#[derive(Default)]
pub(crate) struct Diesel {
    pub(crate) table: Option<Path>,
    pub(crate) primary_key: Option<Vec<Ident>>,
    pub(crate) parents: Vec<Parent>,
    pub(crate) backends: Vec<Type>,
}

/// `belongs_to(Parent, foreign_key = x)`.
pub(crate) struct Parent {
    pub(crate) target: Path,
    pub(crate) foreign_key: Option<Ident>,
}

impl Diesel {
    pub(crate) fn of(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut diesel = Self::default();
        item::each(attrs, "diesel", errors, |input, _| {
            if !input.peek(Ident::peek_any) {
                return item::skip(input);
            }
            let option = item::ident(input)?;
            match &*option.to_string() {
                "table_name" => {
                    input.parse::<Token![=]>()?;
                    diesel.table = Some(item::literal_or_path(input)?);
                }
                "primary_key" => diesel.primary_key = Some(item::idents(input)?),
                "belongs_to" => diesel.parents.push(item::parenthesized(input, parent)?),
                "check_for_backend" => {
                    let backends = item::parenthesized(input, Punctuated::<Type, Token![,]>::parse_terminated)?;
                    diesel.backends.extend(backends);
                }
                _ => item::skip(input)?,
            }
            Ok(())
        });
        diesel
    }
}

fn parent(input: ParseStream<'_>) -> syn::Result<Parent> {
    let target: Path = input.parse()?;
    let mut foreign_key = None;
    while !input.is_empty() {
        input.parse::<Token![,]>()?;
        if input.is_empty() {
            break;
        }
        let option = item::ident(input)?;
        if option != "foreign_key" {
            return Err(item::unknown(&option, &["foreign_key"]));
        }
        input.parse::<Token![=]>()?;
        item::once(&mut foreign_key, &option, item::literal_or_ident(input)?)?;
    }
    Ok(Parent { target, foreign_key })
}
