//! Names made of other names.

use std::fmt::Display;

use syn::{Ident, ext::IdentExt};

/// `OrderItem` as `order_item`, in the way Diesel does it: its names must be found.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (at, character) in name.chars().enumerate() {
        if at > 0 && character.is_uppercase() {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
}

/// `order_item` as `OrderItem`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut characters = word.chars();
        camel.extend(characters.next().into_iter().flat_map(char::to_uppercase));
        camel.extend(characters);
    }
    camel
}

/// The identifier without `r#`.
pub(crate) fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// Things in a row: `a, b and c`.
pub(crate) fn listed(items: impl IntoIterator<Item = impl Display>, last: &str) -> String {
    let mut items: Vec<String> = items.into_iter().map(|item| format!("`{item}`")).collect();
    let Some(end) = items.pop() else { return String::new() };
    if items.is_empty() { end } else { format!("{} {last} {end}", items.join(", ")) }
}

/// What to write instead of `wrong`: the nearest of `known`, or all of them if none is near.
pub(crate) fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let near = known
        .iter()
        .map(|name| (distance(wrong, name), *name))
        .filter(|(distance, name)| *distance <= name.len().max(wrong.len()).div_ceil(3))
        .min();
    match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("write one of {}", listed(known, "or")),
    }
}

/// How many letters to insert, drop, exchange or swap with their neighbour to get from one word to the other (optimal string
/// alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let exchanged = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
                let swapped = if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                    rows[i - 2][j - 2] + 1
                } else {
                    usize::MAX
                };
                exchanged.min(swapped).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
            };
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_case_is_diesels() {
        assert_eq!(snake_case("OrderItem"), "order_item");
        assert_eq!(snake_case("Foo1Bar"), "foo1_bar");
        assert_eq!(snake_case("APIKey"), "a_p_i_key");
    }

    #[test]
    fn camel_case_joins_words() {
        assert_eq!(camel_case("user_id"), "UserId");
        assert_eq!(camel_case("_odd__name"), "OddName");
    }

    #[test]
    fn a_near_name_is_suggested() {
        assert_eq!(suggestion("emial", ["id", "email", "name"]), "did you mean `email`?");
        assert_eq!(suggestion("uniqe", ["unique", "index"]), "did you mean `unique`?");
    }

    #[test]
    fn all_names_are_given_where_none_is_near() {
        assert_eq!(suggestion("colour", ["id", "email"]), "write one of `id` or `email`");
    }
}
