//! Names and words in generated SQL.

/// The most bytes that PostgreSQL keeps of a name.
const LONGEST_NAME: usize = 63;

/// A name, quoted.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text, quoted.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    // Whatever `standard_conforming_strings` says.
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A text between dollars that it does not have in it.
pub(super) fn dollar_quoted(text: &str) -> String {
    let mut tag = "$larder$".to_owned();
    while text.contains(&tag) {
        tag.insert(tag.len() - 1, '_');
    }
    format!("{tag}{text}{tag}")
}

/// The name of something that is made for a model, no longer than names may be, and no other model's.
pub(super) fn name_for(model: &str, what: &str) -> String {
    let plain: String =
        model.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let is_whole = plain == model && plain.len() + what.len() + "larder__".len() <= LONGEST_NAME;
    if is_whole {
        return format!("larder_{plain}_{what}");
    }
    let fingerprint = crate::codec::Fingerprint::of(model).bits();
    let kept: String = plain.chars().take(LONGEST_NAME - what.len() - "larder___".len() - 16).collect();
    format!("larder_{kept}_{fingerprint:016x}_{what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_stay_what_they_are() {
        assert_eq!(identifier("a \"b\""), "\"a \"\"b\"\"\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), "E'a\\\\''b'");
        assert_eq!(dollar_quoted("a $larder$ b"), "$larder_$a $larder$ b$larder_$");
    }

    #[test]
    fn what_is_made_for_two_models_has_two_names() {
        assert_eq!(name_for("order_items", "insert"), "larder_order_items_insert");
        let long = "x".repeat(60);
        let names = ["shop.users", "shop_users", "Shop_users", "shop users", &long, &format!("{long}y")];
        let names: Vec<String> = names.iter().map(|name| name_for(name, "truncate")).collect();
        for (at, name) in names.iter().enumerate() {
            assert!(name.len() <= LONGEST_NAME && name.ends_with("_truncate"), "{name}");
            assert!(!names[..at].contains(name), "{names:?}");
        }
    }
}
