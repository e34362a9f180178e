//! The certificates in `tls/` are valid until 2120, for `localhost` and `127.0.0.1`, and signed by an authority whose key was
//! thrown away: nobody trusts them but these tests.

use std::{path::Path, time::Duration};

use larder_redis::{BuildError, RedisStore};

use crate::{
    cells::{held, key, put, read, whole},
    server::Server,
};

fn file(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redis/tls").join(name).display().to_string()
}

fn authority() -> Vec<u8> {
    std::fs::read(file("ca.pem")).unwrap()
}

fn server() -> Server {
    Server::private_with_tls(&file("server.pem"), &file("server.key"), &file("ca.pem"))
}

#[test]
fn a_store_speaks_tls_to_a_server_whose_authority_it_trusts() {
    let server = server();
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("rediss://{host}:{}", server.tls_port());
        let builder = RedisStore::builder(&url).quarantine(Duration::ZERO).namespace(host);
        let store = builder.root_certificate(authority()).build().unwrap();
        put(&store, &key("a"), b"one");
        assert_eq!(read(&store, &key("a")).unwrap(), held(b"one"));
    }
}

#[test]
fn a_server_of_an_unknown_authority_is_not_spoken_to() {
    let server = server();
    let store = RedisStore::connect(&format!("rediss://127.0.0.1:{}", server.tls_port())).unwrap();
    let error = read(&store, &key("a")).unwrap_err();
    assert!(!error.is_timeout() && whole(&error).contains("certificate"), "{}", whole(&error));
}

#[test]
fn a_certificate_that_is_none_and_one_without_tls_are_refused_at_once() {
    let builder = |url: &str| RedisStore::builder(url);
    let error = builder("rediss://localhost").root_certificate(*b"no certificate").build().unwrap_err();
    assert!(matches!(error, BuildError::InvalidCertificate { .. }), "{error:?}");
    let error = builder("redis://localhost").root_certificate(authority()).build().unwrap_err();
    assert!(matches!(error, BuildError::InvalidCertificate { .. }), "{error:?}");
}
