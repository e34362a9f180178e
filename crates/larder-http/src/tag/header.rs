use std::{
    collections::BTreeSet,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::Tag;

/// The tags of an answer: a handler puts them into the extensions of its response, and [`TagsLayer`] into a header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(BTreeSet<Tag>);

impl Tags {
    /// Adds one; once is enough.
    pub fn add(&mut self, tag: Tag) {
        self.0.insert(tag);
    }

    /// In their order, each once.
    pub fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Tag> for Tags {
    fn from_iter<I: IntoIterator<Item = Tag>>(tags: I) -> Self {
        Self(tags.into_iter().collect())
    }
}

impl Extend<Tag> for Tags {
    fn extend<I: IntoIterator<Item = Tag>>(&mut self, tags: I) {
        self.0.extend(tags);
    }
}

/// The header that an edge reads tags from.
#[derive(Debug, Clone)]
pub struct TagHeader {
    name: HeaderName,
    separator: &'static str,
    limit_bytes: usize,
}

impl TagHeader {
    /// Another edge's header, with what stands between two tags, and how long a value it takes.
    ///
    /// # Panics
    /// `separator` has something that a tag or no header may have.
    #[must_use]
    pub fn new(name: HeaderName, separator: &'static str, limit_bytes: usize) -> Self {
        let separates = |byte: u8| matches!(byte, b' ' | b',' | b';' | b'|');
        assert!(!separator.is_empty() && separator.bytes().all(separates), "tags are separated by one of ` ,;|`");
        Self { name, separator, limit_bytes }
    }

    fn known(name: &'static str, separator: &'static str, limit_bytes: usize) -> Self {
        Self::new(HeaderName::from_static(name), separator, limit_bytes)
    }

    /// `Surrogate-Key`, separated by spaces, at most 16 000 bytes: Fastly.
    #[must_use]
    pub fn surrogate_key() -> Self {
        Self::known("surrogate-key", " ", 16_000)
    }

    /// `Cache-Tag`, separated by commas, at most 16 000 bytes: Cloudflare, Akamai and others.
    #[must_use]
    pub fn cache_tag() -> Self {
        Self::known("cache-tag", ",", 16_000)
    }

    /// `xkey`, separated by spaces, at most 7 000 bytes, since Varnish by default takes no line of a header beyond 8 192.
    #[must_use]
    pub fn xkey() -> Self {
        Self::known("xkey", " ", 7_000)
    }

    /// The tag of answers that have more tags than go into a header. Whoever purges any tag purges this one too.
    #[must_use]
    pub fn many() -> Tag {
        Tag::new("larder:many")
    }

    /// How long the value may be. An answer with more tags has [`many`](Self::many) and no other. Defaults to what the edge takes.
    #[must_use]
    pub fn limit_bytes(mut self, limit: usize) -> Self {
        self.limit_bytes = limit;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Its value for these tags; `None` where there are none.
    #[must_use]
    pub fn value(&self, tags: &Tags) -> Option<HeaderValue> {
        let n_bytes: usize = tags.iter().map(|tag| tag.as_str().len() + self.separator.len()).sum();
        let text = match n_bytes {
            0 => return None,
            n if n - self.separator.len() > self.limit_bytes => Self::many().as_str().to_owned(),
            _ => tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(self.separator),
        };
        Some(HeaderValue::from_str(&text).expect("tags consist of what may be in a header"))
    }
}

/// Writes the [`Tags`] of an answer into a header, and takes them out of its extensions.
///
/// An answer without tags stays as it is. So does a 304 that [`ConditionalLayer`](crate::ConditionalLayer) gives without asking the service: its version
/// is of the same rows, so the tags are those that the edge has already.
#[derive(Debug, Clone)]
pub struct TagsLayer {
    header: TagHeader,
}

impl TagsLayer {
    /// A layer that writes this header.
    #[must_use]
    pub fn new(header: TagHeader) -> Self {
        Self { header }
    }
}

impl<S> Layer<S> for TagsLayer {
    type Service = Tagged<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Tagged { inner, header: self.header.clone() }
    }
}

/// A service behind a [`TagsLayer`].
#[derive(Debug, Clone)]
pub struct Tagged<S> {
    inner: S,
    header: TagHeader,
}

impl<S, I, O> Service<Request<I>> for Tagged<S>
where
    S: Service<Request<I>, Response = Response<O>>,
{
    type Response = Response<O>;
    type Error = S::Error;
    type Future = TaggedFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<I>) -> Self::Future {
        TaggedFuture { inner: self.inner.call(request), header: self.header.clone() }
    }
}

pin_project! {
    /// What [`Tagged`] answers with.
    #[derive(Debug)]
    pub struct TaggedFuture<F> {
        #[pin]
        inner: F,
        header: TagHeader,
    }
}

impl<F, O, E> Future for TaggedFuture<F>
where
    F: Future<Output = Result<Response<O>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = ready!(this.inner.poll(context));
        if let Ok(response) = &mut answer
            && let Some(tags) = response.extensions_mut().remove::<Tags>()
            && let Some(value) = this.header.value(&tags)
        {
            response.headers_mut().insert(this.header.name.clone(), value);
        }
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(names: &[&str]) -> Tags {
        names.iter().map(Tag::new).collect()
    }

    #[test]
    fn each_edge_has_its_header() {
        let tags = tags(&["b", "a", "b", "c d"]);
        for (header, name, value) in [
            (TagHeader::surrogate_key(), "surrogate-key", "a b c%20d"),
            (TagHeader::cache_tag(), "cache-tag", "a,b,c%20d"),
            (TagHeader::xkey(), "xkey", "a b c%20d"),
        ] {
            assert_eq!((header.name().as_str(), header.value(&tags).unwrap().to_str().unwrap()), (name, value));
        }
        assert!(TagHeader::xkey().value(&Tags::default()).is_none());
    }

    #[test]
    #[should_panic(expected = "tags are separated by")]
    fn a_separator_that_a_tag_may_have_is_refused() {
        drop(TagHeader::new(HeaderName::from_static("edge-cache-tag"), ":", 128));
    }

    #[test]
    fn more_tags_than_fit_are_one() {
        let header = TagHeader::xkey().limit_bytes(5);
        assert_eq!(header.value(&tags(&["aa", "bb"])).unwrap(), "aa bb");
        assert_eq!(header.value(&tags(&["aa", "bbb"])).unwrap(), TagHeader::many().as_str());
    }
}
