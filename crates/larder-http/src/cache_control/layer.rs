use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, SET_COOKIE},
};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::CacheControl;

/// Says of the answers of a route who may keep them, where the route itself has not.
///
/// Answers to GET and HEAD with 200, 203, 204 or 304 get the value; all others `no-store`, since caches keep some errors and
/// redirects for as long as they see fit unless told. What a handler has set stands, with one exception: an answer with `Set-Cookie`, or to a
/// request with `Authorization`, is for its client alone, whatever the route or the handler says, unless this layer is told
/// otherwise. It sees only cookies that are set inside of it: what sets them belongs there.
#[derive(Debug, Clone)]
pub struct CacheControlLayer {
    value: CacheControl,
    otherwise: CacheControl,
    shares_cookies: bool,
    shares_authorized: bool,
}

impl CacheControlLayer {
    /// A layer that sets this value.
    #[must_use]
    pub const fn new(value: CacheControl) -> Self {
        Self { value, otherwise: CacheControl::no_store(), shares_cookies: false, shares_authorized: false }
    }

    /// What other answers get: errors, redirects, answers to writes. Defaults to [`CacheControl::no_store`].
    #[must_use]
    pub const fn otherwise(mut self, value: CacheControl) -> Self {
        self.otherwise = value;
        self
    }

    /// Whether an answer with `Set-Cookie` may be public, and its cookie so be given to others. Defaults to `false`.
    #[must_use]
    pub const fn share_cookies(mut self, share: bool) -> Self {
        self.shares_cookies = share;
        self
    }

    /// Whether an answer to a request with `Authorization` may be public: for routes that answer everybody alike. Defaults to `false`.
    #[must_use]
    pub const fn share_authorized(mut self, share: bool) -> Self {
        self.shares_authorized = share;
        self
    }

    fn set(&self, headers: &mut HeaderMap, status: StatusCode, is_read: bool, is_authorized: bool) {
        let has_cookie = headers.contains_key(SET_COOKIE) && !self.shares_cookies;
        let is_private = has_cookie || (is_authorized && !self.shares_authorized);
        if is_private {
            forget_targeted(headers);
        }
        if headers.contains_key(CACHE_CONTROL) {
            if is_private {
                make_private(headers);
            }
            return;
        }
        if status == StatusCode::NOT_MODIFIED && is_read && !is_private {
            // A cache goes on with what it has, which may be the handler's own: that was not asked.
            return;
        }
        let is_kept = is_read && matches!(status.as_u16(), 200 | 203 | 204 | 304);
        let value = if is_kept { self.value } else { self.otherwise };
        let value = if is_private { value.into_private() } else { value };
        headers.insert(CACHE_CONTROL, value.to_header_value());
    }
}

/// Takes out what edges go by in place of `Cache-Control`: `Surrogate-Control`, and `CDN-Cache-Control` and its like (RFC 9213).
pub(crate) fn forget_targeted(headers: &mut HeaderMap) {
    let is_targeted = |name: &str| name == "surrogate-control" || name.ends_with("-cache-control");
    let names: Vec<HeaderName> = headers.keys().filter(|name| is_targeted(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Takes out what lets shared caches keep an answer, and says that it is private.
fn make_private(headers: &mut HeaderMap) {
    let lines: Vec<&str> = headers.get_all(CACHE_CONTROL).iter().map(|line| line.to_str().unwrap_or("")).collect();
    let text = lines.join(",");
    // A quoted list of fields (`private="set-cookie"`) keeps only those to the client: it goes, and its parts with it.
    let has_quotes = text.contains('"');
    let name_of = |directive: &str| directive.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kept: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty() && !has_quotes)
        .filter(|directive| !matches!(&*name_of(directive), "public" | "s-maxage" | "private"))
        .collect();
    let all = if text.split(',').any(|directive| name_of(directive) == "no-store") {
        "no-store".to_owned()
    } else if has_quotes {
        "private, no-cache".to_owned()
    } else {
        ["private"].into_iter().chain(kept).collect::<Vec<_>>().join(", ")
    };
    let value = HeaderValue::from_str(&all).unwrap_or(HeaderValue::from_static("private"));
    headers.insert(CACHE_CONTROL, value);
}

impl<S> Layer<S> for CacheControlLayer {
    type Service = SetCacheControl<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SetCacheControl { inner, layer: self.clone() }
    }
}

/// A service behind a [`CacheControlLayer`].
#[derive(Debug, Clone)]
pub struct SetCacheControl<S> {
    inner: S,
    layer: CacheControlLayer,
}

impl<S, I, O> Service<Request<I>> for SetCacheControl<S>
where
    S: Service<Request<I>, Response = Response<O>>,
{
    type Response = Response<O>;
    type Error = S::Error;
    type Future = SetFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<I>) -> Self::Future {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let is_authorized = request.headers().contains_key(AUTHORIZATION);
        SetFuture { inner: self.inner.call(request), layer: self.layer.clone(), is_read, is_authorized }
    }
}

pin_project! {
    /// What [`SetCacheControl`] answers with.
    #[derive(Debug)]
    pub struct SetFuture<F> {
        #[pin]
        inner: F,
        layer: CacheControlLayer,
        is_read: bool,
        is_authorized: bool,
    }
}

impl<F, O, E> Future for SetFuture<F>
where
    F: Future<Output = Result<Response<O>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = ready!(this.inner.poll(context));
        if let Ok(response) = &mut answer {
            let status = response.status();
            this.layer.set(response.headers_mut(), status, *this.is_read, *this.is_authorized);
        }
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use tower::{ServiceExt as _, service_fn};

    use super::*;

    const MINUTE: CacheControl = CacheControl::public().s_maxage(Duration::from_secs(60));

    fn layer() -> CacheControlLayer {
        CacheControlLayer::new(MINUTE)
    }

    /// The `Cache-Control` of an answer with these headers, to a request with those.
    async fn said(
        layer: CacheControlLayer,
        method: Method,
        asked: &[(HeaderName, &str)],
        status: u16,
        set: &'static [(HeaderName, &'static str)],
    ) -> String {
        let service = layer.layer(service_fn(move |_: Request<()>| async move {
            let mut response = Response::builder().status(status);
            for (name, value) in set {
                response = response.header(name, *value);
            }
            Ok::<_, Infallible>(response.body(()).unwrap())
        }));
        let mut request = Request::builder().method(method);
        for (name, value) in asked {
            request = request.header(name, *value);
        }
        let answer = service.oneshot(request.body(()).unwrap()).await.unwrap();
        let lines: Vec<_> = answer.headers().get_all(CACHE_CONTROL).iter().collect();
        assert_eq!(lines.len(), 1);
        lines[0].to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn only_what_succeeds_is_kept() {
        for status in [200, 203, 204] {
            assert_eq!(said(layer(), Method::GET, &[], status, &[]).await, "public, s-maxage=60");
        }
        for status in [201, 206, 301, 308, 400, 404, 410, 412, 500, 503] {
            assert_eq!(said(layer(), Method::GET, &[], status, &[]).await, "no-store", "{status}");
        }
        assert_eq!(said(layer(), Method::HEAD, &[], 200, &[]).await, "public, s-maxage=60");
        assert_eq!(said(layer(), Method::POST, &[], 200, &[]).await, "no-store");
        let lax = layer().otherwise(CacheControl::public());
        assert_eq!(said(lax, Method::GET, &[], 404, &[]).await, "public");
    }

    #[test]
    fn what_is_kept_already_stays_as_it_is_unless_it_is_for_one_client() {
        let said = |is_authorized| {
            let mut headers = HeaderMap::new();
            layer().set(&mut headers, StatusCode::NOT_MODIFIED, true, is_authorized);
            headers.remove(CACHE_CONTROL)
        };
        assert_eq!((said(false), said(true)), (None, Some(HeaderValue::from_static("private"))));
    }

    #[tokio::test]
    async fn what_a_handler_has_set_stands() {
        let set = &[(CACHE_CONTROL, "max-age=1")];
        assert_eq!(said(layer(), Method::GET, &[], 200, set).await, "max-age=1");
        assert_eq!(said(layer(), Method::GET, &[], 404, set).await, "max-age=1");
    }

    #[tokio::test]
    async fn an_answer_for_one_client_is_never_public_unless_told() {
        let cookie = &[(SET_COOKIE, "session=1")];
        assert_eq!(said(layer(), Method::GET, &[], 200, cookie).await, "private");
        assert_eq!(said(layer().share_cookies(true), Method::GET, &[], 200, cookie).await, "public, s-maxage=60");
        let asked = [(AUTHORIZATION, "Bearer 1")];
        assert_eq!(said(layer(), Method::GET, &asked, 200, &[]).await, "private");
        assert_eq!(said(layer().share_authorized(true), Method::GET, &asked, 200, &[]).await, "public, s-maxage=60");
        // To share the one is not to share the other.
        assert_eq!(said(layer().share_authorized(true), Method::GET, &asked, 200, cookie).await, "private");
    }

    #[tokio::test]
    async fn not_even_if_a_handler_says_so() {
        let table: [(&'static [(HeaderName, &'static str)], &str); 6] = [
            (&[(SET_COOKIE, "a=1"), (CACHE_CONTROL, "Public, max-age=5, S-MaxAge=9")], "private, max-age=5"),
            (&[(SET_COOKIE, "a=1"), (CACHE_CONTROL, "public"), (CACHE_CONTROL, "max-age=5")], "private, max-age=5"),
            (&[(SET_COOKIE, "a=1"), (CACHE_CONTROL, "public, no-store")], "no-store"),
            (&[(SET_COOKIE, "a=1"), (CACHE_CONTROL, "private=\"a, public\", max-age=5")], "private, no-cache"),
            (&[(SET_COOKIE, "a=1"), (CACHE_CONTROL, "no-store, no-cache=\"set-cookie\"")], "no-store"),
            (&[(SET_COOKIE, "a=1"), (CACHE_CONTROL, "max-age=5")], "private, max-age=5"),
        ];
        for (set, expected) in table {
            assert_eq!(said(layer(), Method::GET, &[], 200, set).await, expected, "{set:?}");
        }
    }
    #[test]
    fn what_edges_go_by_instead_goes_with_it() {
        let names = ["surrogate-control", "cdn-cache-control", "shop-cdn-cache-control"];
        for (is_private, n_left) in [(false, 3), (true, 0)] {
            let mut headers: HeaderMap = names
                .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("max-age=60")))
                .into_iter()
                .collect();
            if is_private {
                headers.insert(SET_COOKIE, HeaderValue::from_static("a=1"));
            }
            layer().set(&mut headers, StatusCode::OK, true, false);
            let left = names.iter().filter(|name| headers.contains_key(**name)).count();
            assert_eq!(left, n_left);
        }
    }
}
