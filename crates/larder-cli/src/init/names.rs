//! Names in Rust, made of names in the database.

use syn::Ident;

/// Words that have no plural, or one of which the rules would make something else.
const SAME: [&str; 27] = [
    "data",
    "metadata",
    "news",
    "series",
    "species",
    "equipment",
    "information",
    "money",
    "sheep",
    "fish",
    "staff",
    "inventory",
    "stock",
    "feedback",
    "media",
    "settings",
    "sms",
    "gps",
    "aws",
    "lens",
    "chassis",
    "canvas",
    "atlas",
    "gas",
    "stats",
    "statistics",
    "analytics",
];

const IRREGULAR: [(&str, &str); 24] = [
    ("people", "person"),
    ("children", "child"),
    ("men", "man"),
    ("women", "woman"),
    ("mice", "mouse"),
    ("feet", "foot"),
    ("teeth", "tooth"),
    ("geese", "goose"),
    ("indices", "index"),
    ("indexes", "index"),
    ("vertices", "vertex"),
    ("matrices", "matrix"),
    ("analyses", "analysis"),
    ("bases", "base"),
    ("criteria", "criterion"),
    ("movies", "movie"),
    ("cookies", "cookie"),
    ("caches", "cache"),
    ("shoes", "shoe"),
    ("shelves", "shelf"),
    ("leaves", "leaf"),
    ("halves", "half"),
    ("knives", "knife"),
    ("quizzes", "quiz"),
];

/// Endings, the longest first, and what stands in their place in the singular.
const ENDINGS: [(&str, &str); 19] = [
    ("ouses", "ouse"),
    ("auses", "ause"),
    ("sses", "ss"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("iases", "ias"),
    ("uses", "us"),
    ("xes", "x"),
    ("zzes", "zz"),
    ("tzes", "tz"),
    ("ises", "ise"),
    ("ases", "ase"),
    ("oes", "o"),
    ("ies", "y"),
    ("ss", "ss"),
    ("us", "us"),
    ("is", "is"),
    ("as", "as"),
    ("s", ""),
];

/// `order_items` as `order_item`: of its last word only. What the rules do not know stays as it is.
pub(crate) fn singular(name: &str) -> String {
    let start = name.rfind('_').map_or(0, |at| at + 1);
    let (front, word) = name.split_at(start);
    let lower = word.to_ascii_lowercase();
    if SAME.contains(&lower.as_str()) {
        return name.to_owned();
    }
    if let Some((_, one)) = IRREGULAR.iter().find(|(many, _)| *many == lower) {
        return format!("{front}{one}");
    }
    // `ties` and `bus` are too short to be told apart from their like.
    for (ending, one) in ENDINGS {
        if let Some(stem) = lower.strip_suffix(ending)
            && stem.len() >= if ending == "s" { 2 } else { 1 }
        {
            return format!("{front}{}{one}", &word[..stem.len()]);
        }
    }
    name.to_owned()
}

/// `category` as `categories`, of a name that has no plural in the database.
pub(crate) fn plural(name: &str) -> String {
    let vowel = |character: Option<char>| character.is_some_and(|character| "aeiou".contains(character));
    if let Some(stem) = name.strip_suffix('y')
        && !vowel(stem.chars().last())
    {
        return format!("{stem}ies");
    }
    if ["s", "x", "z", "ch", "sh"].iter().any(|ending| name.ends_with(ending)) {
        return format!("{name}es");
    }
    format!("{name}s")
}

/// `order_item` as `OrderItem`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    for word in name.split(|character: char| !character.is_ascii_alphanumeric()) {
        let mut characters = word.chars();
        camel.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        camel.extend(characters);
    }
    match camel.chars().next() {
        None => "Unnamed".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("N{camel}"),
        Some(_) => camel,
    }
}

/// `OrderItem` as `order_item`, as Diesel does it: the foreign key that it expects is called so.
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

/// What `table!` calls a table or a column: as the diesel CLI does, so that both print the same.
pub(crate) fn in_schema(name: &str, table: Option<&str>) -> String {
    let mut mapped = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_alphanumeric() || character == '_' {
            if mapped.is_empty() && character.is_ascii_digit() {
                mapped.push('_');
            }
            mapped.push(character);
        } else if !mapped.ends_with('_') || mapped.is_empty() {
            mapped.push('_');
        }
    }
    let of_diesel = ["table", "columns", "is_nullable"].contains(&mapped.as_str());
    // These it leaves, and what it prints does not compile.
    let of_the_macro = table.is_some() && ["star", "all_columns", "dsl"].contains(&mapped.as_str());
    let taken = mapped.starts_with("__") && !mapped.ends_with('_');
    if !is_ident(&mapped) || of_diesel || of_the_macro || taken || Some(mapped.as_str()) == table {
        mapped.push('_');
    }
    mapped
}

/// A name that is none of Rust's words.
pub(crate) fn ident(name: &str) -> String {
    if is_ident(name) { name.to_owned() } else { format!("{name}_") }
}

fn is_ident(name: &str) -> bool {
    syn::parse_str::<Ident>(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_called_for_many_and_a_struct_for_one() {
        for (many, one) in [
            ("users", "user"),
            ("order_items", "order_item"),
            ("categories", "category"),
            ("addresses", "address"),
            ("statuses", "status"),
            ("warehouses", "warehouse"),
            ("purchases", "purchase"),
            ("branches", "branch"),
            ("boxes", "box"),
            ("buses", "bus"),
            ("aliases", "alias"),
            ("potatoes", "potato"),
            ("archives", "archive"),
            ("prices", "price"),
            ("sizes", "size"),
            ("employees", "employee"),
            ("sales_people", "sales_person"),
            ("inventory", "inventory"),
            ("status", "status"),
            ("address", "address"),
            ("series", "series"),
            ("analysis", "analysis"),
            ("s", "s"),
            ("", ""),
            ("person", "person"),
        ] {
            assert_eq!(singular(many), one, "{many}");
        }
    }

    #[test]
    fn one_becomes_many() {
        for (one, many) in [("followee", "followees"), ("category", "categories"), ("box", "boxes"), ("day", "days")] {
            assert_eq!(plural(one), many);
        }
    }

    #[test]
    fn types_are_camels() {
        for (name, camel) in [("order_item", "OrderItem"), ("2fa-code", "N2faCode"), ("", "Unnamed"), ("a b", "AB")] {
            assert_eq!(camel_case(name), camel);
        }
        assert_eq!(snake_case("OrderItem"), "order_item");
    }

    #[test]
    fn words_of_rust_and_of_diesel_get_an_underscore() {
        for (sql, rust) in [
            ("type", "type_"),
            ("table", "table_"),
            ("self", "self_"),
            ("a b-c", "a_b_c"),
            ("2nd", "_2nd"),
            ("star", "star_"),
            ("users", "users_"),
            ("__x", "__x_"),
            ("Name", "Name"),
        ] {
            assert_eq!(in_schema(sql, Some("users")), rust);
        }
        assert_eq!(ident("match"), "match_");
    }
}
