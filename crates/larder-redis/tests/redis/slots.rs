//! Every script on one slot of a cluster. The cluster is one server that has all slots, and refuses commands on keys of several ones.

use std::{net::TcpListener, time::Duration};

use larder_redis::{
    rate::{Limit, WhenAway},
    sessions::SessionOptions,
    streams::{StreamOptions, Work},
    topics::Event,
};

use crate::{eventually::eventually, server::Server};

fn cluster() -> Server {
    // The one that goes by itself with a port, 10,000 above it, may be beyond all ports.
    let bus = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server::private(&[("cluster-enabled", "yes"), ("cluster-port", &bus.to_string())]);
    let mut raw = server.raw();
    redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16_383).exec(&mut raw).unwrap();
    eventually("the cluster works", || {
        let info: String = redis::cmd("CLUSTER").arg("INFO").query(&mut raw).unwrap();
        info.contains("cluster_state:ok")
    });
    server
}

#[test]
fn a_server_that_refuses_keys_of_several_slots_does_refuse_them() {
    let server = cluster();
    let set = redis::cmd("MSET").arg("a").arg(1).arg("b").arg(2).exec(&mut server.raw());
    assert!(set.unwrap_err().to_string().contains("slot"));
}

#[test]
fn sessions_of_users_lie_in_one_slot() {
    let server = cluster();
    let sessions = server.store().sessions::<u32>("web}{", SessionOptions::default());
    let session = sessions.create(None, 1).unwrap();
    let session = sessions.sign_in(session.id(), "ada").unwrap().unwrap();
    let other = sessions.create(Some("ada"), 2).unwrap();
    sessions.update(session.id(), |n| *n += 1).unwrap();
    let session = sessions.rotate(session.id()).unwrap().unwrap();
    assert_eq!((session.data, session.user()), (2, Some("ada")));
    assert!(sessions.revoke_others(session.id()).unwrap());
    assert!(sessions.load(other.id()).unwrap().is_none());
    assert!(sessions.revoke_all("ada").unwrap() && sessions.load(session.id()).unwrap().is_none());
}

#[test]
fn limits_that_are_checked_together_lie_in_one_slot() {
    let server = cluster();
    let limiter = server.store().rate_limiter("", WhenAway::Fail);
    let limit = Limit::per_hour("one", 1);
    let charges: Vec<_> = (0..100).map(|n| limit.of(format!("{n}"))).collect();
    assert!(limiter.check(&charges).unwrap().is_allowed);
    assert!(!limiter.check(&charges[..2]).unwrap().is_allowed);
    limiter.forgive(&charges).unwrap();
}

#[test]
fn a_stream_and_all_that_goes_with_it_lie_in_one_slot() {
    let server = cluster();
    let options = StreamOptions::default().redeliver_after(Duration::from_millis(1)).max_deliveries(1);
    let stream = server.store().stream::<u32>("test", options);
    let mut consumer = stream.consumer("group", "one");
    assert!(consumer.next(Duration::from_millis(10)).unwrap().is_none());
    stream.send(&1).unwrap();
    assert!(matches!(consumer.next(Duration::from_secs(30)).unwrap(), Some(Work::Delivery(_))));
    eventually("it is put aside", || {
        consumer.next(Duration::from_millis(1)).unwrap();
        stream.backlog("group").unwrap().n_dead == 1
    });
    assert!(stream.discard(&stream.dead_letters(1).unwrap()[0].id).unwrap());
}

#[test]
fn a_topic_is_told_in_a_cluster() {
    let server = cluster();
    let topic = server.store().topic::<u32>("test");
    let mut subscriber = topic.subscribe();
    assert!(matches!(subscriber.next(Duration::from_secs(30)), Some(Event::Gap)));
    topic.publish(&1).unwrap();
    assert!(matches!(subscriber.next(Duration::from_secs(30)), Some(Event::Message(1))));
}
