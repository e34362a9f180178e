//! Several who change one session at once.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use larder_redis::sessions::SessionError;

use super::{Site, data, is_live, visit};

#[test]
fn of_two_who_have_loaded_the_same_only_one_can_save() {
    let site = Site::new();
    let sessions = site.sessions();
    let id = *sessions.create(None, visit("")).unwrap().id();
    let [mut one, mut other] = [(), ()].map(|()| sessions.load(&id).unwrap().unwrap());
    one.data.basket.push(2);
    other.data.basket.push(3);
    sessions.save(&mut one).unwrap();
    assert!(matches!(sessions.save(&mut other), Err(SessionError::Conflict)));
    assert_eq!(data(&sessions, &id).basket, [1, 2]);
    sessions.update(&id, |visit| visit.basket.push(3)).unwrap();
    assert_eq!(data(&sessions, &id).basket, [1, 2, 3]);
}

#[test]
fn updates_of_all_threads_are_there() {
    const N_THREADS: u32 = 8;
    const N_UPDATES: u32 = 25;
    let site = Site::new();
    let id = *site.sessions().create(None, visit("")).unwrap().id();
    thread::scope(|scope| {
        for n in 0..N_THREADS {
            // A store of its own, as of another process.
            let sessions = site.sessions();
            scope.spawn(move || {
                (0..N_UPDATES).for_each(|m| sessions.update(&id, |visit| visit.basket.push(100 * n + m)).unwrap());
            });
        }
    });
    let mut basket = data(&site.sessions(), &id).basket;
    basket.sort_unstable();
    let mut all: Vec<u32> = (0..N_THREADS).flat_map(|n| (0..N_UPDATES).map(move |m| 100 * n + m)).collect();
    all.push(1);
    all.sort_unstable();
    assert_eq!(basket, all);
}

/// Saves and loads go on while a session is ended: whatever begins after the end finds none.
fn ended_for_good(end: impl Fn(&super::Sessions<super::Visit>, &super::SessionId) + Sync) {
    const N_THREADS: usize = 4;
    const N_ROUNDS: usize = 30;
    let site = Site::new();
    let sessions = site.sessions();
    for _ in 0..N_ROUNDS {
        let id = *sessions.create(Some("ada"), visit("")).unwrap().id();
        let (start, is_over) = (Barrier::new(N_THREADS + 1), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..N_THREADS {
                scope.spawn(|| {
                    let mut own = sessions.load(&id).unwrap().unwrap();
                    start.wait();
                    loop {
                        let was_over = is_over.load(Ordering::SeqCst);
                        let saved = sessions.save(&mut own);
                        let loaded = sessions.load(&id).unwrap();
                        if was_over {
                            assert!(matches!(saved, Err(SessionError::Gone)), "{saved:?}");
                            assert!(loaded.is_none());
                            break;
                        }
                        own = loaded.unwrap_or(own);
                    }
                });
            }
            start.wait();
            end(&sessions, &id);
            is_over.store(true, Ordering::SeqCst);
        });
        assert!(!is_live(&sessions, &id));
    }
}

#[test]
fn no_save_brings_back_what_is_revoked_at_the_same_time() {
    ended_for_good(|sessions, id| assert!(sessions.revoke(id).unwrap()));
}

#[test]
fn no_save_brings_back_what_is_revoked_with_all_of_a_users_at_the_same_time() {
    ended_for_good(|sessions, _| assert!(sessions.revoke_all("ada").unwrap()));
}

#[test]
fn no_save_brings_back_an_id_that_is_rotated_at_the_same_time() {
    ended_for_good(|sessions, id| {
        let new = sessions.rotate(id).unwrap().unwrap();
        assert!(is_live(sessions, new.id()));
    });
}

#[test]
fn of_all_who_rotate_at_once_one_has_the_session() {
    const N_THREADS: usize = 6;
    let site = Site::new();
    let sessions = site.sessions();
    let id = *sessions.create(None, visit("one")).unwrap().id();
    let start = Barrier::new(N_THREADS);
    let rotated: Vec<_> = thread::scope(|scope| {
        let rotate = || {
            start.wait();
            sessions.rotate(&id).unwrap()
        };
        let threads: Vec<_> = (0..N_THREADS).map(|_| scope.spawn(rotate)).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(rotated.len(), 1);
    assert_eq!(data(&sessions, rotated[0].id()), visit("one"));
    assert_eq!(site.keys().len(), 1);
}
