/// A Rust source with blanks in place of comments and of what stands in strings and characters; lines stay where they are.
///
/// Not a lexer of all of Rust: it only has to tell code from words.
pub(super) fn without_words(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let is_in_name = code.ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let length =
            comment(rest).or_else(|| if is_in_name { None } else { raw_string(rest) }).or_else(|| quoted(rest));
        let length = length.map_or(0, |length| length.min(rest.len()));
        if length > 0 {
            code.extend(rest[..length].chars().map(|c| if c == '\n' { c } else { ' ' }));
            rest = &rest[length..];
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    code
}

/// The length of the comment at the start, if there is one.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let step = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    Some(at)
}

/// The length of `r"..."`, `br#"..."#` and the like at the start.
fn raw_string(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let text = body[hashes..].strip_prefix('"')?;
    let start = rest.len() - text.len();
    let end = format!("\"{}", "#".repeat(hashes));
    Some(text.find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

/// The length of a string or character at the start. A lifetime has no second quote where a character has it.
fn quoted(rest: &str) -> Option<usize> {
    let mut characters = rest.char_indices();
    let (_, quote) = characters.next()?;
    match quote {
        '"' => {}
        '\'' => {
            let mut after = characters.clone();
            let (_, first) = after.next()?;
            if first != '\\' && after.next().map(|(_, second)| second) != Some('\'') {
                return None;
            }
        }
        _ => return None,
    }
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => {
                characters.next();
            }
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_blanked_and_code_is_kept() {
        for (source, code) in [
            ("a // todo!()\nb", "a b"),
            ("a /* x /* y */ z */ b", "a b"),
            (r#"f("unsafe \" x") + 1"#, "f( ) + 1"),
            (r##"r#"a "q" b"# + r"x" + br"y""##, "+ +"),
            ("for 'a in 'b', '\\'', '\u{e9}'", "for 'a in , ,"),
            ("struct S<'a>(&'a str);", "struct S<'a>(&'a str);"),
            ("let bar\"\"", "let bar"),
        ] {
            let found = without_words(source);
            assert_eq!(found.split_whitespace().collect::<Vec<_>>().join(" "), code, "{source}");
            assert_eq!(found.chars().count(), source.chars().count(), "{source}");
        }
    }

    #[test]
    fn lines_stay_where_they_are() {
        let source = "let x = \"one\ntwo\"; /* three\nfour */ y\n";
        assert_eq!(without_words(source).lines().count(), source.lines().count());
        assert!(without_words(source).ends_with("y\n"));
    }

    #[test]
    fn what_never_ends_ends_with_the_file() {
        for source in ["/* x", "\"x", "r#\"x\"", "'\\"] {
            assert_eq!(without_words(source).trim(), "", "{source}");
        }
    }
}
