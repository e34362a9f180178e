//! Writes that return when nobody serves a copy of what they change.

use std::{
    thread,
    time::{Duration, Instant},
};

use larder::store::{BATCH, CellKey, Listening, Nonce, Recall, Store, StoreError};
use larder_redis::RedisStore;

use crate::{
    cells::{LONG, key, keys},
    eventually::eventually,
    line::DisturbedLine,
    recorder::{Recorder, every_10_ms},
    server::Server,
};

/// H of these tests: a writer waits for 1,099.9 ms.
const HORIZON: Duration = Duration::from_millis(990);
const WAIT: Duration = Duration::from_millis(1_099);
/// For how long one is on the list of holders.
const LISTED: Duration = Duration::from_secs(2);
/// What is less was not waited for, however busy the machine.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How late a thread may be.
const SLACK: Duration = Duration::from_secs(3);

fn store_at(url: &str) -> RedisStore {
    let builder = RedisStore::builder(url).namespace("n:").quarantine(Duration::ZERO);
    builder.strict_horizon(HORIZON).build().unwrap()
}

/// Writes, and tells how long it took.
fn write(store: &RedisStore, recall: Recall, keys: &[&CellKey]) -> Result<Duration, StoreError> {
    let start = Instant::now();
    store.begin(Nonce::fresh(), keys, LONG, recall)?;
    Ok(start.elapsed())
}

fn recall(store: &RedisStore, name: &str) -> Duration {
    write(store, Recall::Acknowledged, &[&key(name)]).unwrap()
}

fn was_told_of(recorder: &Recorder, name: &str) -> bool {
    recorder.dropped().iter().any(|(keys, _)| keys.iter().any(|key| key == name))
}

/// Writes until the store hears answers, which on a busy machine may be later than its first write is ready to wait for.
fn warm_up(store: &RedisStore) {
    eventually("answers are heard", || recall(store, "first") < AT_ONCE);
}

/// Makes the server take the list of holders for an old one, so that nobody has to wait until it is.
fn age_the_list(raw: &mut redis::Connection) {
    let all: Vec<String> = redis::cmd("ZRANGE").arg("n:#holders").arg(0).arg(-1).query(raw).unwrap();
    let since = all.iter().find(|name| name.starts_with('@')).expect("somebody has made the list");
    redis::cmd("ZADD").arg("n:#holders").arg(-1_000).arg(since).exec(raw).unwrap();
}

fn holders(raw: &mut redis::Connection) -> Vec<String> {
    let all: Vec<String> = redis::cmd("ZRANGE").arg("n:#holders").arg(0).arg(-1).query(raw).unwrap();
    all.into_iter().filter(|name| !name.starts_with('@')).collect()
}

#[test]
fn a_write_returns_when_a_holder_elsewhere_has_dropped_its_copies_and_not_before() {
    let server = Server::private(&[]);
    let builder = || server.builder().namespace("n:").strict_horizon(Duration::from_secs(10)).build().unwrap();
    let (reader, writer) = (builder(), builder());
    let (recorder, _subscription) = Recorder::on(&reader, every_10_ms(true));
    let (other, _subscription) = Recorder::on(&reader, every_10_ms(true));
    age_the_list(&mut server.raw());
    for round in 0..3 {
        let name = format!("k{round}");
        let held_up = recorder.hold_up();
        thread::scope(|scope| {
            let written = scope.spawn(|| recall(&writer, &name));
            let start = Instant::now();
            eventually("it has had the time to return", || start.elapsed() > Duration::from_millis(200));
            assert!(!written.is_finished(), "the copies are still there");
            assert!(was_told_of(&other, &name), "that one has answered is not enough");
            drop(held_up);
            let took = written.join().unwrap();
            assert!(was_told_of(&recorder, &name));
            assert!(took < Duration::from_secs(5), "{took:?}");
        });
    }
    // Those who only write, or who wait for proof and not to be asked, hold nobody up.
    let held_up = recorder.hold_up();
    assert!(write(&writer, Recall::Announced, &[&key("a")]).unwrap() < AT_ONCE);
    drop(held_up);
}

#[test]
fn nobody_is_asked_while_the_list_is_young() {
    let mut server = Server::private(&[]);
    let store = store_at(server.url());
    let (recorder, _subscription) = Recorder::on(&store, every_10_ms(true));
    let expect_young = |server: &Server, what: &str| {
        let start = Instant::now();
        assert!(recall(&store, what) >= WAIT, "{what}");
        recorder.wait_for("it is a holder again", |_| !holders(&mut server.raw()).is_empty());
        eventually("the list is old enough", || recall(&store, what) < WAIT);
        assert!(start.elapsed() > LISTED, "{what}: after {:?}", start.elapsed());
        assert!(recall(&store, what) < AT_ONCE, "{what}");
    };
    let mut raw = server.raw();
    redis::cmd("DEL").arg("n:#holders").exec(&mut raw).unwrap();
    expect_young(&server, "the list was evicted");
    redis::cmd("FLUSHALL").exec(&mut raw).unwrap();
    expect_young(&server, "everything was");
    redis::cmd("SET").arg("n:#holders").arg("garbage").exec(&mut raw).unwrap();
    expect_young(&server, "it was spoiled");
    redis::cmd("SAVE").exec(&mut raw).unwrap();
    server.kill();
    server.restart();
    eventually("the server is back", || store.read(&[key("a")]).is_ok());
    expect_young(&server, "the server has begun another life, with a list of the one before");
}

#[test]
fn a_holder_that_does_not_answer_is_waited_for_and_not_for_longer_than_it_is_listed() {
    let server = Server::private(&[]);
    let line = DisturbedLine::to(server.port());
    let (reader, writer) = (store_at(&line.url()), store_at(server.url()));
    let (recorder, subscription) = Recorder::on(&reader, every_10_ms(true));
    age_the_list(&mut server.raw());
    warm_up(&writer);
    line.hold(true);
    let start = Instant::now();
    for name in ["b", "c"] {
        let took = recall(&writer, name);
        assert!(took >= WAIT && took < WAIT + SLACK, "{took:?}");
    }
    eventually("nobody waits for it any more", || recall(&writer, "d") < AT_ONCE);
    assert!(start.elapsed() < LISTED + 2 * WAIT + SLACK, "{:?}", start.elapsed());
    drop((subscription, recorder));
    line.hold(false);
}

#[test]
fn who_leaves_in_good_order_is_waited_for_no_more() {
    let server = Server::private(&[]);
    let (reader, writer) = (store_at(server.url()), store_at(server.url()));
    let mut raw = server.raw();
    let (_recorder, subscription) = Recorder::on(&reader, every_10_ms(true));
    age_the_list(&mut raw);
    assert_eq!(holders(&mut raw).len(), 1);
    let start = Instant::now();
    drop(subscription);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    eventually("it is off the list", || holders(&mut raw).is_empty());
    warm_up(&writer);
    assert!(recall(&writer, "a") < AT_ONCE);
}

#[test]
fn holders_on_the_writers_own_store_are_told_before_it_returns() {
    let server = Server::private(&[]);
    let store = store_at(server.url());
    let (one, _subscription) = Recorder::on(&store, every_10_ms(true));
    let (other, _subscription) = Recorder::on(&store, every_10_ms(true));
    age_the_list(&mut server.raw());
    warm_up(&store);
    for n in 0..20 {
        let name = format!("k{n}");
        assert!(recall(&store, &name) < AT_ONCE);
        assert!(was_told_of(&one, &name) && was_told_of(&other, &name));
    }
    let held_up = one.hold_up();
    thread::scope(|scope| {
        let written = scope.spawn(|| recall(&store, "a"));
        eventually("the other one is told", || was_told_of(&other, "a"));
        let start = Instant::now();
        eventually("it has had the time to return", || start.elapsed() > Duration::from_millis(200));
        assert!(!written.is_finished());
        drop(held_up);
        written.join().unwrap();
    });
    assert!(was_told_of(&one, "a"));
}

#[test]
fn outwaiting_asks_nobody() {
    let server = Server::private(&[]);
    let (reader, writer) = (store_at(server.url()), store_at(server.url()));
    let (recorder, _subscription) = Recorder::on(&reader, every_10_ms(true));
    age_the_list(&mut server.raw());
    let took = write(&writer, Recall::Outwaited, &[&key("a")]).unwrap();
    assert!(took >= WAIT && took < WAIT + SLACK, "{took:?}");
    assert!(was_told_of(&recorder, "a"));
}

#[test]
fn who_holds_no_copies_of_strict_models_is_not_waited_for() {
    let server = Server::private(&[]);
    let (reader, writer) = (store_at(server.url()), store_at(server.url()));
    let (recorder, subscription) = Recorder::on(&reader, every_10_ms(false));
    recall(&writer, "who makes the list");
    age_the_list(&mut server.raw());
    warm_up(&writer);
    let held_up = recorder.hold_up();
    assert!(recall(&writer, "a") < AT_ONCE);
    drop(held_up);
    // Where another one is asked, it holds its tongue.
    let (holder, leaving) = Recorder::on(&reader, every_10_ms(true));
    redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut server.raw()).unwrap();
    assert!(recall(&writer, "b") < AT_ONCE);
    assert!(was_told_of(&holder, "b"));
    recorder.wait_for_proof();
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut server.raw()).unwrap();
    assert!(stats.contains("cmdstat_publish:calls=2,"), "an announcement and an answer: {stats}");
    drop(leaving);
    // From then on it is, and so may serve them.
    subscription.take_strict();
    eventually("it is listed", || holders(&mut server.raw()).len() == 1);
}

#[test]
fn a_write_of_many_keys_waits_until_all_are_dropped() {
    let server = Server::private(&[]);
    let (reader, writer) = (store_at(server.url()), store_at(server.url()));
    let (recorder, _subscription) = Recorder::on(&reader, every_10_ms(true));
    age_the_list(&mut server.raw());
    warm_up(&writer);
    let keys = keys(3 * BATCH + 1);
    for _ in 0..5 {
        let before = recorder.dropped().len();
        let took = write(&writer, Recall::Acknowledged, &keys.iter().collect::<Vec<_>>()).unwrap();
        let n_told: usize = recorder.dropped()[before..].iter().map(|(keys, _)| keys.len()).sum();
        assert_eq!(n_told, keys.len());
        assert!(took < WAIT, "{took:?}");
    }
}

#[test]
fn a_server_that_has_forgotten_the_script_costs_no_wait() {
    let server = Server::private(&[]);
    let (reader, writer) = (store_at(server.url()), store_at(server.url()));
    let (recorder, _subscription) = Recorder::on(&reader, every_10_ms(true));
    let mut raw = server.raw();
    age_the_list(&mut raw);
    warm_up(&writer);
    for name in ["a", "b"] {
        redis::cmd("SCRIPT").arg("FLUSH").exec(&mut raw).unwrap();
        assert!(recall(&writer, name) < AT_ONCE);
        assert!(was_told_of(&recorder, name));
    }
}

#[test]
fn a_write_of_which_a_part_was_announced_before_another_was_marked_asks_nobody() {
    let server = Server::private(&[]);
    let line = DisturbedLine::to(server.port());
    let (reader, writer, other) = (store_at(server.url()), store_at(&line.url()), store_at(server.url()));
    let (recorder, _subscription) = Recorder::on(&reader, every_10_ms(true));
    let mut raw = server.raw();
    age_the_list(&mut raw);
    warm_up(&writer);
    let n_before = recorder.dropped().len();
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut raw).unwrap();
    redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut raw).unwrap();
    let keys = keys(2 * BATCH);
    // The first batch arrives when the server has forgotten the script, the second when somebody has taught it again.
    line.allow_the_server(Some(9_000));
    thread::scope(|scope| {
        let written = scope.spawn(|| write(&writer, Recall::Acknowledged, &keys.iter().collect::<Vec<_>>()).unwrap());
        eventually("the first batch is refused", || {
            let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut raw).unwrap();
            stats.lines().any(|line| line.starts_with("cmdstat_evalsha:") && line.contains("failed_calls=1"))
        });
        write(&other, Recall::Announced, &[&key("b")]).unwrap();
        line.allow_the_server(None);
        assert!(written.join().unwrap() >= WAIT);
    });
    let told: Vec<usize> = recorder.dropped()[n_before..].iter().map(|(keys, _)| keys.len()).collect();
    assert_eq!(told, [1, BATCH, BATCH, BATCH], "the second batch is announced once more, after the first");
    assert!(recall(&writer, "c") < AT_ONCE);
}

#[test]
fn a_hundred_holders_are_asked_by_many_writers_at_once() {
    const N_HOLDERS: usize = 100;
    const N_WRITERS: usize = 4;
    let server = Server::private(&[]);
    let (reader, writer) = (store_at(server.url()), store_at(server.url()));
    let wanted = Listening { proof_every: Duration::from_millis(200), is_strict: true };
    let holders: Vec<_> = (0..N_HOLDERS).map(|_| Recorder::on(&reader, wanted)).collect();
    age_the_list(&mut server.raw());
    warm_up(&writer);
    let (writer, holders) = (&writer, &holders);
    thread::scope(|scope| {
        for w in 0..N_WRITERS {
            scope.spawn(move || {
                for n in 0..5 {
                    let name = format!("k{w}-{n}");
                    // It may have waited in vain for one that had no time to run; but not for one that was told.
                    let took = recall(writer, &name);
                    let n_told = holders.iter().filter(|(recorder, _)| was_told_of(recorder, &name)).count();
                    assert!(n_told == N_HOLDERS || took >= WAIT, "{n_told} were told in {took:?}");
                }
            });
        }
    });
    assert!(holders.iter().all(|(recorder, _)| recorder.n_lost() == 0));
}

#[test]
fn a_store_whose_answers_are_cut_off_waits_and_hears_again() {
    let server = Server::private(&[]);
    let (reader, writer) = (store_at(server.url()), store_at(server.url()));
    let (recorder, _subscription) = Recorder::on(&reader, every_10_ms(true));
    let mut raw = server.raw();
    age_the_list(&mut raw);
    warm_up(&writer);
    let since = recorder.told().len();
    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").exec(&mut raw).unwrap();
    let took = recall(&writer, "b");
    assert!(took < WAIT + SLACK, "{took:?}");
    recorder.wait_after(since, "it was lost too", |told| *told == crate::recorder::Told::Lost);
    eventually("answers are heard again", || recall(&writer, "c") < AT_ONCE);
}

#[test]
fn a_server_that_goes_in_the_middle_of_a_wait_makes_it_no_longer() {
    let mut server = Server::private(&[]);
    let (reader, writer) = (store_at(server.url()), store_at(server.url()));
    let (recorder, _subscription) = Recorder::on(&reader, every_10_ms(true));
    age_the_list(&mut server.raw());
    warm_up(&writer);
    let held_up = recorder.hold_up();
    thread::scope(|scope| {
        let written = scope.spawn(|| recall(&writer, "a"));
        eventually("it has begun", || writer.read(&[key("a")]).unwrap() == [larder::store::Cell::InDoubt]);
        server.kill();
        drop(held_up);
        let took = written.join().unwrap();
        assert!(took < WAIT + SLACK, "{took:?}");
    });
    server.restart();
}
