use std::time::Duration;

use http::{
    HeaderMap, Method,
    header::{
        AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, COOKIE, IF_MATCH, IF_UNMODIFIED_SINCE, PRAGMA, RANGE,
        TRANSFER_ENCODING, UPGRADE,
    },
    request::Parts,
};

use super::{Options, ResponseKey, directives::Directives};

/// What a request may be given of what is kept.
pub(super) struct Wanted {
    pub(super) key: ResponseKey,
    max_age: Option<Duration>,
    min_fresh: Option<Duration>,
    /// Whether the service is not to be asked at all.
    pub(super) is_only_kept: bool,
}

impl Wanted {
    /// `None` if it is to go past the cache: nothing that is kept is given to it, and its answer is not kept.
    pub(super) fn of(request: &Parts, options: &Options) -> Option<Self> {
        let headers = &request.headers;
        if !matches!(request.method, Method::GET | Method::HEAD) || asks_for_something_else(headers) {
            return None;
        }
        let is_public = options.scope.is_none();
        let has_more = |name, is_shared: bool| is_public && !is_shared && headers.contains_key(name);
        if has_more(AUTHORIZATION, options.shares_authorized) || has_more(COOKIE, options.shares_cookies) {
            return None;
        }
        let said = Directives::of(headers, &CACHE_CONTROL);
        // An old client's way to say `no-cache` (RFC 9111, section 5.4).
        let has_pragma =
            || headers.get_all(PRAGMA).iter().any(|line| line.as_bytes().eq_ignore_ascii_case(b"no-cache"));
        let refuses = said.no_store
            || said.no_cache
            || said.max_age.is_some_and(|age| age.is_zero())
            || (!headers.contains_key(CACHE_CONTROL) && has_pragma());
        if refuses {
            return None;
        }
        let key = ResponseKey::of(request, options)?;
        Some(Self { key, max_age: said.max_age, min_fresh: said.min_fresh, is_only_kept: said.only_if_cached })
    }

    /// Whether it takes an answer of that age, which is kept for that long still.
    pub(super) fn takes(&self, (age, left): (Duration, Duration)) -> bool {
        self.max_age.is_none_or(|most| age <= most) && self.min_fresh.is_none_or(|least| left >= least)
    }
}

/// Parts of an answer, another protocol, what only the service can decide, or an answer to what it brings along.
fn asks_for_something_else(headers: &HeaderMap) -> bool {
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|length| length.as_bytes() != b"0");
    has_body || [RANGE, UPGRADE, IF_MATCH, IF_UNMODIFIED_SINCE].iter().any(|name| headers.contains_key(name))
}
