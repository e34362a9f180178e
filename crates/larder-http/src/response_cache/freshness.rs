use std::time::{Duration, SystemTime};

use http::{
    HeaderMap, StatusCode,
    header::{AGE, CACHE_CONTROL, CONTENT_RANGE, DATE, EXPIRES, SET_COOKIE, TRAILER},
    response::Parts,
};

use super::{
    Options,
    directives::{Directives, seconds},
};
use crate::{preconditions::date, vary};

/// How long an answer may be kept: `None` if it may not.
pub(super) fn lifetime(head: &Parts, options: &Options) -> Option<Duration> {
    let headers = &head.headers;
    let is_whole = !matches!(head.status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED);
    let is_wanted = is_whole && options.statuses.contains(&head.status);
    let is_one_clients = [SET_COOKIE, CONTENT_RANGE, TRAILER].iter().any(|name| headers.contains_key(name));
    if !is_wanted || is_one_clients || !vary::is_within(headers, &options.vary) {
        return None;
    }
    let is_public = options.scope.is_none();
    let said = Directives::of(headers, &CACHE_CONTROL);
    if said.no_store || said.no_cache || (is_public && said.private) {
        return None;
    }
    // What is for shared caches is not for one that keeps answers apart by their users.
    let own = said.s_maxage.filter(|_| is_public).or(said.max_age).or_else(|| until_expiry(headers));
    let left = own.map_or(options.ttl, |own| own.saturating_sub(age(headers)).min(options.ttl));
    (!left.is_zero()).then_some(left)
}

/// How old the answer is already, as another cache before the service has said.
pub(super) fn age(headers: &HeaderMap) -> Duration {
    let said = headers.get(AGE).and_then(|age| age.to_str().ok()).and_then(seconds);
    Duration::from_secs(said.unwrap_or(0))
}

/// What `Expires` says; nothing, if it can't be read (RFC 9111, section 5.3).
fn until_expiry(headers: &HeaderMap) -> Option<Duration> {
    headers.contains_key(EXPIRES).then(|| {
        let made = date(headers, DATE).unwrap_or_else(SystemTime::now);
        date(headers, EXPIRES).and_then(|expires| expires.duration_since(made).ok()).unwrap_or_default()
    })
}
