//! Clients that take their time: each is left after a while, and no other one waits for it.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use tests::eventually;

use super::{LONG, problem, program::Shop};

/// Much longer than `--idle-seconds` is here.
const ENOUGH: Duration = Duration::from_secs(30);

fn connect(shop: &Shop) -> TcpStream {
    let stream = TcpStream::connect(shop.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    stream
}

/// Sends `drop` again and again, and gives back what it was told until the other side closed.
fn drip(stream: &mut TcpStream, drop: &[u8]) -> Vec<u8> {
    let (begun, mut heard, mut buffer) = (Instant::now(), Vec::new(), [0; 1_024]);
    loop {
        assert!(begun.elapsed() < ENOUGH, "it waits for ever");
        // Once it is closed, the one or the other fails.
        let _ = stream.write(drop);
        match stream.read(&mut buffer) {
            Ok(0) => return heard,
            Ok(n) => heard.extend_from_slice(&buffer[..n]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return heard,
        }
    }
}

#[test]
fn a_head_that_comes_drop_by_drop_is_not_waited_for() {
    let shop = Shop::with(&["--idle-seconds", "1"]);
    let mut stream = connect(&shop);
    stream.write_all(b"GET /healthz HTTP/1.1\r\nx: ").unwrap();
    assert_eq!(String::from_utf8(drip(&mut stream, b"y")).unwrap(), "");
}

#[test]
fn a_connection_without_requests_ends_and_one_with_requests_goes_on() {
    let shop = Shop::with(&["--idle-seconds", "5"]);
    let mut idle = connect(&shop);
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: shop\r\n\r\n").unwrap();
    let (begun, mut busy) = (Instant::now(), connect(&shop));
    let request = b"GET /healthz HTTP/1.1\r\nhost: shop\r\n\r\n";
    while begun.elapsed() < Duration::from_secs(8) {
        busy.write_all(request).unwrap();
        busy.set_read_timeout(Some(LONG)).unwrap();
        let mut answer = [0; 64];
        assert!(busy.read(&mut answer).unwrap() > 0);
        busy.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let rest = busy.read(&mut [0; 1_024]);
        assert!(!matches!(rest, Ok(0)), "it was closed after {:?}", begun.elapsed());
    }
    // Its answer has come, and then comes the end.
    idle.set_read_timeout(Some(LONG)).unwrap();
    let mut answer = String::new();
    idle.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[test]
fn a_body_that_comes_drop_by_drop_is_a_problem_of_its_client() {
    let shop = Shop::start();
    let mut stream = connect(&shop);
    let head = "POST /users HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let heard = String::from_utf8(drip(&mut stream, b" ")).unwrap();
    assert!(heard.starts_with("HTTP/1.1 408 ") && heard.contains("application/problem+json"), "{heard}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_does_not_read_is_left() {
    let shop = Shop::with(&["--idle-seconds", "1"]);
    let mut stream = connect(&shop);
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: shop\r\n\r\n".repeat(100);
    let begun = Instant::now();
    let error = loop {
        assert!(begun.elapsed() < ENOUGH, "it waits for ever");
        match stream.write(&request) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                assert_eq!(shop.get("/healthz").status, 200, "others go on");
            }
            Err(error) => break error.kind(),
        }
    };
    assert!(matches!(error, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
}

#[test]
fn when_no_more_connections_can_be_had_it_goes_on_with_those_there_are_and_takes_others_later() {
    let shop = Shop::start();
    assert_eq!(shop.get("/healthz").status, 200);
    let limited = Command::new("prlimit").args(["--nofile=60", "--pid", &shop.id().to_string()]).status().unwrap();
    assert!(limited.success());
    // The system takes them for it; what it can't accept waits.
    let many: Vec<TcpStream> = (0..100).map(|_| connect(&shop)).collect();
    assert_eq!(shop.get("/healthz").status, 200, "on a connection that was there before");
    let mut last = connect(&shop);
    last.write_all(b"GET /nowhere HTTP/1.1\r\nhost: shop\r\n\r\n").unwrap();
    assert!(last.read(&mut [0; 1]).is_err(), "nobody has accepted it");
    drop(many);
    let mut start = [0; 12];
    eventually(LONG, || last.peek(&mut start).is_ok());
    assert_eq!(&start, b"HTTP/1.1 404");
    let _ = problem(&shop.get("/nowhere"), 404);
}
