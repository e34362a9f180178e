use http::{HeaderMap, HeaderName, HeaderValue, header::VARY};

/// Adds names to `Vary`, each once, whatever its case and in however many lines it stands; a `*` stays alone.
pub fn add_vary(headers: &mut HeaderMap, names: &[HeaderName]) {
    if names.is_empty() {
        return;
    }
    let mut all = Vec::new();
    for name in listed(headers).into_iter().chain(names.iter().map(ToString::to_string)) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    let value = if all.iter().any(|name| name == "*") { "*".to_owned() } else { all.join(", ") };
    let value =
        HeaderValue::from_str(&value).expect("what was read from headers, and names of headers, may be in a header");
    headers.insert(VARY, value);
}

/// Whether the answer varies by nothing but these.
pub(crate) fn is_within(headers: &HeaderMap, names: &[HeaderName]) -> bool {
    listed(headers).iter().all(|name| names.iter().any(|one| one.as_str() == name))
}

/// What `Vary` names, in lower case. A line that is no text counts as `*`: nothing is known of it.
fn listed(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(VARY).iter().map(|line| line.to_str().unwrap_or("*"));
    let names = lines.flat_map(|line| line.split(',')).map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE};

    use super::*;

    fn with(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (VARY, HeaderValue::from_static(line))).collect()
    }

    fn added(lines: &[&'static str], names: &[HeaderName]) -> String {
        let mut headers = with(lines);
        add_vary(&mut headers, names);
        let lines: Vec<_> = headers.get_all(VARY).iter().map(|line| line.to_str().unwrap()).collect();
        lines.join(" | ")
    }

    #[test]
    fn names_are_merged_whatever_their_case_and_lines() {
        assert_eq!(added(&[], &[ACCEPT]), "accept");
        assert_eq!(added(&["Accept, Origin", "accept"], &[ACCEPT, ACCEPT_LANGUAGE]), "accept, origin, accept-language");
        assert_eq!(added(&["Origin"], &[]), "Origin");
    }

    #[test]
    fn a_star_stays_alone() {
        assert_eq!(added(&["*"], &[ACCEPT]), "*");
        assert_eq!(added(&["Origin, *"], &[ACCEPT]), "*");
    }

    #[test]
    fn what_was_not_declared_is_seen() {
        assert!(is_within(&with(&[]), &[]));
        assert!(is_within(&with(&["Accept", "ACCEPT-ENCODING,"]), &[ACCEPT, ACCEPT_ENCODING]));
        assert!(!is_within(&with(&["Accept", "Origin"]), &[ACCEPT]));
        assert!(!is_within(&with(&["*"]), &[ACCEPT]));
    }
}
