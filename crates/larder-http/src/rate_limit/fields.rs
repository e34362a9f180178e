//! What is sent of a decision: draft-ietf-httpapi-ratelimit-headers-10.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, header::RETRY_AFTER};

use super::decision::{Quota, RateDecision, seconds};

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RATELIMIT_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// The largest integer of a structured field (RFC 9651, section 3.3.1).
const MOST: u64 = 999_999_999_999_999;

pub(super) fn write(decision: &RateDecision, headers: &mut HeaderMap) {
    if !decision.quotas.is_empty() {
        headers.append(RATELIMIT_POLICY, list(&decision.quotas, policy));
        headers.append(RATELIMIT, list(&decision.quotas, limit));
    }
    if let Some(seconds) = decision.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

pub(super) fn write_three(decision: &RateDecision, headers: &mut HeaderMap) {
    let Some(quota) = decision.tightest().filter(|_| !headers.contains_key(RATELIMIT_LIMIT)) else { return };
    // As with `t`: the moment that Retry-After names, and not the one at which all is to be had again.
    let reset = quota.retry_after.or(quota.more_after).map_or(0, seconds);
    for (name, n) in [(RATELIMIT_LIMIT, quota.n), (RATELIMIT_REMAINING, quota.remaining), (RATELIMIT_RESET, reset)] {
        headers.insert(name, HeaderValue::from(n.min(MOST)));
    }
}

fn list(quotas: &[Quota], write: fn(&mut String, &Quota)) -> HeaderValue {
    let mut text = String::with_capacity(quotas.len() * 32);
    for quota in quotas {
        if !text.is_empty() {
            text.push_str(", ");
        }
        write(&mut text, quota);
    }
    HeaderValue::from_str(&text).expect("names are written as printable ASCII")
}

fn policy(text: &mut String, quota: &Quota) {
    name(text, quota.name);
    // Writing to a string can't fail; a window of nothing may not be sent.
    let _ = write!(text, ";q={};w={}", quota.n.min(MOST), seconds(quota.window).clamp(1, MOST));
}

fn limit(text: &mut String, quota: &Quota) {
    name(text, quota.name);
    let _ = write!(text, ";r={}", quota.remaining.min(MOST));
    if let Some(time) = quota.retry_after.or(quota.more_after) {
        let _ = write!(text, ";t={}", seconds(time).min(MOST));
    }
}

/// A string of a structured field, in which nothing ends it, or the header.
fn name(text: &mut String, name: &str) {
    text.push('"');
    for byte in name.bytes() {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text.push('"');
}
