//! What was ended is over, whatever happens.

use std::time::{Duration, Instant};

use larder_redis::sessions::{SessionError, SessionOptions};

use super::{LONG, Site, data, is_live, options, visit};
use crate::{eventually::eventually, server::Server};

#[test]
fn a_revoked_session_is_over_and_no_save_brings_it_back() {
    let site = Site::new();
    let sessions = site.sessions();
    let mut session = sessions.create(Some("ada"), visit("")).unwrap();
    let other = sessions.create(Some("ada"), visit("")).unwrap();
    assert!(sessions.revoke(session.id()).unwrap());
    assert!(!sessions.revoke(session.id()).unwrap(), "it was over already");
    assert!(matches!(sessions.save(&mut session), Err(SessionError::Gone)));
    assert!(matches!(sessions.update(session.id(), |_| ()), Err(SessionError::Gone)));
    assert!(sessions.rotate(session.id()).unwrap().is_none());
    assert!(!is_live(&sessions, session.id()) && is_live(&sessions, other.id()));
}

#[test]
fn a_rotated_session_has_its_new_id_only_and_all_that_it_had() {
    let site = Site::new();
    let sessions = site.sessions();
    let mut old = sessions.create(Some("ada"), visit("a")).unwrap();
    sessions.update(old.id(), |visit| visit.note.push('b')).unwrap();
    let mut new = sessions.rotate(old.id()).unwrap().unwrap();
    assert_ne!(new.id(), old.id());
    assert_eq!((new.data.note.as_str(), new.user()), ("ab", Some("ada")), "the data as it was then");
    assert!(!is_live(&sessions, old.id()) && is_live(&sessions, new.id()));
    assert!(matches!(sessions.save(&mut old), Err(SessionError::Gone)));
    assert!(sessions.rotate(old.id()).unwrap().is_none());
    sessions.save(&mut new).unwrap();
    assert_eq!(site.keys().len(), 2, "the session, and its user");
}

#[test]
fn whoever_has_planted_an_id_has_nothing_after_the_sign_in() {
    let site = Site::new();
    let sessions = site.with(options(LONG, LONG));
    let planted = sessions.create(None, visit("basket")).unwrap();
    let session = site.with(options(LONG, 2 * LONG)).sign_in(planted.id(), "ada").unwrap().unwrap();
    assert_eq!((session.data.note.as_str(), session.user()), ("basket", Some("ada")));
    assert!(session.ends_in() > LONG, "its life begins with the sign-in");
    assert!(sessions.load(session.id()).unwrap().unwrap().ends_in() > LONG, "and it is written down");
    assert!(!is_live(&sessions, planted.id()));
    // Whoever becomes another user is not ended with the first one.
    let session = sessions.sign_in(session.id(), "grace").unwrap().unwrap();
    sessions.revoke_all("ada").unwrap();
    assert_eq!(sessions.load(session.id()).unwrap().unwrap().user(), Some("grace"));
    sessions.revoke_all("grace").unwrap();
    assert!(!is_live(&sessions, session.id()));
}

#[test]
fn all_sessions_of_a_user_end_at_once_and_none_of_others() {
    let site = Site::new();
    let sessions = site.sessions();
    let of = |user| sessions.create(Some(user), visit("")).unwrap();
    let (mut one, two, other, nobodys) = (of("ada"), of("ada"), of("grace"), sessions.create(None, visit("")).unwrap());
    assert!(sessions.revoke_all("ada").unwrap());
    assert!(!sessions.revoke_all("ada").unwrap());
    // A session that begins afterwards is good, and the old ones stay what they are.
    let later = of("ada");
    assert!(matches!(sessions.save(&mut one), Err(SessionError::Gone)));
    assert!(matches!(sessions.update(two.id(), |_| ()), Err(SessionError::Gone)));
    assert!(sessions.rotate(two.id()).unwrap().is_none());
    assert!([&one, &two].iter().all(|session| !is_live(&sessions, session.id())));
    assert!([&other, &nobodys, &later].iter().all(|session| is_live(&sessions, session.id())));
}

#[test]
fn all_other_sessions_of_a_user_end_and_this_one_goes_on() {
    let site = Site::new();
    let sessions = site.sessions();
    let of = |user| sessions.create(Some(user), visit("")).unwrap();
    let (this, that, other, nobodys) = (of("ada"), of("ada"), of("grace"), sessions.create(None, visit("")).unwrap());
    assert!(sessions.revoke_others(this.id()).unwrap());
    assert!(!sessions.revoke_others(that.id()).unwrap() && !sessions.revoke_others(nobodys.id()).unwrap());
    assert!(!is_live(&sessions, that.id()));
    assert!([&this, &other, &nobodys, &of("ada")].iter().all(|session| is_live(&sessions, session.id())));
    sessions.revoke_all("ada").unwrap();
    assert!(!is_live(&sessions, this.id()));
}

#[test]
fn a_user_whose_key_was_evicted_has_no_session_any_more_and_may_begin_another() {
    let site = Site::new();
    let sessions = site.sessions();
    let old = sessions.create(Some("ada"), visit("")).unwrap();
    let key = site.keys().into_iter().find(|key| key.contains(":u:")).unwrap();
    redis::cmd("DEL").arg(key).exec(&mut site.server.raw()).unwrap();
    let new = sessions.create(Some("ada"), visit("")).unwrap();
    assert!(!is_live(&sessions, old.id()) && is_live(&sessions, new.id()));
}

fn durable() -> Server {
    Server::private(&[("appendonly", "yes"), ("appendfsync", "always")])
}

#[test]
fn a_killed_server_that_writes_through_has_all_sessions_and_none_that_were_ended() {
    let mut server = durable();
    let sessions = server.patient().build().unwrap().sessions("test", SessionOptions::default());
    let of = |user| sessions.create(Some(user), visit(user)).unwrap();
    let (kept, revoked, rotated, with_all) = (of("ada"), of("ada"), of("ada"), of("grace"));
    sessions.revoke(revoked.id()).unwrap();
    let new = sessions.rotate(rotated.id()).unwrap().unwrap();
    sessions.revoke_all("grace").unwrap();
    server.kill();
    assert!(matches!(sessions.load(kept.id()), Err(SessionError::Store(_))));
    server.restart();
    eventually("the server is back", || sessions.load(kept.id()).is_ok());
    assert_eq!(data(&sessions, kept.id()), visit("ada"));
    assert_eq!(data(&sessions, new.id()), visit("ada"));
    assert!([&revoked, &rotated, &with_all].iter().all(|session| !is_live(&sessions, session.id())));
}

#[test]
fn a_killed_server_that_keeps_nothing_has_no_sessions() {
    let mut server = Server::private(&[]);
    let sessions = server.patient().build().unwrap().sessions("test", SessionOptions::default());
    let session = sessions.create(Some("ada"), visit("")).unwrap();
    server.kill();
    server.restart();
    eventually("the server is back", || sessions.load(session.id()).is_ok());
    assert!(!is_live(&sessions, session.id()));
}

#[test]
fn a_server_that_stands_still_is_waited_for_no_longer_than_the_time_out() {
    const TIMEOUT: Duration = Duration::from_millis(100);
    const SLACK: Duration = Duration::from_millis(700);
    let server = Server::private(&[]);
    let store = server.builder().io_timeout(TIMEOUT).pool_size(1).build().unwrap();
    let sessions = store.sessions("test", SessionOptions::default());
    let session = sessions.create(None, visit("")).unwrap();
    let frozen = server.freeze();
    for _ in 0..3 {
        let start = Instant::now();
        assert!(matches!(sessions.load(session.id()), Err(SessionError::Store(_))));
        assert!(start.elapsed() < TIMEOUT + SLACK, "{:?}", start.elapsed());
    }
    drop(frozen);
    eventually("the server answers again", || sessions.load(session.id()).is_ok());
    assert_eq!(data(&sessions, session.id()), visit(""));
}

#[test]
fn sessions_outlive_their_connections_and_their_scripts() {
    let server = Server::private(&[]);
    let sessions = server.patient().build().unwrap().sessions("test", SessionOptions::default());
    let session = sessions.create(None, visit("a")).unwrap();
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut server.raw()).unwrap();
    sessions.update(session.id(), |visit| visit.note.push('b')).unwrap();
    server.end_connections();
    eventually("there are connections again", || sessions.load(session.id()).is_ok());
    assert_eq!(data(&sessions, session.id()), visit("ab"));
}
