use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use larder::store::{BATCH, CellKey, Ending, Layout, Listening, Nonce, Position, Recall, Store};
use redis::Value;

use crate::{
    cells::{LONG, begin, finish, key, keys, put, stored},
    eventually::eventually,
    recorder::{Recorder, Told, every_10_ms},
    server::Server,
};

/// The connections of a server that listen.
fn n_listening(raw: &mut redis::Connection) -> usize {
    let list: String = redis::cmd("CLIENT").arg("LIST").arg("TYPE").arg("pubsub").query(raw).unwrap();
    list.lines().count()
}

fn place_of(store: &impl Store, name: &str) -> Position {
    store.begin(Nonce::fresh(), &[&key(name)], LONG, Recall::Announced).unwrap().unwrap()
}

#[test]
fn one_process_is_told_of_what_another_one_writes_before_the_next_proof() {
    let server = Server::shared();
    let namespace = crate::server::namespace();
    let store = || server.builder().namespace(namespace.as_str()).build().unwrap();
    let (reader, writer) = (store(), store());
    let (recorder, _subscription) = Recorder::on(&reader, every_10_ms(false));
    assert_eq!(recorder.told()[0], Told::Joined(None));
    let mut places = Vec::new();
    for n in 0..20 {
        places.push(place_of(&writer, &format!("users:id:{n}")));
        recorder.wait_for_proof();
        let dropped = recorder.dropped();
        assert_eq!(dropped.len(), n + 1, "the proof comes after the announcement");
        assert_eq!(dropped[n], (vec![format!("users:id:{n}")], Some(places[n])));
    }
    for (one, next) in places.iter().zip(&places[1..]) {
        assert_eq!((one.series, one.number + 1), (next.series, next.number));
    }
    let (late, _subscription) = Recorder::on(&reader, every_10_ms(false));
    assert_eq!(late.told()[0], Told::Joined(places.last().copied()));
    assert_eq!(recorder.n_lost(), 0);
}

#[test]
fn a_write_of_many_keys_is_told_with_its_last_ones() {
    let server = Server::shared();
    let store = server.store();
    let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
    let few = keys(2 * BATCH + 1);
    let long: Vec<CellKey> =
        (0..5).map(|n| CellKey::new(vec![b'a' + n; 30 << 10].into_boxed_slice(), Layout::new(1))).collect();
    for (keys, sizes) in [(few, vec![BATCH, BATCH, 1]), (long, vec![2, 2, 1])] {
        let before = recorder.dropped().len();
        let all: Vec<&CellKey> = keys.iter().collect();
        let place = store.begin(Nonce::fresh(), &all, LONG, Recall::Announced).unwrap().unwrap();
        recorder.wait_for_proof();
        let dropped = &recorder.dropped()[before..];
        assert_eq!(dropped.iter().map(|(keys, _)| keys.len()).collect::<Vec<_>>(), sizes);
        let places: Vec<_> = dropped.iter().map(|(_, place)| *place).collect();
        assert_eq!(places, [None, None, Some(place)], "a place that was reached means all of the write");
        let told: Vec<&str> = dropped.iter().flat_map(|(keys, _)| keys).map(String::as_str).collect();
        assert_eq!(told, keys.iter().map(|key| str::from_utf8(key.as_bytes()).unwrap()).collect::<Vec<_>>());
    }
}

#[test]
fn a_finish_tells_only_of_cells_whose_marker_was_lost() {
    let server = Server::private(&[]);
    let store = server.builder().namespace("here:").build().unwrap();
    let mut raw = server.raw();
    let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
    let [kept, evicted, refilled, rolled_back] = ["kept", "evicted", "refilled", "rolled-back"].map(key);
    let nonce = Nonce::fresh();
    let all = [&kept, &evicted, &refilled, &rolled_back];
    store.begin(nonce, &all, LONG, Recall::Announced).unwrap();
    for name in ["here:evicted", "here:refilled", "here:rolled-back"] {
        redis::cmd("DEL").arg(name).exec(&mut raw).unwrap();
    }
    put(&store, &refilled, b"old");
    let endings = [
        (&kept, stored(b"new")),
        (&evicted, stored(b"new")),
        (&refilled, Ending::Emptied),
        (&rolled_back, Ending::RolledBack),
    ];
    store.finish(nonce, &endings).unwrap();
    recorder.wait_for_proof();
    let dropped = recorder.dropped();
    assert_eq!(dropped.len(), 2, "{dropped:?}");
    assert_eq!(dropped[1], (vec!["evicted".to_owned(), "refilled".to_owned()], None));
}

#[test]
fn settling_tells_of_what_may_have_been_copied_and_of_nothing_else() {
    let server = Server::shared();
    let store = server.store();
    let [filled, gone, written, marked] = ["filled", "gone", "written", "marked"].map(key);
    put(&store, &filled, b"old");
    let nonce = begin(&store, &written).unwrap();
    finish(&store, &written, nonce, stored(b"new")).unwrap();
    begin(&store, &marked).unwrap();
    let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
    store.settle(Some(nonce), &[&filled, &gone, &written, &marked]).unwrap();
    recorder.wait_for_proof();
    // A copy of what has been evicted since is a copy all the same.
    assert_eq!(recorder.dropped(), [(vec!["filled".to_owned(), "gone".to_owned()], None)]);
}

#[test]
fn a_place_of_an_earlier_life_of_the_server_begins_no_series() {
    let mut server = Server::private(&[]);
    let store = server.store();
    let first = place_of(&store, "a");
    redis::cmd("SAVE").exec(&mut server.raw()).unwrap();
    server.kill();
    server.restart();
    eventually("the store finds its server again", || begin(&store, &key("b")).is_ok());
    let second = place_of(&store, "a");
    assert_ne!(first.series, second.series);
    assert!(!second.is_at_least(&first));
}

#[test]
fn a_series_that_is_lost_or_spoiled_is_followed_by_another() {
    let server = Server::private(&[]);
    let store = server.builder().namespace("here:").build().unwrap();
    let mut raw = server.raw();
    let mut series = vec![place_of(&store, "a").series];
    for spoil in [vec!["DEL", "here:#announced"], vec!["SET", "here:#announced", "garbage"], vec!["FLUSHALL"]] {
        redis::cmd(spoil[0]).arg(&spoil[1..]).exec(&mut raw).unwrap();
        let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
        assert_eq!(recorder.told()[0], Told::Joined(None));
        let place = place_of(&store, "a");
        assert_eq!(place.number, 1);
        recorder.wait_for("it is told", |told| told.iter().any(|told| matches!(told, Told::Dropped(..))));
        assert_eq!(recorder.dropped(), [(vec!["a".to_owned()], Some(place))]);
        assert!(!series.contains(&place.series));
        series.push(place.series);
    }
    redis::cmd("DEL").arg("here:#announced").exec(&mut raw).unwrap();
    redis::cmd("LPUSH").arg("here:#announced").arg("x").exec(&mut raw).unwrap();
    assert_eq!(place_of(&store, "a").number, 1, "another type is overwritten");
}

#[test]
fn databases_and_namespaces_hear_nothing_of_each_other() {
    let server = Server::private(&[]);
    let at = |path: &str, namespace: &str| {
        let url = format!("redis://127.0.0.1:{}{path}", server.port());
        larder_redis::RedisStore::builder(&url).quarantine(Duration::ZERO).namespace(namespace).build().unwrap()
    };
    let (here, other_database, other_namespace) = (at("/0", "n:"), at("/1", "n:"), at("/0", "m:"));
    let (recorder, _subscription) = Recorder::on(&here, every_10_ms(false));
    place_of(&other_database, "a");
    place_of(&other_namespace, "a");
    let place = place_of(&here, "a");
    recorder.wait_for_proof();
    assert_eq!(recorder.dropped(), [(vec!["a".to_owned()], Some(place))]);
}

#[test]
fn nothing_of_its_own_is_found_by_a_scan() {
    let server = Server::shared();
    let store = server.store();
    let (_recorder, subscription) = Recorder::on(&store, every_10_ms(true));
    place_of(&store, "a");
    let mut found = Vec::new();
    let mut from = Some(larder::store::Cursor::START);
    while let Some(cursor) = from {
        let page = store.scan(b"", cursor).unwrap();
        found.extend(page.keys.iter().map(|key| key.as_bytes().to_vec()));
        from = page.next;
    }
    assert_eq!(found, [b"a"]);
    drop(subscription);
}

#[test]
fn one_that_is_dropped_is_told_that_and_nothing_more_and_its_connection_goes() {
    let server = Server::private(&[]);
    let (store, mut raw) = (server.store(), server.raw());
    for is_strict in [false, true] {
        let (recorder, subscription) = Recorder::on(&store, every_10_ms(is_strict));
        assert_eq!(n_listening(&mut raw), 1);
        let start = Instant::now();
        drop(subscription);
        assert!(start.elapsed() < Duration::from_millis(300), "{:?}", start.elapsed());
        let told = recorder.told();
        assert_eq!(told.last(), Some(&Told::Lost));
        place_of(&store, "a");
        eventually("the connection is closed", || n_listening(&mut raw) == 0);
        assert_eq!(recorder.told(), told);
    }
}

#[test]
fn one_that_wants_a_proof_seldom_ends_at_once_all_the_same() {
    let server = Server::private(&[]);
    let (store, mut raw) = (server.builder().strict_horizon(Duration::from_secs(10)).build().unwrap(), server.raw());
    for is_strict in [false, true] {
        let wanted = Listening { proof_every: Duration::from_secs(3_600), is_strict };
        let (_recorder, subscription) = Recorder::on(&store, wanted);
        let start = Instant::now();
        drop(subscription);
        eventually("the connection is closed", || n_listening(&mut raw) == 0);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
}

#[test]
fn a_listener_is_reached_through_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    // The server may run as another user.
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let path = folder.path().join("redis.sock");
    let server = Server::private(&[("unixsocket", path.to_str().unwrap()), ("unixsocketperm", "777")]);
    let url = format!("unix://{}", path.display());
    let store = larder_redis::RedisStore::builder(&url).quarantine(Duration::ZERO).namespace("n:").build().unwrap();
    let (recorder, subscription) = Recorder::on(&store, every_10_ms(true));
    let place = place_of(&server.builder().namespace("n:").build().unwrap(), "a");
    recorder.wait_for_proof();
    assert_eq!(recorder.dropped(), [(vec!["a".to_owned()], Some(place))]);
    drop(subscription);
    assert_eq!(recorder.n_lost(), 1);
}

#[test]
fn who_listens_while_the_server_is_away_is_told_when_it_comes() {
    let mut server = Server::private(&[]);
    server.kill();
    let store = server.store();
    let recorder = Recorder::new();
    let start = Instant::now();
    let subscription = store.listen(recorder.listener(), every_10_ms(false)).unwrap();
    assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
    server.restart();
    recorder.wait_for("it has joined", |told| matches!(told, [Told::Joined(None), Told::Proven { .. }, ..]));
    server.kill();
    recorder.wait_for("it has lost its line", |told| told.contains(&Told::Lost));
    let start = Instant::now();
    drop(subscription);
    assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
    assert_eq!(recorder.n_lost(), 2);
}

#[test]
fn a_proof_is_as_often_as_wanted_and_for_strict_models_as_often_as_they_need() {
    let server = Server::shared();
    let store = server.builder().strict_horizon(Duration::from_millis(60)).build().unwrap();
    let rare = Listening { proof_every: Duration::from_secs(3_600), is_strict: false };
    let (recorder, subscription) = Recorder::on(&store, rare);
    recorder.wait_for("there are some proofs", |told| told.len() > 5);
    assert!(recorder.told()[1..].iter().all(|told| matches!(told, Told::Proven { is_strict: false, .. })));
    subscription.take_strict();
    recorder.wait_for("it may hold strict models", |told| {
        told.iter().any(|told| matches!(told, Told::Proven { is_strict: true, .. }))
    });
    assert_eq!(recorder.n_lost(), 0);
}

#[test]
fn what_was_published_before_a_question_is_told_before_its_answer_whatever_else_goes_on() {
    const N_WRITES: usize = 3_000;
    let server = Server::private(&[]);
    let store = server.builder().namespace("n:").build().unwrap();
    let wanted = Listening { proof_every: Duration::from_millis(1), is_strict: false };
    let (recorder, _subscription) = Recorder::on(&store, wanted);
    let writes: Vec<(Duration, Position)> = (0..N_WRITES)
        .map(|_| {
            let place = place_of(&store, "a");
            (recorder.now(), place)
        })
        .collect();
    recorder.wait_for_proof();
    let (mut n_told, mut n_proofs) = (0, 0);
    for told in recorder.told() {
        match told {
            Told::Dropped(_, place) => {
                assert_eq!(place, Some(writes[n_told].1));
                n_told += 1;
            }
            Told::Proven { sent, .. } => {
                let n_before = writes.partition_point(|(returned, _)| *returned < sent);
                assert!(n_told >= n_before, "{n_before} writes had returned when it was asked, and {n_told} were told");
                n_proofs += 1;
            }
            Told::Joined(_) | Told::Lost => {}
        }
    }
    assert_eq!((n_told, recorder.n_lost()), (N_WRITES, 0));
    assert!(n_proofs > 50, "{n_proofs} proofs");
}

#[test]
fn something_else_on_the_channel_is_a_loss() {
    let server = Server::private(&[]);
    let store = server.builder().namespace("n:").build().unwrap();
    let mut raw = server.raw();
    let (recorder, _subscription) = Recorder::on(&store, every_10_ms(false));
    for (n, garbage) in ["", "Zlater", "D0000"].into_iter().enumerate() {
        let before = recorder.told().len();
        let told: Value = redis::cmd("PUBLISH").arg("n:#changed0").arg(garbage).query(&mut raw).unwrap();
        assert_eq!(told, Value::Int(1));
        recorder.wait_after(before, "it is lost", |told| *told == Told::Lost);
        recorder.wait_after(before, "it joins again", |told| matches!(told, Told::Joined(_)));
        assert_eq!(recorder.n_lost(), n + 1);
    }
}
