//! Orders of an index: `created_at.desc()`, or a tuple of such.

use syn::{Expr, ExprMethodCall, Ident};

/// A column by which a list is ordered.
pub(crate) struct Term {
    pub(crate) field: Ident,
    pub(crate) descending: bool,
}

/// Takes an order apart.
pub(super) fn terms(order: &Expr) -> syn::Result<Vec<Term>> {
    match order {
        Expr::Paren(inner) => terms(&inner.expr),
        Expr::Tuple(tuple) if !tuple.elems.is_empty() => tuple.elems.iter().map(term).collect(),
        other => Ok(vec![term(other)?]),
    }
}

fn term(order: &Expr) -> syn::Result<Term> {
    if let Expr::MethodCall(ExprMethodCall { receiver, method, args, turbofish: None, .. }) = order
        && let Expr::Path(receiver) = &**receiver
        && let Some(field) = receiver.path.get_ident()
        && args.is_empty()
    {
        let field = field.clone();
        match &*method.to_string() {
            "asc" => return Ok(Term { field, descending: false }),
            "desc" => return Ok(Term { field, descending: true }),
            _ => {}
        }
    }
    Err(syn::Error::new_spanned(order, "an order is `field.asc()` or `field.desc()`, or a tuple of those"))
}
