use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header::CONTENT_TYPE};
use http_body_util::Full;

use super::{Purge, PurgeError, client::Client, joined, runs};
use crate::Tag;

/// A CDN's purge API: a request with tags in a header or in JSON, and another that purges everything.
///
/// Over plain HTTP: there is no TLS here. An API on the Internet is reached through a proxy of one's own that speaks TLS to it, or by an
/// own [`Purge`] over the client that the application has.
#[derive(Debug, Clone)]
pub struct PurgeApi {
    client: Client,
    some: Call,
    all: Call,
    form: Form,
    headers: HeaderMap,
    max_tags: usize,
    max_bytes: usize,
}

#[derive(Debug, Clone)]
struct Call {
    method: Method,
    uri: Uri,
    body: Option<Bytes>,
}

#[derive(Debug, Clone)]
enum Form {
    Header { name: HeaderName, separator: &'static str },
    Json { field: &'static str },
}

impl PurgeApi {
    fn new(some: Uri, all: Uri, all_body: Option<Bytes>, form: Form) -> Self {
        let call = |uri, body| Call { method: Method::POST, uri, body };
        Self {
            client: Client::new(),
            some: call(some, None),
            all: call(all, all_body),
            form,
            headers: HeaderMap::new(),
            max_tags: 100,
            max_bytes: 8_000,
        }
    }

    /// `POST` to `some` with the tags in a header, such as `Surrogate-Key: a b`; an empty `POST` to `all` purges everything.
    ///
    /// # Panics
    /// `separator` has something else than visible characters and blanks.
    #[must_use]
    pub fn by_header(some: Uri, all: Uri, name: HeaderName, separator: &'static str) -> Self {
        let is_plain = separator.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        assert!(is_plain, "a separator may be in a header");
        Self::new(some, all, None, Form::Header { name, separator })
    }

    /// `POST` to `uri` with `{"<field>":["a","b"]}`; with the JSON `all_body`, such as `{"purge_everything":true}`, it purges everything.
    ///
    /// # Panics
    /// `field` has something else than letters, digits and underscores.
    #[must_use]
    pub fn by_json(uri: Uri, field: &'static str, all_body: &'static str) -> Self {
        let is_plain = field.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        assert!(is_plain, "the name of a field of letters, digits and underscores");
        Self::new(uri.clone(), uri, Some(Bytes::from_static(all_body.as_bytes())), Form::Json { field })
    }

    /// Another method than `POST`, for both requests.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.some.method = method.clone();
        self.all.method = method;
        self
    }

    /// A header of both requests, such as the one with the API's key.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// How many tags go into a request. Defaults to 100, and to as many as 8 000 bytes have room for.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    pub fn max_tags(mut self, n_tags: usize) -> Self {
        assert!(n_tags > 0, "a request has a tag");
        self.max_tags = n_tags;
        self
    }

    /// For how long an answer is waited for. Defaults to five seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.client.set_timeout(timeout);
        self
    }

    async fn send(&self, call: &Call, tags: &[Tag]) -> Result<(), PurgeError> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = call.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let body = match &self.form {
            _ if tags.is_empty() => call.body.clone(),
            Form::Header { name, separator } => {
                let value = HeaderValue::from_str(&joined(tags, separator)).expect("tags may be in a header");
                request.headers_mut().insert(name.clone(), value);
                None
            }
            // A tag has nothing that JSON would have to escape.
            Form::Json { field } => Some(format!("{{\"{field}\":[\"{}\"]}}", joined(tags, "\",\"")).into()),
        };
        if let Some(body) = body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Full::new(body);
        }
        self.client.send(request).await
    }
}

impl Purge for PurgeApi {
    async fn purge(&self, tags: &[Tag]) -> Result<(), PurgeError> {
        for run in runs(tags, self.max_bytes, self.max_tags) {
            self.send(&self.some, run).await?;
        }
        Ok(())
    }

    async fn purge_all(&self) -> Result<(), PurgeError> {
        self.send(&self.all, &[]).await
    }
}
