use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, request::Parts};
use sha2::{Digest as _, Sha256};

use crate::{EntityTag, Version};

/// Between the half of a tag that is of the state, and the half that is of what was negotiated. Neither half has it.
const SEPARATOR: u8 = b'.';

/// Makes the tags of one request: what it asks for, apart from the state that this is in.
#[derive(Debug, Clone)]
pub(crate) struct Representation {
    resource: Sha256,
    negotiated: Option<String>,
}

impl Representation {
    pub(crate) fn of(request: &Parts, vary: &[HeaderName]) -> Self {
        let mut resource = Sha256::new();
        add(&mut resource, request.uri.path().as_bytes());
        // Told apart: no query, and an empty one.
        resource.update([u8::from(request.uri.query().is_some())]);
        add(&mut resource, request.uri.query().unwrap_or_default().as_bytes());
        let negotiated = (!vary.is_empty()).then(|| negotiated(&request.headers, vary));
        Self { resource, negotiated }
    }

    /// The tag of this representation in this state.
    pub(crate) fn tag(&self, version: &Version) -> EntityTag {
        self.with_negotiated(self.state(version))
    }

    /// The half of the tags of all representations in this state.
    pub(crate) fn state_tag(&self, version: &Version) -> EntityTag {
        tag_of(self.state(version))
    }

    fn state(&self, version: &Version) -> String {
        let mut digest = self.resource.clone();
        digest.update(b"version");
        digest.update(version.as_bytes());
        text(digest, 16)
    }

    /// The tag of a body: the same for the same bytes, of the same type.
    pub(crate) fn body_tag<'b>(&self, content_type: &[u8], chunks: impl IntoIterator<Item = &'b [u8]>) -> EntityTag {
        let mut digest = self.resource.clone();
        digest.update(b"body");
        add(&mut digest, content_type);
        for chunk in chunks {
            digest.update(chunk);
        }
        self.with_negotiated(text(digest, 16))
    }

    fn with_negotiated(&self, mut opaque: String) -> EntityTag {
        if let Some(negotiated) = &self.negotiated {
            opaque.push(char::from(SEPARATOR));
            opaque.push_str(negotiated);
        }
        tag_of(opaque)
    }
}

/// The tag without the half that is of what was negotiated. Tags that others have made may lose something too, and match as little as before.
pub(crate) fn without_negotiated(tag: &EntityTag) -> EntityTag {
    let opaque = tag.opaque();
    let end = opaque.iter().position(|byte| *byte == SEPARATOR).unwrap_or(opaque.len());
    let opaque = Bytes::copy_from_slice(&opaque[..end]);
    let shorter = if tag.is_weak() { EntityTag::weak(opaque) } else { EntityTag::strong(opaque) };
    shorter.expect("a part of a tag has no other characters than the tag")
}

fn negotiated(headers: &HeaderMap, vary: &[HeaderName]) -> String {
    let mut digest = Sha256::new();
    for name in vary {
        let lines: Vec<_> = headers.get_all(name).iter().map(|line| line.as_bytes()).collect();
        add(&mut digest, name.as_str().as_bytes());
        // Told apart: no line, and an empty one.
        digest.update([u8::from(!lines.is_empty())]);
        add(&mut digest, &lines.join(&b", "[..]));
    }
    text(digest, 6)
}

/// With its length before it, so that nothing can pass for the end of one part and the start of the next.
fn add(digest: &mut Sha256, part: &[u8]) {
    digest.update((part.len() as u64).to_be_bytes());
    digest.update(part);
}

fn text(digest: Sha256, n_bytes: usize) -> String {
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..n_bytes])
}

fn tag_of(opaque: String) -> EntityTag {
    EntityTag::strong(opaque).expect("letters, digits, `-`, `_` and `.` may be in a tag")
}

#[cfg(test)]
mod tests {
    use http::{
        Request,
        header::{ACCEPT, ACCEPT_LANGUAGE},
    };

    use super::*;

    fn of(uri: &str, accept: Option<&str>, vary: &[HeaderName]) -> Representation {
        let mut request = Request::builder().uri(uri);
        if let Some(accept) = accept {
            request = request.header(ACCEPT, accept);
        }
        Representation::of(&request.body(()).unwrap().into_parts().0, vary)
    }

    fn tag(uri: &str, accept: Option<&str>, vary: &[HeaderName], version: u128) -> Vec<u8> {
        of(uri, accept, vary).tag(&Version::from(version)).opaque().to_vec()
    }

    #[test]
    fn a_tag_is_of_version_path_query_and_what_is_negotiated_and_of_nothing_else() {
        let json = Some("application/json");
        let tags = [
            tag("/a", None, &[], 1),
            tag("/a", None, &[], 2),
            tag("/b", None, &[], 1),
            tag("/a?", None, &[], 1),
            tag("/a?b", None, &[], 1),
            tag("/a", None, &[ACCEPT], 1),
            tag("/a", Some(""), &[ACCEPT], 1),
            tag("/a", json, &[ACCEPT], 1),
            tag("/a", json, &[ACCEPT, ACCEPT_LANGUAGE], 1),
        ];
        for (index, tag) in tags.iter().enumerate() {
            assert!(!tags[..index].contains(tag), "the tag {index} is not new");
        }
        assert_eq!(tag("/a", json, &[], 1), tags[0]);
        assert_eq!(tag("http://shop/a", None, &[], 1), tags[0]);
    }

    #[test]
    fn all_representations_of_a_state_share_a_half() {
        let representation = of("/a", Some("text/html"), &[ACCEPT]);
        let version = Version::from(7);
        let tag = representation.tag(&version);
        assert!(!tag.is_strongly(&representation.state_tag(&version)));
        assert!(without_negotiated(&tag).is_strongly(&of("/a", None, &[ACCEPT]).state_tag(&version)));
        assert!(without_negotiated(&EntityTag::weak("a.b").unwrap()).is_weak());
    }

    #[test]
    fn a_body_in_other_chunks_has_the_same_tag() {
        let representation = of("/a", None, &[]);
        let whole = representation.body_tag(b"text/plain", [&b"abcd"[..]]);
        assert!(whole.is_strongly(&representation.body_tag(b"text/plain", [&b"a"[..], b"", b"bcd"])));
        assert!(!whole.is_strongly(&representation.body_tag(b"text/html", [&b"abcd"[..]])));
        assert!(!whole.is_strongly(&representation.body_tag(b"text/plaina", [&b"bcd"[..]])));
    }
}
