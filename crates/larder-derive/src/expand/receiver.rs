//! Columns in the expressions of a view.

use syn::{Expr, Ident, parse_quote, visit_mut::VisitMut};

/// Reads a bare name on which a method is called as a column: `created_at.gt(since)` as `columns.created_at.gt(since)`.
///
/// At any depth, since conditions are arguments of `and` and `or`. A name in any other place, and a path of several segments,
/// is the user's own.
pub(super) fn columns(mut expression: Expr, columns: &Ident) -> Expr {
    Receivers { columns }.visit_expr_mut(&mut expression);
    expression
}

struct Receivers<'a> {
    columns: &'a Ident,
}

impl VisitMut for Receivers<'_> {
    fn visit_expr_method_call_mut(&mut self, call: &mut syn::ExprMethodCall) {
        if let Expr::Path(receiver) = &*call.receiver
            && let Some(column) = receiver.path.get_ident()
        {
            let columns = self.columns;
            *call.receiver = parse_quote!(#columns.#column);
        }
        syn::visit_mut::visit_expr_method_call_mut(self, call);
    }
}
