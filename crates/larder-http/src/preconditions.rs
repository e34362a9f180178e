use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{
    HeaderMap, HeaderName, Method,
    header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE},
};

use crate::{EntityTag, EntityTags};

/// What is known of the representation that a request is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selected<'a> {
    /// Whether there is one at all.
    pub exists: bool,
    /// Its tag, if it has one.
    pub entity_tag: Option<&'a EntityTag>,
    /// When it was last changed, if that is known. Counted in whole seconds, as HTTP does.
    pub last_modified: Option<SystemTime>,
}

/// What the preconditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The request is to be done.
    Proceed,
    /// 304: the client has it already.
    NotModified,
    /// 412: what the client asked for is no longer so.
    Failed,
}

/// Evaluates the preconditions of a request, in the order of RFC 9110, section 13.2.2.
///
/// `If-Match` goes before `If-Unmodified-Since`, `If-None-Match` before `If-Modified-Since`, and the first pair before the
/// second. Dates that can't be read, or that nothing is known to compare with, count as not sent. `If-Range` is not evaluated: whoever serves
/// no ranges answers with the whole, which is always right. Methods that select nothing (CONNECT, OPTIONS, TRACE) have no preconditions.
///
/// To be asked only where the answer would be a success without preconditions (section 13.2.1): a 404 stays one.
#[must_use]
pub fn evaluate(method: &Method, headers: &HeaderMap, selected: Selected<'_>) -> Verdict {
    if matches!(*method, Method::CONNECT | Method::OPTIONS | Method::TRACE) {
        return Verdict::Proceed;
    }
    let reads = is_read(method);
    let holds = match EntityTags::of(headers, IF_MATCH) {
        Some(tags) => is_match(&tags, selected, reads),
        None => is_unmodified(headers, selected),
    };
    if !holds {
        return Verdict::Failed;
    }
    let has_it = match EntityTags::of(headers, IF_NONE_MATCH) {
        Some(tags) => is_among(&tags, selected, reads),
        None => reads && is_older(headers, selected),
    };
    match (has_it, reads) {
        (false, _) => Verdict::Proceed,
        (true, true) => Verdict::NotModified,
        (true, false) => Verdict::Failed,
    }
}

/// Whether the method is answered with 304 rather than 412.
pub(crate) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// `If-Match`, section 13.1.1: by the strong comparison.
fn is_match(tags: &EntityTags, selected: Selected<'_>, reads: bool) -> bool {
    match tags {
        EntityTags::Any => selected.exists,
        EntityTags::List(tags) => selected.entity_tag.is_some_and(|tag| tags.iter().any(|one| one.is_strongly(tag))),
        EntityTags::Malformed => reads,
    }
}

/// Whether `If-None-Match` names what there is, section 13.1.2: by the weak comparison.
fn is_among(tags: &EntityTags, selected: Selected<'_>, reads: bool) -> bool {
    match tags {
        EntityTags::Any => selected.exists,
        EntityTags::List(tags) => selected.entity_tag.is_some_and(|tag| tags.iter().any(|one| one.is_weakly(tag))),
        // What a client meant to keep from being overwritten must not be.
        EntityTags::Malformed => !reads,
    }
}

/// `If-Unmodified-Since`, section 13.1.4.
fn is_unmodified(headers: &HeaderMap, selected: Selected<'_>) -> bool {
    match (date(headers, IF_UNMODIFIED_SINCE), selected.last_modified) {
        (Some(since), Some(modified)) => seconds(modified) <= seconds(since),
        _ => true,
    }
}

/// Whether `If-Modified-Since` says that the client has it, section 13.1.3.
fn is_older(headers: &HeaderMap, selected: Selected<'_>) -> bool {
    match (date(headers, IF_MODIFIED_SINCE), selected.last_modified) {
        (Some(since), Some(modified)) => seconds(modified) <= seconds(since),
        _ => false,
    }
}

/// The date of a header, if there is exactly one line of it and that is a date in one of HTTP's three forms.
pub(crate) fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?.to_str().ok()?;
    if lines.next().is_some() { None } else { httpdate::parse_http_date(first).ok() }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).as_ref().map_or(0, Duration::as_secs)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const BEFORE: &str = "Sat, 29 Oct 1994 19:43:30 GMT";
    const WHEN: &str = "Sat, 29 Oct 1994 19:43:31 GMT";
    const AFTER: &str = "Sat, 29 Oct 1994 19:43:32 GMT";

    /// The verdict over a representation with the tag `"a"` that was last changed at [`WHEN`] and half a second.
    fn verdict(method: &Method, lines: &[(HeaderName, &'static str)]) -> Verdict {
        let tag = EntityTag::strong("a").unwrap();
        let modified = httpdate::parse_http_date(WHEN).unwrap() + Duration::from_millis(500);
        over(method, lines, Selected { exists: true, entity_tag: Some(&tag), last_modified: Some(modified) })
    }

    fn over(method: &Method, lines: &[(HeaderName, &'static str)], selected: Selected<'_>) -> Verdict {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        evaluate(method, &headers, selected)
    }

    #[test]
    fn each_condition_alone_is_what_its_section_says() {
        use Verdict::{Failed, NotModified, Proceed};
        // Header, value, and what it comes to for a GET and for a PUT.
        let table = [
            // 13.1.1
            (IF_MATCH, "\"a\"", Proceed, Proceed),
            (IF_MATCH, "\"b\", \"a\"", Proceed, Proceed),
            (IF_MATCH, "*", Proceed, Proceed),
            (IF_MATCH, "\"b\"", Failed, Failed),
            (IF_MATCH, "W/\"a\"", Failed, Failed),
            (IF_MATCH, "a", Proceed, Failed),
            (IF_MATCH, "", Proceed, Failed),
            // 13.1.2
            (IF_NONE_MATCH, "\"a\"", NotModified, Failed),
            (IF_NONE_MATCH, "W/\"a\"", NotModified, Failed),
            (IF_NONE_MATCH, "\"b\", \"a\"", NotModified, Failed),
            (IF_NONE_MATCH, "*", NotModified, Failed),
            (IF_NONE_MATCH, "\"b\"", Proceed, Proceed),
            (IF_NONE_MATCH, "\"A\"", Proceed, Proceed),
            (IF_NONE_MATCH, "a", Proceed, Failed),
            // 13.1.3, which is for reads only
            (IF_MODIFIED_SINCE, BEFORE, Proceed, Proceed),
            (IF_MODIFIED_SINCE, WHEN, NotModified, Proceed),
            (IF_MODIFIED_SINCE, AFTER, NotModified, Proceed),
            (IF_MODIFIED_SINCE, "Saturday, 29-Oct-94 19:43:31 GMT", NotModified, Proceed),
            (IF_MODIFIED_SINCE, "yesterday", Proceed, Proceed),
            // 13.1.4
            (IF_UNMODIFIED_SINCE, BEFORE, Failed, Failed),
            (IF_UNMODIFIED_SINCE, WHEN, Proceed, Proceed),
            (IF_UNMODIFIED_SINCE, AFTER, Proceed, Proceed),
            (IF_UNMODIFIED_SINCE, "yesterday", Proceed, Proceed),
        ];
        for (name, value, get, put) in table {
            assert_eq!(verdict(&Method::GET, &[(name.clone(), value)]), get, "GET {name}: {value}");
            assert_eq!(verdict(&Method::HEAD, &[(name.clone(), value)]), get, "HEAD {name}: {value}");
            assert_eq!(verdict(&Method::PUT, &[(name.clone(), value)]), put, "PUT {name}: {value}");
            assert_eq!(verdict(&Method::OPTIONS, &[(name.clone(), value)]), Proceed, "OPTIONS {name}: {value}");
        }
    }

    #[test]
    fn the_conditions_go_in_the_order_of_section_13_2_2() {
        use Verdict::{Failed, NotModified, Proceed};
        let table: [(&[(HeaderName, &'static str)], Verdict); 8] = [
            // A tag is more exact than a date, which is then not looked at.
            (&[(IF_MATCH, "\"a\""), (IF_UNMODIFIED_SINCE, BEFORE)], Proceed),
            (&[(IF_MATCH, "\"b\""), (IF_UNMODIFIED_SINCE, AFTER)], Failed),
            (&[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, AFTER)], Proceed),
            (&[(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, BEFORE)], NotModified),
            // And a failure goes before a 304.
            (&[(IF_MATCH, "\"b\""), (IF_NONE_MATCH, "\"a\"")], Failed),
            (&[(IF_UNMODIFIED_SINCE, BEFORE), (IF_NONE_MATCH, "\"a\"")], Failed),
            (&[(IF_MATCH, "\"a\""), (IF_NONE_MATCH, "\"a\"")], NotModified),
            (&[(IF_MATCH, "\"a\""), (IF_MODIFIED_SINCE, AFTER)], NotModified),
        ];
        for (lines, expected) in table {
            assert_eq!(verdict(&Method::GET, lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_not_there_matches_nothing() {
        let nothing = Selected::default();
        assert_eq!(over(&Method::PUT, &[(IF_MATCH, "*")], nothing), Verdict::Failed);
        assert_eq!(over(&Method::PUT, &[(IF_MATCH, "\"a\"")], nothing), Verdict::Failed);
        assert_eq!(over(&Method::PUT, &[(IF_NONE_MATCH, "*")], nothing), Verdict::Proceed);
        assert_eq!(over(&Method::GET, &[(IF_NONE_MATCH, "\"a\"")], nothing), Verdict::Proceed);
    }

    #[test]
    fn a_date_that_nothing_is_known_of_is_not_looked_at() {
        let undated = Selected { exists: true, ..Selected::default() };
        assert_eq!(over(&Method::PUT, &[(IF_UNMODIFIED_SINCE, BEFORE)], undated), Verdict::Proceed);
        assert_eq!(over(&Method::GET, &[(IF_MODIFIED_SINCE, AFTER)], undated), Verdict::Proceed);
        let twice = [(IF_MODIFIED_SINCE, AFTER), (IF_MODIFIED_SINCE, AFTER)];
        assert_eq!(verdict(&Method::GET, &twice), Verdict::Proceed);
    }
}
