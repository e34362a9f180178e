//! Connections: how many there are, and how long a client may keep one waiting.

use std::{future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time,
};
use tower_service::Service as _;

/// The most connections at once; whoever comes later waits for the system to be asked for the next.
const MOST_CONNECTIONS: usize = 10_000;

/// So many descriptors are kept for what is not a client: connections to the servers, files, wakers.
const OTHERS: u64 = 256;

/// The most bytes of a request's head. `hyper` answers those that are longer, and those that are none, by itself: with a status alone.
const MOST_HEAD_BYTES: usize = 64 << 10;

/// How long nobody is accepted when the system has refused to: it says so at once, and again and again.
const PAUSE: Duration = Duration::from_millis(100);

/// As many as the system gives descriptors for, which it is asked for as many of as it may give.
fn most_connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { raised.current } else { limit.current };
    let left = current.map_or(usize::MAX, |n| usize::try_from(n.saturating_sub(OTHERS)).unwrap_or(usize::MAX));
    left.clamp(1, MOST_CONNECTIONS)
}

/// Serves until `until` is over, and then what has begun.
///
/// A client that takes longer than `idle` to send a request's head, or to read what it is sent, is left; so is a connection on which nothing
/// happens for so long. `idle` should be longer than a proxy in front keeps its connections (Varnish: 60 s), or that proxy sends
/// requests to where nobody listens any more. Each request has [`ConnectInfo`] with the client's address.
///
/// It is what `axum::serve` is, which waits for a head for ever.
pub async fn listen(listener: TcpListener, router: Router, idle: Duration, until: impl Future<Output = ()>) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(idle).max_header_size(MOST_HEAD_BYTES);
    let (places, connections) = (Arc::new(Semaphore::new(most_connections())), GracefulShutdown::new());
    let mut until = pin!(until);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes it");
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut until => break,
        };
        match accepted {
            Ok((stream, address)) => {
                let connection = server.serve_connection(stream_of(stream, idle), answer(router.clone(), address));
                let connection = connections.watch(connection);
                tokio::spawn(async move {
                    // It ends as clients like: there is nobody to tell.
                    if let Err(error) = connection.await {
                        tracing::debug!(%address, error = &error as &dyn std::error::Error, "a connection has failed");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection can't be accepted");
                time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// A stream that is lost when what was sent is not taken for `idle`, be the client gone or only slow to read.
fn stream_of(stream: TcpStream, idle: Duration) -> TokioIo<TcpStream> {
    // Without these it is slower, or lasts longer, and that is all.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, u32::try_from(idle.as_millis()).unwrap_or(u32::MAX));
    #[cfg(not(target_os = "linux"))]
    let _ = idle;
    TokioIo::new(stream)
}

/// The service as one client has it.
fn answer(
    router: Router,
    address: SocketAddr,
) -> impl hyper::service::Service<
    hyper::Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future: Send,
> + Send {
    service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        // A router is always ready.
        router.clone().call(request)
    })
}
