use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use larder_http::{Purge as _, PurgeApi, PurgeError, Tag};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

/// What an API was sent: method, path, the values of the headers that matter, body.
type Sent = (Method, String, [String; 3], String);

/// An API that takes whatever it is sent, and answers with the status in its path.
async fn api() -> (String, UnboundedReceiver<Sent>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sends, sent) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let sends = sends.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let sends = sends.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let names = [HeaderName::from_static("surrogate-key"), AUTHORIZATION, CONTENT_TYPE];
                    let values = names.map(|name| {
                        head.headers.get(name).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
                    });
                    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
                    let path = head.uri.path().to_owned();
                    sends.send((head.method, path.clone(), values, body)).unwrap();
                    if path == "/never" {
                        std::future::pending::<()>().await;
                    }
                    let status = if path == "/limit" { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::OK };
                    Ok::<_, Infallible>(Response::builder().status(status).body(Full::<Bytes>::default()).unwrap())
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (url, sent)
}

fn uri(url: &str, path: &str) -> Uri {
    format!("{url}{path}").parse().unwrap()
}

fn tags() -> [Tag; 3] {
    ["a", "b c", "d"].map(Tag::new)
}

#[tokio::test]
async fn tags_go_in_a_header_of_a_request_for_each_run() {
    let (url, mut sent) = api().await;
    let header = HeaderName::from_static("surrogate-key");
    let api = PurgeApi::by_header(uri(&url, "/some"), uri(&url, "/all"), header, " ")
        .header(AUTHORIZATION, HeaderValue::from_static("key"))
        .max_tags(2);
    api.purge(&tags()).await.unwrap();
    api.purge_all().await.unwrap();
    let seen = |keys: &str, path: &str| {
        let values = [keys.to_owned(), "key".to_owned(), String::new()];
        (Method::POST, path.to_owned(), values, String::new())
    };
    for (keys, path) in [("a b%20c", "/some"), ("d", "/some"), ("", "/all")] {
        assert_eq!(sent.recv().await, Some(seen(keys, path)));
    }
    api.purge(&[]).await.unwrap();
    assert!(sent.try_recv().is_err(), "no tags are no request, and not one for everything");
}

#[tokio::test]
async fn tags_go_in_json() {
    let (url, mut sent) = api().await;
    let api = PurgeApi::by_json(uri(&url, "/purge"), "tags", r#"{"purge_everything":true}"#).method(Method::DELETE);
    api.purge(&tags()).await.unwrap();
    api.purge_all().await.unwrap();
    for body in [r#"{"tags":["a","b%20c","d"]}"#, r#"{"purge_everything":true}"#] {
        let values = [String::new(), String::new(), "application/json".to_owned()];
        assert_eq!(sent.recv().await, Some((Method::DELETE, "/purge".to_owned(), values, body.to_owned())));
    }
}

#[tokio::test]
async fn what_is_not_known_to_be_done_is_an_error() {
    let (url, _sent) = api().await;
    let purge = async |path| {
        let api = PurgeApi::by_json(uri(&url, path), "tags", "{}").timeout(Duration::from_millis(200));
        api.purge(&tags()).await
    };
    assert!(matches!(purge("/limit").await, Err(PurgeError::Refused(StatusCode::TOO_MANY_REQUESTS))));
    assert!(matches!(purge("/never").await, Err(PurgeError::TimedOut)));
    let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let api = PurgeApi::by_json(uri(&format!("http://{nobody}"), "/"), "tags", "{}");
    assert!(matches!(api.purge(&tags()).await, Err(PurgeError::Unreachable(_))));
}
