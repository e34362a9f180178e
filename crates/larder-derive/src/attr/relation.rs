//! Relations: `has_many(orders: Order, foreign_key = user_id)` and its like.

use syn::{Ident, Path, Token, ext::IdentExt, parse::ParseStream};

use super::item;

/// A relation as it was declared.
pub(crate) struct RelationAttr {
    pub(crate) direction: Direction,
    pub(crate) name: Ident,
    pub(crate) target: Path,
    pub(crate) foreign_key: Option<Vec<Ident>>,
    pub(crate) on_delete: Option<OnDelete>,
    /// `common`, if it is said: it leads from a tenant's rows to rows of no tenant.
    pub(crate) common: Option<Ident>,
}

/// Which side holds the foreign key.
pub(crate) enum Direction {
    HasMany,
    HasOne,
    BelongsTo,
    ManyToMany { through: Path, target_key: Option<Vec<Ident>> },
}

/// What the database does with the rows of a relation when their parent is deleted.
#[derive(Clone, Copy)]
pub(crate) enum OnDelete {
    Cascade,
    SetNull,
}

/// Parses what stands in the parentheses behind `keyword`.
pub(super) fn relation(keyword: &Ident, input: ParseStream<'_>) -> syn::Result<RelationAttr> {
    let known: &[&str] = match &*keyword.to_string() {
        "belongs_to" => &["foreign_key", "common"],
        "many_to_many" => &["through", "foreign_key", "target_key"],
        _ => &["foreign_key", "on_delete"],
    };
    if !(input.peek(Ident::peek_any) && input.peek2(Token![:]) && !input.peek2(Token![::])) {
        let message = format!("name the relation and where it leads: `{keyword}(name: Model)`");
        return Err(syn::Error::new(if input.is_empty() { keyword.span() } else { input.span() }, message));
    }
    let name = input.call(Ident::parse_any)?;
    input.parse::<Token![:]>()?;
    let target = input.call(Path::parse_mod_style)?;

    let (mut through, mut foreign_key, mut target_key, mut on_delete) = (None, None, None, None);
    let mut common = None;
    while !input.is_empty() {
        input.parse::<Token![,]>()?;
        if input.is_empty() {
            break;
        }
        let option = item::ident(input)?;
        if !known.iter().any(|known| option == known) {
            return Err(item::unknown(&option, known));
        }
        if option == "common" {
            item::once(&mut common, &option, option.clone())?;
            continue;
        }
        input.parse::<Token![=]>()?;
        match &*option.to_string() {
            "through" => item::once(&mut through, &option, input.call(Path::parse_mod_style)?)?,
            "foreign_key" => item::once(&mut foreign_key, &option, item::one_or_more_idents(input)?)?,
            "target_key" => item::once(&mut target_key, &option, item::one_or_more_idents(input)?)?,
            _ => item::once(&mut on_delete, &option, what_on_delete(input)?)?,
        }
    }

    let direction = match &*keyword.to_string() {
        "has_many" => Direction::HasMany,
        "has_one" => Direction::HasOne,
        "belongs_to" => Direction::BelongsTo,
        _ => match through {
            Some(through) => Direction::ManyToMany { through, target_key },
            None => {
                let message =
                    format!("name the model of the join table: `many_to_many({name}: .., through = JoinModel)`");
                return Err(syn::Error::new(name.span(), message));
            }
        },
    };
    Ok(RelationAttr { direction, name, target, foreign_key, on_delete, common })
}

fn what_on_delete(input: ParseStream<'_>) -> syn::Result<OnDelete> {
    let what = item::ident(input)?;
    match &*what.to_string() {
        "cascade" => Ok(OnDelete::Cascade),
        "set_null" => Ok(OnDelete::SetNull),
        _ => {
            let message = "write what the database does, as the migration says it: `cascade` or `set_null`; \
                           leave it out if it refuses or nothing refers";
            Err(syn::Error::new(what.span(), message))
        }
    }
}
