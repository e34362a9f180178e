//! `#[larder(..)]` on a model.

use proc_macro2::TokenTree;
use syn::{Attribute, Expr, Ident, LitBool, LitInt, LitStr, Path, Token, parse::ParseStream, punctuated::Punctuated};

use super::{
    item, maintains,
    maintains::MaintainsAttr,
    near::{self, Given, NearAttrs},
    order,
    partition::{self, PartitionAttr},
    relation,
    relation::RelationAttr,
    ttl,
};
use crate::errors::Errors;

const OPTIONS: [&str; 16] = [
    "ttl",
    "name",
    "tenant",
    "query",
    "write_through",
    "writes",
    "unique",
    "index",
    "has_many",
    "has_one",
    "belongs_to",
    "many_to_many",
    "maintains",
    "in_view",
    "soft_delete",
    "partition",
];

/// The struct's attributes.
#[derive(Default)]
pub(crate) struct ModelAttrs {
    pub(crate) ttl: Option<u64>,
    pub(crate) name: Option<LitStr>,
    pub(crate) tenant: Option<Ident>,
    pub(crate) query: Option<Given<LitStr>>,
    pub(crate) write_through: Option<Given<bool>>,
    pub(crate) writes: Option<Given<Writes>>,
    pub(crate) near: NearAttrs,
    pub(crate) soft_delete: Option<Ident>,
    pub(crate) uniques: Vec<Unique>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) relations: Vec<RelationAttr>,
    pub(crate) maintains: Vec<MaintainsAttr>,
    pub(crate) in_views: Vec<Path>,
    pub(crate) partition: Option<PartitionAttr>,
    /// Names of relations that could not be parsed, for the stubs.
    pub(crate) broken: Vec<Ident>,
}

/// `writes = strict`, `writes = available`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    Strict,
    Available,
}

/// `unique(a, b; deferrable)`.
pub(crate) struct Unique {
    pub(crate) keyword: Ident,
    pub(crate) fields: Vec<Ident>,
    pub(crate) deferrable: bool,
}

/// `index(a, b; order = c.desc(), head = 256)`.
pub(crate) struct Index {
    pub(crate) keyword: Ident,
    pub(crate) fields: Vec<Ident>,
    pub(crate) order: Vec<order::Term>,
    pub(crate) head: Option<usize>,
}

impl ModelAttrs {
    pub(crate) fn of(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut model = Self::default();
        item::each(attrs, "larder", errors, |input, _| model.item(input));
        model
    }

    fn item(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let option = item::ident(input)?;
        match &*option.to_string() {
            "ttl" => {
                input.parse::<Token![=]>()?;
                item::once(&mut self.ttl, &option, ttl::milliseconds(&input.parse()?)?)
            }
            "name" => {
                input.parse::<Token![=]>()?;
                item::once(&mut self.name, &option, input.parse()?)
            }
            "tenant" => {
                input.parse::<Token![=]>()?;
                item::once(&mut self.tenant, &option, item::ident(input)?)
            }
            "query" => {
                input.parse::<Token![=]>()?;
                let value = input.parse()?;
                item::once(&mut self.query, &option, Given { word: option.clone(), value })
            }
            "write_through" => {
                input.parse::<Token![=]>()?;
                let value = input.parse::<LitBool>()?.value;
                item::once(&mut self.write_through, &option, Given { word: option.clone(), value })
            }
            "writes" => {
                input.parse::<Token![=]>()?;
                item::once(&mut self.writes, &option, writes(input)?)
            }
            "soft_delete" => {
                input.parse::<Token![=]>()?;
                let field = item::ident(input)?;
                item::once(&mut self.soft_delete, &option, field)
            }
            word if near::OPTIONS.contains(&word) => {
                input.parse::<Token![=]>()?;
                self.near.item(&option, input)
            }
            "unique" => {
                self.uniques.push(item::parenthesized(input, |input| unique(option, input))?);
                Ok(())
            }
            "index" => {
                self.indexes.push(item::parenthesized(input, |input| index(option, input))?);
                Ok(())
            }
            "maintains" => {
                self.maintains.push(item::parenthesized(input, |input| maintains::maintains(option, input))?);
                Ok(())
            }
            "in_view" => {
                let views = item::parenthesized(input, |input| {
                    Punctuated::<Path, Token![,]>::parse_terminated_with(input, Path::parse_mod_style)
                })?;
                if views.is_empty() {
                    return Err(syn::Error::new(option.span(), "name the view: `in_view(View)`"));
                }
                self.in_views.extend(views);
                Ok(())
            }
            "partition" => {
                let value = item::parenthesized(input, |input| partition::partition(option.clone(), input))?;
                item::once(&mut self.partition, &option, value)
            }
            "has_many" | "has_one" | "belongs_to" | "many_to_many" => {
                let name = relation_name(input);
                match item::parenthesized(input, |input| relation::relation(&option, input)) {
                    Ok(relation) => self.relations.push(relation),
                    Err(error) => {
                        self.broken.extend(name);
                        return Err(error);
                    }
                }
                Ok(())
            }
            _ => Err(item::unknown(&option, &[&OPTIONS[..], &near::OPTIONS].concat())),
        }
    }
}

/// The name in the parentheses ahead, if there is one.
fn relation_name(input: ParseStream<'_>) -> Option<Ident> {
    let TokenTree::Group(group) = input.fork().parse().ok()? else { return None };
    match group.stream().into_iter().next()? {
        TokenTree::Ident(name) => Some(name),
        _ => None,
    }
}

fn writes(input: ParseStream<'_>) -> syn::Result<Given<Writes>> {
    let word = item::ident(input)?;
    let value = match &*word.to_string() {
        "strict" => Writes::Strict,
        "available" => Writes::Available,
        _ => return Err(syn::Error::new(word.span(), "writes are `strict` or `available`")),
    };
    Ok(Given { word, value })
}

fn unique(keyword: Ident, input: ParseStream<'_>) -> syn::Result<Unique> {
    let fields = fields(&keyword, input)?;
    let mut deferrable = None;
    options(input, |option, _| match &*option.to_string() {
        "deferrable" => item::once(&mut deferrable, option, ()),
        _ => Err(item::unknown(option, &["deferrable"])),
    })?;
    Ok(Unique { keyword, fields, deferrable: deferrable.is_some() })
}

fn index(keyword: Ident, input: ParseStream<'_>) -> syn::Result<Index> {
    let fields = fields(&keyword, input)?;
    let (mut order, mut head) = (None, None);
    options(input, |option, input| match &*option.to_string() {
        "order" => {
            input.parse::<Token![=]>()?;
            item::once(&mut order, option, order::terms(&input.parse::<Expr>()?)?)
        }
        "head" => {
            input.parse::<Token![=]>()?;
            let literal: LitInt = input.parse()?;
            match literal.base10_parse() {
                Ok(0) | Err(_) => {
                    Err(syn::Error::new(literal.span(), "`head` is how many rows a cell holds: at least 1"))
                }
                Ok(rows) => item::once(&mut head, option, rows),
            }
        }
        _ => Err(item::unknown(option, &["order", "head"])),
    })?;
    Ok(Index { keyword, fields, order: order.unwrap_or_default(), head })
}

/// The fields in front of a semicolon.
fn fields(keyword: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    let mut fields = Vec::new();
    while !input.is_empty() && !input.peek(Token![;]) {
        fields.push(item::ident(input)?);
        if !input.peek(Token![,]) {
            break;
        }
        input.parse::<Token![,]>()?;
    }
    if fields.is_empty() {
        return Err(syn::Error::new(keyword.span(), format!("name the fields: `{keyword}(field)`")));
    }
    Ok(fields)
}

/// The options behind a semicolon.
pub(super) fn options(
    input: ParseStream<'_>,
    mut each: impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>,
) -> syn::Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    if !input.peek(Token![;]) {
        return Err(input.error("options stand behind a semicolon: `(field; option)`"));
    }
    input.parse::<Token![;]>()?;
    while !input.is_empty() {
        each(&item::ident(input)?, input)?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}
