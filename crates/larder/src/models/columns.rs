//! The names of columns in SQL that Diesel wrote.

/// The columns of a list such as `"users"."id", "users"."email"`, in their order: `None` if there is anything but columns.
pub(super) fn named_in(sql: &str) -> Option<Vec<String>> {
    let mut columns = Vec::new();
    let mut rest = sql;
    loop {
        let (mut name, mut after) = quoted(rest)?;
        while let Some(inner) = after.strip_prefix('.') {
            (name, after) = quoted(inner)?;
        }
        columns.push(name);
        match after.strip_prefix(", ") {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(columns),
            None => return None,
        }
    }
}

/// The quoted name at the start, and what follows it.
pub(crate) fn quoted(sql: &str) -> Option<(String, &str)> {
    let quote = sql.chars().next().filter(|first| "\"`".contains(*first))?;
    let mut name = String::new();
    let mut rest = &sql[1..];
    loop {
        let end = rest.find(quote)?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        // A quote within a name is written twice.
        let Some(more) = rest.strip_prefix(quote) else { return Some((name, rest)) };
        name.push(quote);
        rest = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_under_whatever_name() {
        for (sql, names) in [
            (r#""users"."id""#, &["id"][..]),
            (r#""users"."id", "users"."email""#, &["id", "email"]),
            (r#""my "" schema"."t, u"."a "" b. c", "x"."""""#, &[r#"a " b. c"#, "\""]),
            ("`users`.`id`, `users`.`email`", &["id", "email"]),
        ] {
            assert_eq!(named_in(sql).unwrap(), names, "{sql}");
        }
    }

    #[test]
    fn what_is_no_list_of_columns_is_none() {
        for sql in ["", "lower(\"t\".\"a\")", "\"t\".\"a\" + 1", "\"t\".\"a", "\"t\".\"a\", ", "\"t\".", "'a'"] {
            assert_eq!(named_in(sql), None, "{sql}");
        }
    }
}
