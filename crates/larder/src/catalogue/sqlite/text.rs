//! What only the text of `CREATE INDEX` tells.

/// The condition behind the key, if there is one.
pub(super) fn predicate(sql: &str) -> Option<String> {
    let (_, end) = key(sql)?;
    let rest = sql[end + 1..].trim();
    let word = rest.get(..5)?;
    word.eq_ignore_ascii_case("where").then(|| rest[5..].trim().to_owned())
}

/// The part of the key at that place.
pub(super) fn part(sql: &str, at: usize) -> Option<String> {
    let (start, end) = key(sql)?;
    let mut commas = vec![start];
    commas.extend(outside(&sql[start + 1..end], ',').map(|comma| start + 1 + comma));
    commas.push(end);
    let (from, to) = (commas.get(at)?, commas.get(at + 1)?);
    Some(sql[from + 1..*to].trim().to_owned())
}

/// Where the parenthesis that has the key opens and closes.
fn key(sql: &str) -> Option<(usize, usize)> {
    let start = outside(sql, '(').next()?;
    let end = outside(&sql[start + 1..], ')').next()?;
    Some((start, start + 1 + end))
}

/// The places of a character that stand in no quotes and in no parentheses.
fn outside(sql: &str, wanted: char) -> impl Iterator<Item = usize> + '_ {
    let mut quote = None;
    let mut depth = 0_usize;
    sql.char_indices().filter_map(move |(at, c)| {
        match quote {
            Some(end) => {
                if c == end {
                    quote = None;
                }
                return None;
            }
            None if "'\"`[".contains(c) => {
                quote = Some(if c == '[' { ']' } else { c });
                return None;
            }
            None => {}
        }
        if depth == 0 && c == wanted {
            depth += usize::from(c == '(');
            return Some(at);
        }
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_and_the_condition_are_found_behind_whatever_names() {
        let sql = r#"CREATE INDEX "a (b" ON t (lower(a, ','), [c)] , substr("d,", 1)) WHERE x IN (1, 2)"#;
        let parts: Vec<_> = (0..4).map(|at| part(sql, at)).collect();
        assert_eq!(parts, [Some("lower(a, ',')".into()), Some("[c)]".into()), Some("substr(\"d,\", 1)".into()), None]);
        assert_eq!(predicate(sql).as_deref(), Some("x IN (1, 2)"));
        assert_eq!(predicate("CREATE INDEX i ON t (a)"), None);
    }

    #[test]
    fn a_text_that_is_no_index_has_neither() {
        for sql in ["", "CREATE", "CREATE INDEX i ON t (a", "WHERE é"] {
            assert_eq!((part(sql, 0), predicate(sql)), (None, None), "{sql}");
        }
    }
}
