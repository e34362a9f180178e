//! Every way in which a line is lost has to be noticed as a loss, and before anything that comes after it.

use std::time::{Duration, Instant};

use larder::store::{Listening, Nonce, Recall, Store};
use larder_redis::RedisStore;

use crate::{
    cells::{LONG, begin, key},
    eventually::eventually,
    line::DisturbedLine,
    recorder::{Recorder, Told, every_10_ms},
    server::Server,
};

fn store_on(line: &DisturbedLine) -> RedisStore {
    RedisStore::builder(&line.url()).namespace("n:").quarantine(Duration::ZERO).build().unwrap()
}

/// Ids of the connections that listen.
fn listening(raw: &mut redis::Connection) -> Vec<u64> {
    let list: String = redis::cmd("CLIENT").arg("LIST").arg("TYPE").arg("pubsub").query(raw).unwrap();
    let id = |line: &str| line.strip_prefix("id=")?.split(' ').next()?.parse().ok();
    list.lines().filter_map(id).collect()
}

/// Waits until it was told that it has lost its line, and then that it has joined again and has a proof.
#[track_caller]
fn lost_and_back(recorder: &Recorder, since: usize) {
    let after = |told: &[Told]| {
        let at = told.iter().skip(since).position(|told| *told == Told::Lost)?;
        let told: Vec<Told> =
            told[since + at + 1..].iter().filter(|told| !matches!(told, Told::Dropped(..))).cloned().collect();
        matches!(told[..], [Told::Joined(_), Told::Proven { .. }, ..]).then_some(())
    };
    recorder.wait_for("it has lost its line, and joined again", |told| after(told).is_some());
}

#[test]
fn a_connection_that_the_server_kills_is_lost() {
    let server = Server::private(&[]);
    let (store, mut raw) = (server.store(), server.raw());
    let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
    for _ in 0..3 {
        let since = recorder.told().len();
        for id in listening(&mut raw) {
            redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).exec(&mut raw).unwrap();
        }
        lost_and_back(&recorder, since);
    }
    assert_eq!(listening(&mut raw).len(), 1);
}

#[test]
fn a_server_that_is_killed_is_lost_and_its_next_life_begins_another_series() {
    let mut server = Server::private(&[]);
    let store = server.store();
    let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
    begin(&store, &key("a")).unwrap();
    redis::cmd("SAVE").exec(&mut server.raw()).unwrap();
    for _ in 0..2 {
        let since = recorder.told().len();
        server.kill();
        recorder.wait_after(since, "it is lost", |told| *told == Told::Lost);
        server.restart();
        lost_and_back(&recorder, since);
        let joined = recorder.told().into_iter().rfind(|told| matches!(told, Told::Joined(_)));
        assert_eq!(joined, Some(Told::Joined(None)), "the place that it has saved is of another life");
    }
}

#[test]
fn a_server_that_stands_still_is_lost_and_gives_no_proof_meanwhile() {
    let server = Server::private(&[]);
    let store = server.store();
    let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
    let since = recorder.told().len();
    let frozen = server.freeze();
    let frozen_at = recorder.now();
    recorder.wait_after(since, "it is lost", |told| *told == Told::Lost);
    let is_late =
        |told: &Told| matches!(told, Told::Proven { sent, .. } if *sent > frozen_at + Duration::from_millis(50));
    assert!(!recorder.told().iter().any(is_late), "{:?}", recorder.told());
    drop(frozen);
    lost_and_back(&recorder, since);
}

#[test]
fn a_server_that_is_busy_for_a_moment_loses_nobody_his_copies() {
    let server = Server::private(&[("enable-debug-command", "yes")]);
    let store = server.builder().namespace("n:").build().unwrap();
    let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
    for pause in ["0.05", "0.2", "0.4"] {
        redis::cmd("DEBUG").arg("SLEEP").arg(pause).exec(&mut server.raw()).unwrap();
        recorder.wait_for_proof();
    }
    assert_eq!(recorder.n_lost(), 0);
}

#[test]
fn a_line_that_is_cut_is_lost() {
    let server = Server::private(&[]);
    let line = DisturbedLine::to(server.port());
    let store = store_on(&line);
    let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
    for _ in 0..3 {
        let since = recorder.told().len();
        line.cut();
        lost_and_back(&recorder, since);
    }
}

#[test]
fn a_line_on_which_nothing_comes_any_more_is_lost() {
    let server = Server::private(&[]);
    let line = DisturbedLine::to(server.port());
    let store = store_on(&line);
    let (recorder, subscription) = Recorder::on(&store, every_10_ms(false));
    let since = recorder.told().len();
    line.lose_the_server();
    let start = Instant::now();
    recorder.wait_after(since, "it is lost", |told| *told == Told::Lost);
    assert!(start.elapsed() > Duration::from_millis(500), "a server may be busy for a moment");
    // Nor does it hang when it is dropped in the middle of the next attempt.
    let start = Instant::now();
    drop(subscription);
    assert!(start.elapsed() < Duration::from_millis(300), "{:?}", start.elapsed());
    line.hold(false);
}

#[test]
fn what_trickles_in_keeps_its_order_and_misses_nothing() {
    const N_WRITES: usize = 10;
    let server = Server::private(&[]);
    let line = DisturbedLine::to(server.port());
    let (store, writer) = (store_on(&line), server.builder().namespace("n:").build().unwrap());
    let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
    // Each wait for the next question ends in the middle of a message.
    line.trickle(Some(Duration::from_micros(500)));
    let places: Vec<_> = (0..N_WRITES)
        .map(|n| {
            let key = key(&format!("k{n}"));
            writer.begin(Nonce::fresh(), &[&key], LONG, Recall::Announced).unwrap()
        })
        .collect();
    recorder.wait_for("all are told", |told| {
        told.iter().filter(|told| matches!(told, Told::Dropped(..))).count() == N_WRITES
    });
    line.trickle(None);
    recorder.wait_for_proof();
    let expected: Vec<_> = places.into_iter().enumerate().map(|(n, place)| (vec![format!("k{n}")], place)).collect();
    assert_eq!(recorder.dropped(), expected);
    assert_eq!(recorder.n_lost(), 0);
}

#[test]
fn a_line_that_trickles_for_ever_is_lost() {
    let server = Server::private(&[]);
    let line = DisturbedLine::to(server.port());
    let (store, writer) = (store_on(&line), server.builder().namespace("n:").build().unwrap());
    let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
    let since = recorder.told().len();
    line.trickle(Some(Duration::from_millis(100)));
    // At ten bytes a second, this would take some minutes.
    let long = larder::store::CellKey::new(vec![b'k'; 4_000].into_boxed_slice(), key("a").layout());
    begin(&writer, &long).unwrap();
    recorder.wait_after(since, "it is lost", |told| *told == Told::Lost);
    line.trickle(None);
    lost_and_back(&recorder, since);
}

#[test]
fn an_answer_that_belongs_to_another_question_is_no_proof() {
    let server = Server::private(&[]);
    for (is_strict, answer) in
        [(true, &b"$1\r\n1\r\n"[..]), (false, b":0\r\n:0\r\n"), (true, b"$-1\r\n"), (true, b"*0\r\n")]
    {
        let line = DisturbedLine::to(server.port());
        let store = store_on(&line);
        let (recorder, _subscription) = Recorder::on(&store, every_10_ms(is_strict));
        line.hold(true);
        let start = Instant::now();
        eventually("what was on its way is there, and a question is open", || {
            start.elapsed() > Duration::from_millis(200)
        });
        let since = recorder.told().len();
        line.forge(answer);
        recorder.wait_after(since, "it is told something", |_| true);
        assert_eq!(recorder.told()[since], Told::Lost, "{}", answer.escape_ascii());
        line.hold(false);
        lost_and_back(&recorder, since);
    }
}

#[test]
fn an_answer_to_no_question_is_a_loss() {
    let server = Server::private(&[]);
    let line = DisturbedLine::to(server.port());
    let builder = RedisStore::builder(&line.url()).namespace("n:").quarantine(Duration::ZERO);
    let store = builder.strict_horizon(Duration::from_secs(10)).build().unwrap();
    let wanted = Listening { proof_every: Duration::from_secs(3_600), is_strict: false };
    let (recorder, _subscription) = Recorder::on(&store, wanted);
    for _ in 0..3 {
        let since = recorder.told().len();
        line.forge(b":0\r\n");
        lost_and_back(&recorder, since);
    }
}

#[test]
fn a_listener_that_is_slow_is_thrown_out_by_the_server_and_notices() {
    let server = Server::private(&[("client-output-buffer-limit", "pubsub 200kb 0 0")]);
    let line = DisturbedLine::to(server.port());
    let (store, writer) = (store_on(&line), server.builder().namespace("n:").build().unwrap());
    let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
    let mut raw = server.raw();
    let since = recorder.told().len();
    line.hold(true);
    // The sockets on the way take some megabytes before the server has to keep anything.
    let long = larder::store::CellKey::new(vec![b'k'; 60_000].into_boxed_slice(), key("a").layout());
    eventually("the server throws it out", || {
        begin(&writer, &long).unwrap();
        listening(&mut raw).is_empty()
    });
    line.hold(false);
    lost_and_back(&recorder, since);
}

#[test]
fn a_master_that_becomes_a_replica_proves_nothing_any_more() {
    let server = Server::private(&[]);
    let (store, mut raw) = (server.store(), server.raw());
    for is_strict in [false, true] {
        let (recorder, subscription) = Recorder::on(&store, every_10_ms(is_strict));
        let since = recorder.told().len();
        redis::cmd("REPLICAOF").arg("127.0.0.1").arg("1").exec(&mut raw).unwrap();
        let replica_at = recorder.now();
        recorder.wait_after(since, "it is lost", |told| *told == Told::Lost);
        let is_later = |told: &Told| matches!(told, Told::Proven { sent, .. } if *sent > replica_at);
        assert!(!recorder.told().iter().any(is_later), "{:?}", recorder.told());
        redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut raw).unwrap();
        lost_and_back(&recorder, since);
        drop(subscription);
    }
}

#[test]
fn one_that_was_thrown_out_again_and_again_is_not_made_anew_a_hundred_times_a_second() {
    let server = Server::private(&[]);
    let (store, mut raw) = (server.store(), server.raw());
    // Whoever subscribes is refused, after the connection was made.
    redis::cmd("ACL").arg("SETUSER").arg("default").arg("-subscribe").exec(&mut raw).unwrap();
    redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut raw).unwrap();
    let recorder = Recorder::new();
    let subscription = store.listen(recorder.listener(), every_10_ms(false)).unwrap();
    let n_made = |raw: &mut redis::Connection| -> u64 {
        let text: String = redis::cmd("INFO").arg("stats").query(raw).unwrap();
        text.lines().find_map(|line| line.strip_prefix("total_connections_received:")?.trim().parse().ok()).unwrap()
    };
    let start = Instant::now();
    eventually("it has been tried for two seconds", || start.elapsed() > Duration::from_secs(2));
    let n = n_made(&mut raw);
    assert!((3..20).contains(&n), "{n} connections in two seconds");
    drop(subscription);
    assert_eq!(recorder.told(), [Told::Lost]);
}
