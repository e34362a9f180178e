use std::time::Instant;

use diesel::{Connection as _, PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use redis::{Client, Commands as _, RedisResult};

use super::*;
use crate::{EMPTY, eventually, redis_url};

fn connect(proxy: &Proxy) -> redis::Connection {
    let connection = Client::open(proxy.url()).unwrap().get_connection().unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    connection
}

fn ping(connection: &mut redis::Connection) -> bool {
    connection.ping::<String>().is_ok()
}

#[test]
fn a_commit_whose_answer_is_lost_has_happened() {
    let database = EMPTY.database();
    let proxy = Proxy::to(database.url());
    let mut connection = PgConnection::establish(proxy.url()).unwrap();
    connection.batch_execute("CREATE TABLE t (x int); BEGIN; INSERT INTO t VALUES (7)").unwrap();
    proxy.lose_the_answer_to_commit();
    assert!(connection.batch_execute("COMMIT").is_err());
    assert!(connection.batch_execute("SELECT 1").is_err());
    let mut connection = PgConnection::establish(proxy.url()).unwrap();
    assert_eq!(sql_query("SELECT x FROM t").execute(&mut connection).unwrap(), 1);
    connection.batch_execute("BEGIN; COMMIT").unwrap();
}

#[test]
fn a_commit_that_is_held_comes_later_and_the_next_one_at_once() {
    let database = EMPTY.database();
    let proxy = Proxy::to(database.url());
    let mut connection = PgConnection::establish(proxy.url()).unwrap();
    connection.batch_execute("CREATE TABLE t (x int); BEGIN; INSERT INTO t VALUES (7)").unwrap();
    let (time, start) = (Duration::from_millis(300), Instant::now());
    proxy.hold_the_next_commit(time);
    connection.batch_execute("SELECT; COMMIT").unwrap();
    assert!(start.elapsed() >= time && !proxy.awaits_a_commit());
    assert_eq!(sql_query("SELECT x FROM t").execute(&mut connection).unwrap(), 1);
    proxy.hold_the_next_commit(Duration::from_secs(3_600));
    connection.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED; ROLLBACK").unwrap();
    assert!(proxy.awaits_a_commit(), "that was none");
}

#[test]
fn a_server_that_ends_a_held_transaction_is_heard() {
    let database = EMPTY.database();
    let proxy = Proxy::to(database.url());
    let mut connection = PgConnection::establish(proxy.url()).unwrap();
    connection.batch_execute("CREATE TABLE t (x int)").unwrap();
    let begin = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 50; INSERT INTO t VALUES (7)";
    connection.batch_execute(begin).unwrap();
    proxy.hold_the_next_commit(Duration::from_secs(3_600));
    assert!(connection.batch_execute("COMMIT").is_err());
    let mut connection = PgConnection::establish(proxy.url()).unwrap();
    assert_eq!(sql_query("SELECT x FROM t").execute(&mut connection).unwrap(), 0);
}

#[test]
fn what_is_held_arrives_when_it_is_released() {
    let proxy = Proxy::to(&redis_url());
    let mut connection = connect(&proxy);
    assert!(ping(&mut connection));
    proxy.hold();
    let answered = std::thread::spawn(move || ping(&mut connection));
    assert!(!answered.is_finished());
    proxy.release();
    assert!(answered.join().unwrap());
    proxy.delay(Duration::from_millis(20));
    let mut connection = connect(&proxy);
    let start = Instant::now();
    assert!((0..40).all(|_| ping(&mut connection)));
    assert!(start.elapsed() > Duration::from_millis(100), "80 ways of 10 ms on average");
    proxy.delay(Duration::ZERO);
    proxy.answer_after(Duration::from_millis(60));
    let start = Instant::now();
    assert!(ping(&mut connection));
    assert!(start.elapsed() >= Duration::from_millis(60));
    proxy.answer_after(Duration::ZERO);
}

#[test]
fn a_connection_that_is_cut_ends_although_it_is_held() {
    let proxy = Proxy::to(&redis_url());
    let (mut first, mut second) = (connect(&proxy), connect(&proxy));
    assert!(ping(&mut first) && ping(&mut second));
    let mut n_asked = 0;
    let second_only = || {
        n_asked += 1;
        n_asked == 2
    };
    proxy.hold();
    assert_eq!(proxy.cut(second_only), 1);
    assert!(!ping(&mut second));
    proxy.release();
    assert!(ping(&mut first));
}

#[test]
fn a_half_closed_connection_goes_on_the_other_way() {
    let proxy = Proxy::to(&redis_url());
    let key = format!("test-proxy-{:016x}", fastrand::u64(..));
    let mut watcher = Client::open(redis_url()).unwrap().get_connection().unwrap();
    // The client is told that there is nothing to come, and what it says arrives all the same.
    let mut deaf = connect(&proxy);
    assert_eq!(proxy.half_close(Side::Client, || true), 1);
    let answer: RedisResult<()> = deaf.set_ex(&key, 7, 60);
    assert!(answer.is_err());
    eventually(Duration::from_secs(30), || watcher.get::<_, Option<u8>>(&key).unwrap() == Some(7));
    // The server hangs up when it is told, and that is passed on.
    let mut mute = connect(&proxy);
    assert!(proxy.half_close(Side::Server, || true) >= 1);
    let answer: RedisResult<()> = mute.set_ex(&key, 8, 60);
    assert!(answer.is_err());
    assert_eq!(watcher.get_del::<_, Option<u8>>(&key).unwrap(), Some(7));
}

#[test]
fn new_connections_are_led_to_another_server() {
    let (first, second) = (crate::OwnRedis::new(), crate::OwnRedis::new());
    let proxy = Proxy::to(&first.url());
    let mut before = connect(&proxy);
    proxy.lead_to(&second.url());
    let mut after = connect(&proxy);
    let _: () = before.set("k", 1).unwrap();
    assert_eq!(after.get::<_, Option<u8>>("k").unwrap(), None);
}

#[test]
fn subscribers_are_disturbed_and_others_are_not() {
    let proxy = Proxy::to(&redis_url());
    let channel = format!("test-proxy-{:016x}", fastrand::u64(..));
    let (mut other, mut publisher) = (connect(&proxy), Client::open(redis_url()).unwrap().get_connection().unwrap());
    let subscribers = proxy.subscribers(&channel);
    let [mut late, mut cut, mut closed] = std::array::from_fn(|_| connect(&proxy));

    // It unsubscribes when it is dropped.
    let mut late = late.as_pubsub();
    late.subscribe(&channel).unwrap();
    let by = Duration::from_millis(100);
    subscribers.delay(by);
    let start = Instant::now();
    assert_eq!(publisher.publish::<_, _, u8>(&channel, "late").unwrap(), 1);
    assert!(ping(&mut other) && start.elapsed() < by, "unless a PING takes a tenth of a second");
    let told: String = late.get_message().unwrap().get_payload().unwrap();
    assert!(told == "late" && start.elapsed() >= by);
    assert_eq!(subscribers.hurry(), 1);

    late.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(subscribers.deafen(|| true), 1);
    assert_eq!(publisher.publish::<_, _, u8>(&channel, "lost").unwrap(), 1, "the server does not know");
    assert!(late.get_message().is_err_and(|error| error.is_timeout()));

    let mut cut = cut.as_pubsub();
    cut.subscribe(&channel).unwrap();
    assert_eq!(subscribers.cut(|| true), 2);
    assert!(cut.get_message().is_err_and(|error| !error.is_timeout()));
    let mut closed = closed.as_pubsub();
    closed.subscribe(&channel).unwrap();
    assert!(subscribers.half_close(Side::Client, || true) >= 1);
    assert!(closed.get_message().is_err_and(|error| !error.is_timeout()));
    assert_eq!(proxy.subscribers("another-channel").cut(|| true), 0);
    assert!(ping(&mut other));
}
