//! Lists of items between commas.

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, Ident, LitStr, Path, Token, ext::IdentExt, parse::ParseStream};

use crate::{errors::Errors, names};

/// Parses the items of every `#[name(..)]`. One that can't be parsed is passed over, and its error kept.
pub(super) fn each(
    attrs: &[Attribute],
    name: &str,
    errors: &mut Errors,
    mut item: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        let parsed = attr.parse_args_with(|input: ParseStream<'_>| {
            while !input.is_empty() {
                match item(input, errors) {
                    Ok(()) if input.is_empty() || input.peek(Token![,]) => {}
                    Ok(()) => {
                        errors.push(input.error("expected `,`"));
                        skip(input)?;
                    }
                    Err(error) => {
                        errors.push(error);
                        skip(input)?;
                    }
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        });
        errors.keep(parsed);
    }
}

/// Passes over everything up to the next comma.
pub(super) fn skip(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// Parses what stands in parentheses, to its end.
pub(super) fn parenthesized<T>(
    input: ParseStream<'_>,
    parse: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    let content;
    syn::parenthesized!(content in input);
    let parsed = parse(&content)
        .and_then(|value| if content.is_empty() { Ok(value) } else { Err(content.error("unexpected here")) });
    if parsed.is_err() {
        // What is left unread would be a second error.
        content.parse::<TokenStream>()?;
    }
    parsed
}

/// `(a, b)`.
pub(super) fn idents(input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    let idents = parenthesized(input, |content| {
        let idents = content.parse_terminated(ident, Token![,])?;
        Ok(idents.into_iter().collect::<Vec<_>>())
    })?;
    Ok(idents)
}

/// `a`, or `(a, b)`.
pub(super) fn one_or_more_idents(input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    if input.peek(syn::token::Paren) { idents(input) } else { Ok(vec![ident(input)?]) }
}

/// A name; words that Rust reserves may be field names in Diesel's attributes, and so here.
pub(super) fn ident(input: ParseStream<'_>) -> syn::Result<Ident> {
    Ident::parse_any(input)
}

/// The error of a word that is none of the options.
pub(super) fn unknown(option: &Ident, known: &[&str]) -> syn::Error {
    let wrong = names::plain(option);
    let suggestion = names::suggestion(&wrong, known.iter().copied());
    syn::Error::new(option.span(), format!("there is no option `{wrong}` here; {suggestion}"))
}

/// Keeps a value that may be given once.
pub(super) fn once<T>(slot: &mut Option<T>, option: &Ident, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new(option.span(), format!("`{option}` is given twice: remove one")));
    }
    *slot = Some(value);
    Ok(())
}

/// A path, or a string literal that holds one.
pub(super) fn literal_or_path(input: ParseStream<'_>) -> syn::Result<Path> {
    match literal(input)? {
        Some(literal) => literal.parse_with(Path::parse_mod_style),
        None => Path::parse_mod_style(input),
    }
}

/// A name, or a string literal that holds one.
pub(super) fn literal_or_ident(input: ParseStream<'_>) -> syn::Result<Ident> {
    match literal(input)? {
        Some(literal) => literal.parse_with(ident),
        None => ident(input),
    }
}

fn literal(input: ParseStream<'_>) -> syn::Result<Option<LitStr>> {
    if input.peek(LitStr) { input.parse().map(Some) } else { Ok(None) }
}
