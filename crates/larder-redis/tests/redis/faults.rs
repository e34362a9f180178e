use std::{
    fs::Permissions,
    io::Write,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    sync::{Barrier, mpsc},
    thread,
    time::{Duration, Instant},
};

use larder::store::{BATCH, Nonce, Recall, Store};
use larder_redis::RedisStore;

use crate::{
    cells::{LONG, NOTHING, begin, finish, held, key, keys, lease, put, read, stored},
    eventually::eventually,
    line::DisturbedLine,
    server::Server,
};

/// What a machine that does other things may take besides.
const SLACK: Duration = Duration::from_millis(700);

#[test]
fn a_server_that_answers_nothing_is_waited_for_no_longer_than_the_time_out() {
    const TIMEOUT: Duration = Duration::from_millis(100);
    let server = Server::private(&[]);
    let store = server.builder().io_timeout(TIMEOUT).pool_size(2).build().unwrap();
    let [a, b] = ["a", "b"].map(key);
    put(&store, &a, b"one");
    put(&store, &b, b"two");

    let frozen = server.freeze();
    let start = Instant::now();
    let error = read(&store, &a).unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert!(start.elapsed() >= TIMEOUT && start.elapsed() < TIMEOUT + SLACK, "{:?}", start.elapsed());
    // The connection is gone, and no other can be made.
    for _ in 0..5 {
        let start = Instant::now();
        begin(&store, &b).unwrap_err();
        assert!(start.elapsed() < TIMEOUT + SLACK, "{:?}", start.elapsed());
    }
    drop(frozen);

    eventually("the server answers again", || read(&store, &b).is_ok());
    // No answer to an earlier question is taken for that to a later one.
    for _ in 0..20 {
        assert_eq!(read(&store, &b).unwrap(), held(b"two"));
        assert_eq!(read(&store, &a).unwrap(), held(b"one"));
        assert_eq!(read(&store, &key("c")).unwrap(), NOTHING);
    }
}

#[test]
fn a_store_is_made_within_the_time_out_though_the_server_answers_nothing() {
    const TIMEOUT: Duration = Duration::from_millis(200);
    let server = Server::private(&[]);
    let frozen = server.freeze();
    let start = Instant::now();
    let store = server.builder().connect_timeout(TIMEOUT).build().unwrap();
    assert!(start.elapsed() < TIMEOUT + SLACK, "{:?}", start.elapsed());
    assert!(read(&store, &key("a")).is_err());
    drop(frozen);
    eventually("the server answers", || read(&store, &key("a")).is_ok());
}

#[test]
fn a_pipeline_times_out_once_and_not_for_each_of_its_answers() {
    const TIMEOUT: Duration = Duration::from_millis(200);
    let server = Server::private(&[]);
    let store = server.builder().io_timeout(TIMEOUT).build().unwrap();
    let keys = keys(8 * BATCH);
    store.read(&keys).unwrap();
    let frozen = server.freeze();
    let start = Instant::now();
    assert!(store.read(&keys).unwrap_err().is_timeout());
    assert!(start.elapsed() < TIMEOUT + SLACK, "{:?}", start.elapsed());
    drop(frozen);
}

#[test]
fn a_begin_that_timed_out_may_have_happened_and_is_not_sent_again() {
    let server = Server::private(&[]);
    let store = server.builder().namespace("here:").io_timeout(Duration::from_millis(100)).build().unwrap();
    let key = key("a");
    // The script is known, so that the request itself is what times out.
    let known = begin(&store, &key).unwrap();
    finish(&store, &key, known, stored(b"old")).unwrap();
    let frozen = server.freeze();
    assert!(begin(&store, &key).unwrap_err().is_timeout());
    drop(frozen);
    let mut raw = server.raw();
    eventually("the late begin arrives", || {
        let bytes: Vec<u8> = redis::cmd("GET").arg("here:a").query(&mut raw).unwrap();
        bytes.starts_with(b"Mc") && bytes.len() == 2 + 8 + 16 + 13
    });
    eventually("the store answers again", || read(&store, &key).is_ok());
    assert_eq!(read(&store, &key).unwrap(), larder::store::Cell::InDoubt);
}

#[test]
fn of_connections_that_the_server_has_cut_one_operation_at_most_fails() {
    const N_CONNECTIONS: usize = 6;
    let server = Server::private(&[]);
    let store = server.builder().pool_size(6).build().unwrap();
    let key = key("a");
    put(&store, &key, b"one");
    let barrier = Barrier::new(N_CONNECTIONS);
    let mut raw = server.raw();
    eventually("the pool is full", || {
        thread::scope(|scope| {
            for _ in 0..N_CONNECTIONS {
                scope.spawn(|| {
                    barrier.wait();
                    // On a busy machine a connection may take longer to make than anybody waits for it.
                    let read = store.read(&vec![key.clone(); 10 * BATCH]);
                    assert!(read.is_ok() || read.is_err_and(|error| error.is_timeout()));
                });
            }
        });
        let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut raw).unwrap();
        list.matches("name=larder").count() == N_CONNECTIONS
    });

    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes").exec(&mut raw).unwrap();
    let error = begin(&store, &key).unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    for _ in 0..3 * N_CONNECTIONS {
        assert_eq!(read(&store, &key).unwrap(), held(b"one"));
    }
}

#[test]
fn an_operation_waits_a_fifth_of_the_time_out_for_a_connection_while_nobody_is_answered() {
    let server = Server::private(&[]);
    let store = server.builder().pool_size(1).io_timeout(Duration::from_secs(10)).build().unwrap();
    put(&store, &key("a"), b"one");
    let frozen = server.freeze();
    let (answers, answered) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..2 {
            let (store, answers) = (&store, answers.clone());
            scope.spawn(move || {
                let start = Instant::now();
                answers.send((read(store, &key("a")), start.elapsed())).unwrap();
            });
        }
        // One has the connection and waits for the server; the other waits for the connection.
        let (answer, elapsed) = answered.recv().unwrap();
        assert!(answer.unwrap_err().is_timeout());
        assert!(elapsed >= Duration::from_millis(1_990) && elapsed < Duration::from_secs(8), "{elapsed:?}");
        drop(frozen);
        assert_eq!(answered.recv().unwrap().0.unwrap(), held(b"one"));
    });
}

#[test]
fn an_operation_waits_for_a_connection_as_long_as_others_are_answered_and_no_longer_than_the_time_out() {
    const TIMEOUT: Duration = Duration::from_secs(4);
    let server = Server::private(&[]);
    let line = DisturbedLine::to(server.port());
    let store = RedisStore::builder(&line.url()).namespace("n:").quarantine(Duration::ZERO);
    let store = store.pool_size(1).io_timeout(TIMEOUT).build().unwrap();
    put(&store, &key("a"), b"one");
    // A twentieth of a second for each answer, one after the other, and ten times that for what the server says of itself now and then:
    // the last of them would come after more than five.
    line.trickle(Some(Duration::from_millis(1)));
    let barrier = Barrier::new(40);
    let ask = || {
        barrier.wait();
        let start = Instant::now();
        (read(&store, &key("a")), start.elapsed())
    };
    let answers: Vec<_> = thread::scope(|scope| {
        let asking: Vec<_> = (0..40).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    let (answered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(answer, _)| answer.is_ok());
    // Longer than where nobody is answered.
    assert!(answered.iter().any(|(_, waited)| *waited > TIMEOUT / 2), "{answered:?}");
    assert!(!refused.is_empty());
    for (answer, waited) in refused {
        assert!(answer.unwrap_err().is_timeout());
        assert!(waited >= TIMEOUT && waited < TIMEOUT + SLACK, "{waited:?}");
    }
}

#[test]
fn a_server_without_memory_refuses_writes_and_serves_reads() {
    let server = Server::private(&[]);
    let (store, key, mut raw) = (server.store(), key("a"), server.raw());
    put(&store, &key, b"one");
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").exec(&mut raw).unwrap();
    let error = begin(&store, &key).unwrap_err();
    assert!(error.is_refused(), "{error:?}");
    assert!(crate::cells::whole(&error).contains("OOM"), "{}", crate::cells::whole(&error));
    assert!(lease(&store, &crate::cells::key("b")).unwrap_err().is_refused());
    assert_eq!(read(&store, &key).unwrap(), held(b"one"));
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("0").exec(&mut raw).unwrap();
    begin(&store, &key).unwrap();
}

#[test]
fn a_master_that_becomes_a_replica_is_left() {
    let server = Server::private(&[]);
    let (store, key, mut raw) = (server.store(), key("a"), server.raw());
    put(&store, &key, b"one");
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg("1").exec(&mut raw).unwrap();
    let error = begin(&store, &key).unwrap_err();
    assert!(error.is_refused(), "{error:?}");
    eventually("the replica is not read either", || read(&store, &key).is_err_and(|error| error.is_refused()));
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut raw).unwrap();
    eventually("it is master again", || begin(&store, &key).is_ok());
}

#[test]
fn a_server_that_runs_somebody_elses_script_for_long_is_unavailable() {
    let server = Server::private(&[("lua-time-limit", "20")]);
    let (store, key) = (server.store(), key("a"));
    put(&store, &key, b"one");
    thread::scope(|scope| {
        let mut busy = server.raw();
        let endless = scope.spawn(move || {
            let script = "while true do end";
            redis::cmd("EVAL").arg(script).arg(0).query::<redis::Value>(&mut busy).unwrap_err();
        });
        eventually("the server is busy", || {
            read(&store, &key).is_err_and(|error| {
                assert!(error.is_unavailable(), "{error:?}");
                true
            })
        });
        assert!(begin(&store, &key).unwrap_err().is_unavailable());
        redis::cmd("SCRIPT").arg("KILL").exec(&mut server.raw()).unwrap();
        endless.join().unwrap();
    });
    eventually("the server is free again", || read(&store, &key).is_ok());
    assert_eq!(read(&store, &key).unwrap(), held(b"one"));
}

#[test]
fn an_answer_of_another_shape_is_refused_and_puts_nobody_out_of_step() {
    // A server on which MGET answers as GET does, which is with a string and not with a list.
    let mut renamed = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile().unwrap();
    renamed.write_all(b"rename-command MGET OTHER\nrename-command GET MGET\n").unwrap();
    let server = Server::private(&[("include", renamed.path().to_str().unwrap())]);
    let (store, [a, b]) = (server.store(), ["a", "b"].map(key));
    for _ in 0..3 {
        let error = read(&store, &a).unwrap_err();
        assert!(error.is_refused(), "{error:?}");
        assert!(store.read(&[a.clone(), b.clone()]).unwrap_err().is_refused(), "too many arguments");
        let nonce = Nonce::fresh();
        store.begin(nonce, &[&a, &b], LONG, Recall::Announced).unwrap();
        store.finish(nonce, &[(&a, stored(b"one")), (&b, stored(b"two"))]).unwrap();
    }
}

#[test]
fn something_that_is_no_redis_is_refused() {
    for greeting in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"+OK\r\n+OK\r\n+OK\r\n",
        b"$-1\r\n$-1\r\n+OK\r\n",
        b"\0\xff\r\n\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                // Whether the other side is still there does not matter.
                let _ = stream.and_then(|mut stream| stream.write_all(greeting).map(|()| stream));
            }
        });
        let store = larder_redis::RedisStore::connect(&url).unwrap();
        let error = read(&store, &key("a")).unwrap_err();
        assert!(!error.is_timeout(), "{}: {error:?}", greeting.escape_ascii());
    }
}
