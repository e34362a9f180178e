//! `maintains(UserTotals: order_count = count, total_spent = sum(total_amount); by = user_id, insert)`.

use syn::{Ident, Path, Token, parse::ParseStream};

use super::item;

/// What a model keeps up to date in the rows of another one.
pub(crate) struct MaintainsAttr {
    pub(crate) keyword: Ident,
    pub(crate) target: Path,
    pub(crate) columns: Vec<MaintainedAttr>,
    /// The fields that hold the key of the row.
    pub(crate) by: Vec<Ident>,
    /// Whether a row that is missing is inserted.
    pub(crate) insert: bool,
    /// Whether a row is deleted that has nothing left.
    pub(crate) delete: Option<Ident>,
}

/// A column of the other model, and what it holds.
pub(crate) struct MaintainedAttr {
    pub(crate) field: Ident,
    pub(crate) what: Aggregate,
}

pub(crate) enum Aggregate {
    Count,
    /// Of the products of these fields.
    Sum(Vec<Ident>),
}

/// Parses what stands in the parentheses behind `keyword`.
pub(super) fn maintains(keyword: Ident, input: ParseStream<'_>) -> syn::Result<MaintainsAttr> {
    if input.is_empty() {
        let message = "say which columns of which model: `maintains(Parent: number = count; by = parent_id)`";
        return Err(syn::Error::new(keyword.span(), message));
    }
    let target = input.call(Path::parse_mod_style)?;
    if !input.peek(Token![:]) {
        return Err(input.error("say which columns of it: `maintains(Parent: number = count; by = parent_id)`"));
    }
    input.parse::<Token![:]>()?;
    let mut columns = Vec::new();
    while !input.is_empty() && !input.peek(Token![;]) {
        let field = item::ident(input)?;
        input.parse::<Token![=]>()?;
        columns.push(MaintainedAttr { field, what: aggregate(input)? });
        if !input.peek(Token![,]) {
            break;
        }
        input.parse::<Token![,]>()?;
    }

    let (mut by, mut insert, mut delete) = (None, None, None);
    super::model::options(input, |option, input| match &*option.to_string() {
        "by" => {
            input.parse::<Token![=]>()?;
            item::once(&mut by, option, item::one_or_more_idents(input)?)
        }
        "insert" => item::once(&mut insert, option, ()),
        "delete" => item::once(&mut delete, option, option.clone()),
        _ => Err(item::unknown(option, &["by", "insert", "delete"])),
    })?;
    let Some(by) = by else {
        let message = "say which field holds the key of that row, behind a semicolon: `; by = field`";
        return Err(syn::Error::new_spanned(&target, message));
    };
    Ok(MaintainsAttr { keyword, target, columns, by, insert: insert.is_some(), delete })
}

fn aggregate(input: ParseStream<'_>) -> syn::Result<Aggregate> {
    let word = item::ident(input)?;
    match &*word.to_string() {
        "count" => Ok(Aggregate::Count),
        "sum" => {
            let factors = item::parenthesized(input, |input| {
                let mut factors = vec![item::ident(input)?];
                while input.peek(Token![*]) {
                    input.parse::<Token![*]>()?;
                    factors.push(item::ident(input)?);
                }
                Ok(factors)
            })?;
            Ok(Aggregate::Sum(factors))
        }
        _ => Err(syn::Error::new(word.span(), "a maintained column is a `count` or a `sum(field)`")),
    }
}
