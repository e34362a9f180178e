use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT_LANGUAGE, HOST},
    request::Parts,
};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use larder_http::{
    CacheControl, CacheControlLayer, ConditionalLayer, Current, Tag, TagHeader, Tags, TagsLayer, Varnish, VarnishTags,
    Version, Versions,
};
use servers::VarnishOptions;
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

const XKEY: &str = include_str!("../../varnish/xkey.vcl");
const BAN: &str = include_str!("../../varnish/ban.vcl");

/// What the service answers from: texts by path, each with the number of its version, and more headers for some.
#[derive(Default)]
pub(crate) struct Shelf {
    texts: BTreeMap<String, (u128, String)>,
    headers: BTreeMap<String, Vec<(HeaderName, HeaderValue)>>,
    tags: BTreeMap<String, Vec<Tag>>,
    /// How often the handler was called, and how often versions were asked for.
    pub(crate) n_calls: usize,
    pub(crate) n_asked: usize,
}

#[derive(Clone, Default)]
pub(crate) struct Shop {
    shelf: Arc<Mutex<Shelf>>,
    /// While it is locked, a handler has read its text and does not answer.
    pub(crate) handler: Arc<tokio::sync::Mutex<()>>,
    /// While it is locked, answers have left all layers and do not arrive.
    pub(crate) wire: Arc<tokio::sync::Mutex<()>>,
}

impl Shop {
    pub(crate) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap()
    }

    /// Puts a text at a path; it is tagged by the path.
    pub(crate) fn put(&self, path: &str, text: &str) {
        let mut shelf = self.shelf();
        let version = shelf.texts.get(path).map_or(1, |(version, _)| version + 1);
        shelf.texts.insert(path.to_owned(), (version, text.to_owned()));
        shelf.tags.entry(path.to_owned()).or_insert_with(|| vec![Tag::new(path)]);
    }

    pub(crate) fn set_tags(&self, path: &str, tags: impl IntoIterator<Item = Tag>) {
        self.shelf().tags.insert(path.to_owned(), tags.into_iter().collect());
    }

    pub(crate) fn set_header(&self, path: &str, name: HeaderName, value: &'static str) {
        let value = HeaderValue::from_static(value);
        self.shelf().headers.entry(path.to_owned()).or_default().push((name, value));
    }

    pub(crate) fn n_calls(&self) -> usize {
        self.shelf().n_calls
    }

    fn serve(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let mut shelf = self.shelf();
        shelf.n_calls += 1;
        let path = request.uri().path();
        let Some((_, text)) = shelf.texts.get(path) else {
            return Response::builder().status(StatusCode::NOT_FOUND).body(Full::default()).unwrap();
        };
        let language = request.headers().get(ACCEPT_LANGUAGE).map_or("", |value| value.to_str().unwrap());
        let mut response = Response::new(Full::from(format!("{text}{language}")));
        response.extensions_mut().insert(shelf.tags[path].iter().cloned().collect::<Tags>());
        for (name, value) in shelf.headers.get(path).into_iter().flatten() {
            response.headers_mut().append(name, value.clone());
        }
        response
    }
}

impl Versions for Shop {
    async fn version(&self, request: &Parts) -> Current {
        let mut shelf = self.shelf();
        shelf.n_asked += 1;
        match shelf.texts.get(request.uri.path()) {
            Some((version, _)) => Current::Version(Version::from(*version)),
            None => Current::Missing,
        }
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A service, a Varnish before it, and a client.
pub(crate) struct Scene {
    pub(crate) shop: Shop,
    pub(crate) varnish: servers::Varnish,
    pub(crate) purge: Varnish,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Scene {
    /// With answers that everybody may keep for an hour.
    pub(crate) async fn new(tags: VarnishTags) -> Self {
        Self::with(tags, CacheControl::public().s_maxage(Duration::from_secs(3_600))).await
    }

    pub(crate) async fn with(tags: VarnishTags, cache_control: CacheControl) -> Self {
        let shop = Shop::default();
        let port = serve(shop.clone(), cache_control).await;
        let rules = if tags == VarnishTags::Ban { BAN } else { XKEY };
        let back_end = format!("backend default {{ .host = \"127.0.0.1\"; .port = \"{port}\"; }}");
        let vcl = format!("vcl 4.1;\n{back_end}\nacl larder_purgers {{ \"127.0.0.1\"; }}\n{rules}");
        // An answer that is stale is asked for anew, and not served meanwhile: so a test needn't wait.
        let parameters = [("default_grace", "0"), ("default_keep", "3600")];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let varnish = tokio::task::spawn_blocking(|| servers::Varnish::start(VarnishOptions { vcl, parameters }));
        let varnish = varnish.await.unwrap().unwrap();
        let purge = Varnish::new([varnish.url().parse().unwrap()], tags);
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { shop, varnish, purge, client }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[]).await
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        self.get(path).await.text
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Answer {
        let uri: Uri = format!("{}{}", self.varnish.url(), path.trim_start_matches('/')).parse().unwrap();
        let mut request = Request::builder().method(method).uri(uri).header(HOST, "shop");
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let answer = self.client.request(request.body(Full::default()).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
        Answer { status: head.status, headers: head.headers, text }
    }
}

/// Serves the shop behind all layers, on a port of its own.
async fn serve(shop: Shop, cache_control: CacheControl) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (handler, wire) = (shop.clone(), shop.wire.clone());
    let handler = service_fn(move |request: Request<Incoming>| {
        let (response, gate) = (handler.serve(&request), handler.handler.clone());
        async move {
            drop(gate.lock().await);
            Ok::<_, Infallible>(response)
        }
    });
    let service = ServiceBuilder::new()
        .layer(CacheControlLayer::new(cache_control))
        .layer(TagsLayer::new(TagHeader::xkey()))
        .layer(ConditionalLayer::new(shop).vary([ACCEPT_LANGUAGE]))
        .service(handler);
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, wire) = (service.clone().oneshot(request), wire.clone());
        async move {
            let answer = answer.await;
            drop(wire.lock().await);
            answer
        }
    });
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                // That Varnish closes a connection when it ends is no failure.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    port
}
