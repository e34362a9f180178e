//! `partition(by = range(created_at), every = "1 month", keep = "24 months", ahead = 3)`.

use syn::{Ident, LitBool, LitInt, LitStr, Token, parse::ParseStream};

use super::{item, near::Given};

const OPTIONS: [&str; 5] = ["by", "every", "keep", "ahead", "default"];
const NO_LENGTH: &str = "write a number above zero and hours, days, weeks, months or years, as in \"1 month\"";

/// How a model's table is cut into partitions, as it was written.
pub(crate) struct PartitionAttr {
    pub(crate) keyword: Ident,
    pub(crate) by: By,
    pub(crate) every: Option<Given<Step>>,
    pub(crate) keep: Option<Given<Step>>,
    pub(crate) ahead: Option<Given<u32>>,
    pub(crate) default: Option<Given<bool>>,
}

/// The field by which it is.
pub(crate) enum By {
    Range(Ident),
    List(Ident),
    Hash(Ident, u32),
}

impl By {
    pub(crate) fn field(&self) -> &Ident {
        match self {
            Self::Range(field) | Self::List(field) | Self::Hash(field, _) => field,
        }
    }
}

/// How far it is from one bound to the next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Months(u32),
    Hours(u32),
    Numbers(i64),
}

/// What stands in the parentheses of `partition(..)`.
pub(super) fn partition(keyword: Ident, input: ParseStream<'_>) -> syn::Result<PartitionAttr> {
    let (mut by, mut every, mut keep, mut ahead, mut default) = (None, None, None, None, None);
    while !input.is_empty() {
        let option = item::ident(input)?;
        let name = option.to_string();
        if !OPTIONS.contains(&name.as_str()) {
            return Err(item::unknown(&option, &OPTIONS));
        }
        input.parse::<Token![=]>()?;
        match name.as_str() {
            "by" => item::once(&mut by, &option, parse_by(input)?)?,
            "every" => {
                let value = step(input)?;
                item::once(&mut every, &option, Given { word: option.clone(), value })?;
            }
            "keep" => {
                let value = step(input)?;
                item::once(&mut keep, &option, Given { word: option.clone(), value })?;
            }
            "ahead" => {
                let value = input.parse::<LitInt>()?.base10_parse()?;
                item::once(&mut ahead, &option, Given { word: option.clone(), value })?;
            }
            _ => {
                let value = input.parse::<LitBool>()?.value;
                item::once(&mut default, &option, Given { word: option.clone(), value })?;
            }
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    let Some(by) = by else {
        let message = "say by what: `partition(by = range(created_at), every = \"1 month\")`, `by = list(tenant_id)` or \
                       `by = hash(tenant_id, 16)`";
        return Err(syn::Error::new(keyword.span(), message));
    };
    Ok(PartitionAttr { keyword, by, every, keep, ahead, default })
}

fn parse_by(input: ParseStream<'_>) -> syn::Result<By> {
    let word = item::ident(input)?;
    match &*word.to_string() {
        "range" => item::parenthesized(input, item::ident).map(By::Range),
        "list" => item::parenthesized(input, item::ident).map(By::List),
        "hash" => item::parenthesized(input, |input| {
            let field = item::ident(input)?;
            if input.is_empty() {
                let message = format!("say into how many partitions: `hash({field}, 16)`");
                return Err(syn::Error::new(field.span(), message));
            }
            input.parse::<Token![,]>()?;
            let literal: LitInt = input.parse()?;
            match literal.base10_parse() {
                Ok(n @ 1..=1_024) => Ok(By::Hash(field, n)),
                _ => Err(syn::Error::new(literal.span(), "a table is cut by hash into 1 to 1024 partitions")),
            }
        }),
        _ => {
            let message = "a table is partitioned by `range(field)`, `list(field)` or `hash(field, 16)`";
            Err(syn::Error::new(word.span(), message))
        }
    }
}

/// A length of time, or so many numbers.
fn step(input: ParseStream<'_>) -> syn::Result<Step> {
    if input.peek(LitInt) {
        let literal: LitInt = input.parse()?;
        return match literal.base10_parse() {
            Ok(numbers @ 1..) => Ok(Step::Numbers(numbers)),
            _ => Err(syn::Error::new(literal.span(), "a partition has at least one number: write one above zero")),
        };
    }
    let literal: LitStr = input.parse()?;
    let text = literal.value();
    length(&text).ok_or_else(|| syn::Error::new(literal.span(), format!("`{text}` is no length of time: {NO_LENGTH}")))
}

fn length(text: &str) -> Option<Step> {
    let (number, unit) = text.trim().split_once(' ')?;
    let number: u32 = number.parse().ok().filter(|number| *number > 0)?;
    let unit = unit.trim();
    let step = match unit.strip_suffix('s').unwrap_or(unit) {
        "hour" => Step::Hours(number),
        "day" => Step::Hours(number.checked_mul(24)?),
        "week" => Step::Hours(number.checked_mul(7 * 24)?),
        "month" => Step::Months(number),
        "year" => Step::Months(number.checked_mul(12)?),
        _ => return None,
    };
    // Ten thousand years are more than a calendar has.
    match step {
        Step::Hours(1..=87_660_000) | Step::Months(1..=120_000) => Some(step),
        _ => None,
    }
}
