use std::time::SystemTime;

use http::{
    HeaderMap, HeaderValue, Method,
    header::{IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE},
    request::Parts,
};

use crate::{
    Current, EntityTag, EntityTags, Selected, Verdict, evaluate,
    representation::{Representation, without_negotiated},
};

/// What a write was sent under, for its handler to check once more where nobody can come between: under the lock of its row.
///
/// The layer has checked it already, unless it was told that [handlers check](crate::ConditionalLayer::handlers_check). It is in the
/// extensions of a request that has preconditions, and of no other.
#[derive(Debug, Clone)]
pub struct Precondition {
    method: Method,
    headers: HeaderMap,
    representation: Representation,
}

/// A precondition of the request does not hold: 412.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the request was made for is no longer so")]
pub struct PreconditionFailed;

impl Precondition {
    /// Of a write; `None` if it has none.
    pub(super) fn of(request: &Parts, representation: &Representation) -> Option<Self> {
        let mut headers = HeaderMap::new();
        for name in [IF_MATCH, IF_NONE_MATCH] {
            match EntityTags::of(&request.headers, name.clone()) {
                None => {}
                Some(EntityTags::List(tags)) => {
                    for tag in &tags {
                        headers.append(&name, without_negotiated(tag).to_header_value());
                    }
                }
                Some(EntityTags::Any) => drop(headers.insert(&name, HeaderValue::from_static("*"))),
                Some(EntityTags::Malformed) => drop(headers.insert(&name, HeaderValue::from_static(""))),
            }
        }
        for line in request.headers.get_all(IF_UNMODIFIED_SINCE) {
            headers.append(IF_UNMODIFIED_SINCE, line.clone());
        }
        let representation = representation.clone();
        (!headers.is_empty()).then(|| Self { method: request.method.clone(), headers, representation })
    }

    /// Whether it is about tags, and not only about dates.
    pub(super) fn is_of_tags(&self) -> bool {
        self.headers.contains_key(IF_MATCH) || self.headers.contains_key(IF_NONE_MATCH)
    }

    /// Whether it asks for nothing but if there is anything at all.
    #[cfg(feature = "larder")]
    pub(crate) fn names_no_tag(&self) -> bool {
        [IF_MATCH, IF_NONE_MATCH].iter().all(|name| self.headers.get_all(name).iter().all(|value| value == "*"))
    }

    /// Checks it against what is there now.
    ///
    /// The tag of any representation of the current state will do, since what a write must not lose is a state, and not its form in one
    /// language. Where the state is [`Current::Unknown`] no tag matches, and `If-None-Match` does not hold.
    ///
    /// # Errors
    /// [`PreconditionFailed`], to be answered with 412.
    pub fn check(&self, current: Current, last_modified: Option<SystemTime>) -> Result<(), PreconditionFailed> {
        let tag: Option<EntityTag> = match &current {
            Current::Version(version) => Some(self.representation.state_tag(version)),
            Current::Missing => None,
            Current::Unknown if self.is_of_tags() => return Err(PreconditionFailed),
            Current::Unknown => None,
        };
        let exists = current != Current::Missing;
        match evaluate(&self.method, &self.headers, Selected { exists, entity_tag: tag.as_ref(), last_modified }) {
            Verdict::Proceed => Ok(()),
            Verdict::NotModified | Verdict::Failed => Err(PreconditionFailed),
        }
    }
}
