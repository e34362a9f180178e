//! The certificates in `tls/` are valid until 2120, for `localhost` and `127.0.0.1`, and signed by an authority whose key was
//! thrown away: nobody trusts them but these tests.

use std::{
    fs::Permissions,
    io::Write,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use larder::store::Store;
use larder_redis::{BuildError, RedisStore};
use tempfile::NamedTempFile;

use crate::{
    cells::{begin, held, key, put, read, whole},
    eventually::eventually,
    recorder::{Recorder, Told, every_10_ms},
    server::Server,
};

const AUTHORITY: &[u8] = include_bytes!("tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/server.pem");
const KEY: &[u8] = include_bytes!("tls/server.key");

/// A server that speaks TLS on a second port.
struct TlsServer {
    port: u16,
    _server: Server,
    _files: [NamedTempFile; 3],
}

impl TlsServer {
    fn start() -> Self {
        // The server may run as a user who can't read this folder.
        let files = [AUTHORITY, CERTIFICATE, KEY].map(|bytes| {
            let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file
        });
        let [authority, certificate, key] = files.each_ref().map(|file| file.path().to_str().unwrap());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Server::private(&[
            ("tls-port", &port.to_string()),
            ("tls-ca-cert-file", authority),
            ("tls-cert-file", certificate),
            ("tls-key-file", key),
            ("tls-auth-clients", "no"),
        ]);
        Self { port, _server: server, _files: files }
    }
}

#[test]
fn a_store_speaks_tls_to_a_server_whose_authority_it_trusts() {
    let server = TlsServer::start();
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("rediss://{host}:{}", server.port);
        let builder = RedisStore::builder(&url).quarantine(Duration::ZERO).namespace(host);
        let store = builder.root_certificate(AUTHORITY).build().unwrap();
        put(&store, &key("a"), b"one");
        assert_eq!(read(&store, &key("a")).unwrap(), held(b"one"));
    }
}

#[test]
fn who_listens_does_so_by_tls_with_the_same_trust() {
    let server = TlsServer::start();
    let url = format!("rediss://localhost:{}", server.port);
    let builder = RedisStore::builder(&url).quarantine(Duration::ZERO).namespace("n:");
    let store = builder.root_certificate(AUTHORITY).build().unwrap();
    let (recorder, subscription) = Recorder::on(&store, every_10_ms(true));
    begin(&store, &key("a")).unwrap();
    recorder.wait_for_proof();
    assert_eq!(recorder.dropped().len(), 1);
    let mut raw = server._server.raw();
    let n_holders = |raw: &mut redis::Connection| redis::cmd("ZCARD").arg("n:#holders").query::<u64>(raw).unwrap();
    assert_eq!(n_holders(&mut raw), 2);
    drop(subscription);
    eventually("it has left", || n_holders(&mut raw) == 1);

    let strange =
        RedisStore::builder(&url).namespace("n:").connect_timeout(Duration::from_millis(200)).build().unwrap();
    let stranger = Recorder::new();
    let subscription = strange.listen(stranger.listener(), every_10_ms(false)).unwrap();
    let start = Instant::now();
    eventually("it has had the time to join", || start.elapsed() > Duration::from_millis(300));
    drop(subscription);
    assert_eq!(stranger.told(), [Told::Lost], "it never was told of anything");
}

#[test]
fn a_server_of_an_unknown_authority_is_not_spoken_to() {
    let server = TlsServer::start();
    let store = RedisStore::connect(&format!("rediss://127.0.0.1:{}", server.port)).unwrap();
    let error = read(&store, &key("a")).unwrap_err();
    assert!(!error.is_timeout() && whole(&error).contains("certificate"), "{}", whole(&error));
}

#[test]
fn a_certificate_that_is_none_and_one_without_tls_are_refused_at_once() {
    let builder = |url: &str| RedisStore::builder(url);
    let error = builder("rediss://localhost").root_certificate(*b"no certificate").build().unwrap_err();
    assert!(matches!(error, BuildError::InvalidCertificate { .. }), "{error:?}");
    let error = builder("redis://localhost").root_certificate(AUTHORITY).build().unwrap_err();
    assert!(matches!(error, BuildError::InvalidCertificate { .. }), "{error:?}");
}
