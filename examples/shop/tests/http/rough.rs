//! Requests that no decent client sends, byte by byte: each is answered once, with what is wrong with it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use super::{LONG, program::Shop};

/// What comes back for these bytes, until the service closes.
fn answer(shop: &Shop, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(shop.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_write_timeout(Some(LONG)).unwrap();
    // Whoever is refused early may find the way closed before all is said.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        let is_cut = error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(is_cut && !answer.is_empty(), "{error}: {}", String::from_utf8_lossy(bytes));
    }
    String::from_utf8(answer).unwrap()
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").into()
}

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /users HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn json(body: impl AsRef<[u8]>) -> Vec<u8> {
    post(&format!("content-length: {}", body.as_ref().len()), body.as_ref())
}

fn check(shop: &Shop, bytes: &[u8], status: u16, is_problem: bool) {
    let answer = answer(shop, bytes);
    let told = format!("{:.300}\n-> {answer}", String::from_utf8_lossy(bytes));
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {told}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "one answer: {told}");
    assert_eq!(answer.contains("\r\ncontent-type: application/problem+json\r\n"), is_problem, "{told}");
}

#[test]
fn what_is_malformed_is_a_problem_of_the_client() {
    let shop = Shop::start();
    let orders = format!("/users/{}/orders", uuid::Uuid::nil());
    let many_digits = "9".repeat(5_000);
    for (path, status) in [
        ("/users/%zz", 404),
        ("/users/%ff%fe", 404),
        ("/users/%00", 404),
        ("/users/", 404),
        ("//users", 404),
        ("/users/../metrics", 404),
        ("/users?email=%ff", 404),
        ("/users?email=%zz%", 404),
        ("/users?email=a%40b&email=a%40b", 400),
        ("/users?email=a%40b&%ff=1", 400),
        ("/users?&&==&", 400),
        (&*format!("{orders}?limit={many_digits}"), 400),
        (&*format!("{orders}?limit=-1"), 400),
        (&*format!("{orders}?limit=1e1"), 400),
        (&*format!("{orders}?limit="), 400),
        (&*format!("{orders}?after=%F0%9F"), 400),
        (&*format!("{orders}?after={many_digits}"), 404),
        (&*format!("{orders}?status=Paid"), 400),
        (&*format!("/{}", "a".repeat(60_000)), 404),
    ] {
        check(&shop, &get(path), status, true);
    }
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
    for (body, status) in [
        (b"".to_vec(), 400),
        (b"{".to_vec(), 400),
        (b"\xef\xbb\xbf{\"email\":\"a@b\"}".to_vec(), 400),
        (b"{\"email\":\"\xff@b\"}".to_vec(), 400),
        (br#"{"email":"\ud800@b"}"#.to_vec(), 400),
        (br#"{"email":"a@b"} {}"#.to_vec(), 400),
        (br#"{"email":"a@b","email":"c@d"}"#.to_vec(), 422),
        (br#"{"email":NaN}"#.to_vec(), 400),
        (br#"["a@b"]"#.to_vec(), 422),
        (format!("{{\"email\":{many_digits}}}").into(), 400),
        (format!("{{\"email\":1e{many_digits}}}").into(), 400),
        (deep("[", "]").into(), 422),
        (format!("{{\"email\":{}}}", deep("[", "]")).into(), 422),
        (format!("{{\"email\":{}}}", deep("{\"a\":", "}")).into(), 422),
        (format!("{{\"email\":\"{}@b\"}}", "a".repeat(65_536)).into(), 413),
    ] {
        check(&shop, &json(&body), status, true);
    }
    check(&shop, &post("transfer-encoding: chunked", b"zz\r\n{}\r\n0\r\n\r\n"), 400, true);
    let chunk = [b"4000\r\n".as_slice(), &[b' '; 0x4000], b"\r\n"].concat();
    check(&shop, &post("transfer-encoding: chunked", &chunk.repeat(8)), 413, true);
    check(&shop, b"TRACE /users HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n", 405, true);
    check(&shop, b"BREW /users HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n", 405, true);
    check(&shop, b"OPTIONS * HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n", 404, true);
    check(&shop, b"CONNECT shop:80 HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n", 404, true);
    assert_eq!(shop.get("/healthz").status, 200, "it goes on");
}

#[test]
fn what_is_no_request_is_refused_before_it_comes_to_the_service() {
    let shop = Shop::start();
    let header = |header: &str| format!("GET /healthz HTTP/1.1\r\nhost: shop\r\n{header}\r\n\r\n").into_bytes();
    for (bytes, status) in [
        (b"no request at all\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/9.9\r\n\r\n".to_vec(), 400),
        (b"GET /\xff\x00 HTTP/1.1\r\n\r\n".to_vec(), 400),
        (header("no colon"), 400),
        (header("x: \0"), 400),
        (header("content-length: 1\r\ncontent-length: 2"), 400),
        (header("content-length: -1"), 400),
        (header("transfer-encoding: gzip"), 400),
        (header(&"x: y\r\n".repeat(200)), 431),
        // Longer than it may be, and short enough to be in one piece with its end.
        (header(&format!("x: {}", "y".repeat(66_000))), 431),
        (header(&format!("x: {}", "y".repeat(1_000_000))), 431),
        (get(&format!("/{}", "a".repeat(66_000))), 431),
    ] {
        check(&shop, &bytes, status, false);
    }
    assert_eq!(shop.get("/healthz").status, 200, "it goes on");
}

#[test]
fn who_leaves_in_the_middle_of_a_request_leaves_nothing_behind() {
    let shop = Shop::start();
    let whole = json(br#"{"email":"ada@example.com"}"#);
    for n_bytes in 0..whole.len() {
        let mut stream = TcpStream::connect(shop.address()).unwrap();
        stream.write_all(&whole[..n_bytes]).unwrap();
    }
    assert_eq!(shop.get("/users?email=ada@example.com").status, 404);
    check(&shop, &whole, 201, false);
}

#[test]
fn who_says_that_it_will_send_too_much_is_refused_before_it_does() {
    let shop = Shop::start();
    let mut stream = TcpStream::connect(shop.address()).unwrap();
    // Shorter than a body is waited for.
    stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    stream.write_all(&post("content-length: 1000000000\r\nexpect: 100-continue", b"")).unwrap();
    let mut start = [0; 13];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 413 ");
}

#[test]
fn an_unknown_path_is_a_problem_whatever_is_done_to_it() {
    let shop = Shop::start();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let request = format!("{method} /nowhere HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n");
        check(&shop, request.as_bytes(), 404, true);
    }
    let head = shop.send("HEAD", "/nowhere", None);
    assert_eq!((head.status, &*head.raw), (404, ""));
}

#[test]
fn a_client_is_told_that_its_connection_ends_where_its_body_is_not_read() {
    let shop = Shop::start();
    let asked = |path: &str, body: &str| {
        // Not a word of closing, and not all of the body: whoever answers now has not read it.
        let head = "host: shop\r\ncontent-type: application/json\r\ncontent-length: 100";
        format!("POST {path} HTTP/1.1\r\n{head}\r\n\r\n{body}").into_bytes()
    };
    for path in ["/nothing", "/users/00000000-0000-0000-0000-000000000000", "/stats/top"] {
        let answer = answer(&shop, &asked(path, "{}"));
        assert!(answer.contains("\r\nconnection: close\r\n"), "{path}: {answer}");
    }
    let read = shop.send("POST", "/users", Some(serde_json::json!({ "email": "ada@example.com" })));
    assert!(read.header("connection").is_empty(), "{read:?}");
}
