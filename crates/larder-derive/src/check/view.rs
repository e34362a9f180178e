use crate::{
    ast::Struct,
    attr::{Diesel, ViewAttrs, ViewFieldAttrs},
    errors::Errors,
    facts::{View, ViewColumn, ViewRelation},
};

/// The view, if it can be made out. What it says is right if there were no errors.
pub(crate) fn view<'a>(input: Struct<'a>, errors: &mut Errors) -> Option<View<'a>> {
    let diesel = Diesel::of(input.attrs, errors);
    let ViewAttrs { of, cached, packed } = ViewAttrs::of(input.attrs, errors);
    if of.is_none() {
        errors.at(input.ident, format!("say whose view `{}` is: `#[larder(of = Model)]`", input.ident));
    }
    let (mut columns, mut relations) = (Vec::new(), Vec::new());
    for field in &input.fields {
        let attrs = ViewFieldAttrs::of(field.attrs, errors);
        let (ident, ty) = (field.ident, field.ty);
        let relation = relation_of(&attrs, errors);
        if let (Some((keyword, _)), true) = (&attrs.serde, relation.is_some()) {
            errors.at(keyword, "`serde` is of a column: the rows of a relation are written as their model says");
        }
        match relation {
            Some((relation, counted)) => {
                relations.push(ViewRelation { ident, ty, relation, counted, refined: attrs.refine });
            }
            None => {
                let source = attrs.field.map_or_else(|| ident.clone(), |(_, source)| source);
                columns.push(ViewColumn { ident, ty, source, serde: attrs.serde.map(|(_, serde)| serde) });
            }
        }
    }
    if relations.len() > MOST_RELATIONS {
        errors.at(
            relations[MOST_RELATIONS].ident,
            format!("a view has at most {MOST_RELATIONS} relations: split it, or load the rest `with` the repository"),
        );
    }
    let is_packed = packed.is_some() || cached.is_some();
    Some(View {
        ident: input.ident,
        vis: input.vis,
        of: of?,
        backends: diesel.backends,
        columns,
        relations,
        cached,
        is_packed,
    })
}

/// As many as there are implementations for tuples.
const MOST_RELATIONS: usize = 8;

/// The relation behind a field, and whether it is only counted.
fn relation_of(attrs: &ViewFieldAttrs, errors: &mut Errors) -> Option<(syn::Ident, bool)> {
    let ViewFieldAttrs { field, with, count, refine, serde: _ } = attrs;
    let kinds = [field, with, count];
    let mut given = kinds.into_iter().flatten().map(|(keyword, _)| keyword);
    if let (Some(first), Some(second)) = (given.next(), given.next()) {
        errors.at(
            second,
            format!("a field is either a column, a relation or a count, and this has `{first}` too: remove one"),
        );
    }
    let options = [&refine.filter, &refine.order, &refine.limit];
    if with.is_none() && count.is_none() {
        for (keyword, _) in options.into_iter().flatten() {
            errors
                .at(keyword, format!("`{keyword}` is of a relation's rows: name the relation too, `with = relation`"));
        }
    }
    if let (Some(_), Some((relation, _)), None) = (count, refine.order.as_ref().or(refine.limit.as_ref()), with) {
        errors.at(relation, format!("a count has no `{relation}`: remove it"));
    } else if let (Some(_), Some((limit, _)), None) = (with, &refine.limit, &refine.order) {
        // Without an order it is left to the database which rows come first.
        errors.at(limit, "`limit` needs an order, or it is left to chance which rows come: `order = field.desc()`");
    }
    match (with, count) {
        (Some((_, relation)), _) => Some((relation.clone(), false)),
        (None, Some((_, relation))) => Some((relation.clone(), true)),
        (None, None) => None,
    }
}
