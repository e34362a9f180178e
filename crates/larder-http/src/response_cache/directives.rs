use std::time::Duration;

use http::{HeaderMap, HeaderName};

/// What a `Cache-Control` says, of a request or an answer (RFC 9111, section 5.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Directives {
    pub(super) no_store: bool,
    /// Also where it names fields, which is more than it says then.
    pub(super) no_cache: bool,
    /// As `no_cache`.
    pub(super) private: bool,
    pub(super) only_if_cached: bool,
    pub(super) max_age: Option<Duration>,
    pub(super) s_maxage: Option<Duration>,
    pub(super) min_fresh: Option<Duration>,
}

impl Directives {
    /// All lines together; a line that is no text counts as `no-store`, since nothing is known of it.
    pub(super) fn of(headers: &HeaderMap, name: &HeaderName) -> Self {
        let mut all = Self::default();
        for line in headers.get_all(name) {
            match line.to_str() {
                Ok(line) => split(line).for_each(|directive| all.take(directive)),
                Err(_) => all.no_store = true,
            }
        }
        all
    }

    fn take(&mut self, directive: &str) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        // What can't be read is stale; of two that differ, the shorter one counts.
        let age = || Some(Duration::from_secs(seconds(value).unwrap_or(0)));
        let shorter = |known: Option<Duration>| known.into_iter().chain(age()).min();
        match &*name.trim().to_ascii_lowercase() {
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache = true,
            "private" => self.private = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => self.max_age = shorter(self.max_age),
            "s-maxage" => self.s_maxage = shorter(self.s_maxage),
            "min-fresh" => self.min_fresh = age().max(self.min_fresh),
            _ => {}
        }
    }
}

/// The parts between commas, of which those in quotes don't count.
fn split(line: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    line.split(move |c| {
        let is_plain = !std::mem::take(&mut is_escaped);
        match c {
            '"' if is_plain => is_quoted = !is_quoted,
            '\\' if is_plain && is_quoted => is_escaped = true,
            _ => {}
        }
        c == ',' && !is_quoted
    })
    .map(str::trim)
}

/// A number of seconds, in quotes or not, of which more than 2^31 are that (RFC 9111, section 1.2.2).
pub(super) fn seconds(text: &str) -> Option<u64> {
    let digits = text.trim().trim_matches('"');
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse::<u64>().unwrap_or(u64::MAX).min(1 << 31))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::CACHE_CONTROL};

    use super::*;

    fn of(lines: &[&'static [u8]]) -> Directives {
        let headers = lines.iter().map(|line| (CACHE_CONTROL, HeaderValue::from_bytes(line).unwrap())).collect();
        Directives::of(&headers, &CACHE_CONTROL)
    }

    fn age(secs: u64) -> Option<Duration> {
        Some(Duration::from_secs(secs))
    }

    #[test]
    fn directives_are_read_whatever_their_case_lines_and_quotes() {
        let all = of(&[b"No-Cache, MAX-AGE=\"7\"", b" private=\"set-cookie, no-store\" ,only-if-cached"]);
        let wanted = Directives {
            no_cache: true,
            private: true,
            only_if_cached: true,
            max_age: age(7),
            ..Directives::default()
        };
        assert_eq!(all, wanted);
        assert!(of(&[b"x=\"a\\\", no-cache\", no-store"]).no_store);
        assert!(!of(&[b"x=\"a\\\", no-cache\", no-store"]).no_cache, "it is within quotes");
        assert_eq!(of(&[b"public, , x", b""]), Directives::default());
    }

    #[test]
    fn what_can_not_be_read_keeps_nothing() {
        assert!(of(&[b"max-age=5\xff"]).no_store);
        for line in
            [&b"max-age"[..], b"max-age=", b"max-age=-1", b"max-age=1.5", b"max-age=5, max-age=0", b"max-age=+5"]
        {
            let line: &'static [u8] = Box::leak(line.to_vec().into());
            assert_eq!(of(&[line]).max_age, age(0), "{}", line.escape_ascii());
        }
        assert_eq!(of(&[b"s-maxage=99999999999999999999999"]).s_maxage, age(1 << 31));
        assert_eq!(of(&[b"min-fresh=2, min-fresh=5"]).min_fresh, age(5));
    }
}
