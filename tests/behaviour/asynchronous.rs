//! Repositories in async code: nothing waits on a thread that drives tasks, and a dropped future leaves nothing behind.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use diesel::{connection::SimpleConnection as _, pg::Pg};
use larder::{Async, Error, Larder, NearOptions, asynchronous::Options};
use shop_core::{User, UserChanges};
use tests::{Cost, Operation, Shop, eventually};
use tokio::{runtime::Runtime, task};

const LONG: Duration = Duration::from_secs(60);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn near_shop() -> Shop {
    Shop::built(|builder| builder.near(NearOptions::bytes(1 << 20)))
}

/// A row that is near from now on, unless it is written.
fn keep_near(shop: &Shop, user: &User) {
    eventually(LONG, || {
        assert_eq!(User::repository(&shop.larder).get(user.id).unwrap(), *user);
        shop.meter.reset();
        User::repository(&shop.larder).get(user.id).unwrap();
        shop.meter.counts().reads == 0
    });
}

fn email(text: &str) -> UserChanges {
    UserChanges { email: Some(text.to_owned()), ..Default::default() }
}

fn rest(larder: &Async<Larder<Pg>>) {
    eventually(LONG, || larder.load().under_way == 0);
}

#[test]
fn what_is_near_is_read_where_it_was_asked_for_and_the_rest_on_a_thread() {
    let shop = near_shop();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    keep_near(&shop, &ada);
    let larder = Async::new(shop.larder.clone(), Options::default());
    let read = |id| {
        let (tell, threads) = mpsc::channel();
        let read = larder.read(move |larder| {
            tell.send(thread::current().id()).unwrap();
            User::repository(larder).get(id)
        });
        (runtime().block_on(read).unwrap(), threads.try_iter().collect::<Vec<_>>())
    };
    shop.meter.reset();
    assert_eq!(read(ada.id), (ada, vec![thread::current().id()]));
    shop.meter.expect(Cost::default());
    let (found, threads) = read(bob.id);
    assert_eq!((found, threads.len(), threads[0]), (bob, 2, thread::current().id()));
    assert_ne!(threads[1], threads[0]);
    shop.meter.expect(Cost { sql: 1, store_reads: 1, store_writes: 2 });
    let stats = shop.larder.stats();
    let keys = &stats.model("users").unwrap().keys;
    assert_eq!(keys.missed, 2, "a try is not counted: each row was missed once");
}

#[test]
fn a_stalled_database_or_store_stalls_no_task_that_does_not_need_it() {
    let shop = near_shop();
    let (ada, bob, eve) = (shop.user("ada"), shop.user("bob"), shop.user("eve"));
    keep_near(&shop, &ada);
    let larder = Async::new(shop.larder.clone(), Options::default());
    let (read_ada, read_bob, read_eve) = (ada.id, bob.id, eve.id);
    let mut other = shop.database.connect();
    other.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").unwrap();
    // Should the only thread stand still, somebody has to let it go on.
    let (done, is_done) = mpsc::channel();
    let watch = thread::spawn(move || {
        let in_time = is_done.recv_timeout(LONG).is_ok();
        other.batch_execute("COMMIT").unwrap();
        in_time
    });
    runtime().block_on(async {
        let reading = task::spawn({
            let larder = larder.clone();
            async move { larder.read(move |larder| User::repository(larder).get(read_bob)).await }
        });
        let writing = task::spawn({
            let larder = larder.clone();
            let write = move |tx: &larder::Tx<Pg>| User::repository(tx).update(read_eve, &email("new@example.com"));
            async move { larder.transaction(write).await }
        });
        while larder.load().under_way < 2 {
            task::yield_now().await;
        }
        assert!(larder.read(move |larder| User::repository(larder).get(read_ada)).await.is_ok());
        assert!(!reading.is_finished() && !writing.is_finished());
        done.send(()).unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), bob);
        assert_eq!(writing.await.unwrap().unwrap().email, "new@example.com");
    });
    assert!(watch.join().unwrap(), "the thread that drives tasks has waited");
}

#[test]
fn a_dropped_read_leaves_no_lease_behind() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let larder = Async::new(shop.larder.clone(), Options::default());
    let runtime = runtime();
    let leased = shop.faults.after(Operation::Lease).nth(1).hold();
    runtime.block_on(async {
        let read = {
            let larder = larder.clone();
            task::spawn(async move { larder.read(move |larder| User::repository(larder).get(ada.id)).await })
        };
        while larder.load().under_way == 0 {
            task::yield_now().await;
        }
        leased.wait_for(1);
        read.abort();
        assert!(read.await.unwrap_err().is_cancelled());
    });
    assert_eq!(larder.load().under_way, 1, "its thread goes on, and counts");
    leased.open();
    rest(&larder);
    shop.meter.reset();
    assert_eq!(User::repository(&shop.branch().larder).get(ada.id).unwrap(), ada);
    shop.meter.expect(Cost::default());
}

#[test]
fn a_dropped_transaction_is_rolled_back_unless_it_has_come_to_its_commit() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let larder = Async::new(shop.larder.clone(), Options::default());
    let runtime = runtime();
    let write_until = |text: &'static str, written: mpsc::Sender<()>, go_on: mpsc::Receiver<()>| {
        let larder = larder.clone();
        task::spawn(async move {
            let work = move |tx: &larder::Tx<Pg>| {
                let user = User::repository(tx).update(ada.id, &email(text))?;
                written.send(()).unwrap();
                let _ = go_on.recv();
                Ok(user)
            };
            larder.transaction(work).await
        })
    };
    runtime.block_on(async {
        let ((written, is_written), (go_on, goes_on)) = (mpsc::channel(), mpsc::channel());
        let writing = write_until("dropped@example.com", written, goes_on);
        task::yield_now().await;
        is_written.recv_timeout(LONG).unwrap();
        writing.abort();
        assert!(writing.await.unwrap_err().is_cancelled());
        go_on.send(()).unwrap();
    });
    rest(&larder);
    assert_eq!(User::repository(&shop.larder).get(ada.id).unwrap(), ada);

    let begun = shop.faults.before(Operation::Begin).nth(1).hold();
    runtime.block_on(async {
        let ((written, _is_written), (go_on, goes_on)) = (mpsc::channel(), mpsc::channel());
        go_on.send(()).unwrap();
        let writing = write_until("late@example.com", written, goes_on);
        task::yield_now().await;
        begun.wait_for(1);
        writing.abort();
        assert!(writing.await.unwrap_err().is_cancelled());
    });
    begun.open();
    rest(&larder);
    // Its markers are ended, too: a cell that is marked is not filled.
    let (users, id) = (User::repository(&shop.larder), ada.id);
    assert_eq!(
        (users.get(id).unwrap().email, users.get(id).unwrap().email.as_str()),
        ("late@example.com".to_owned(), "late@example.com")
    );
    shop.meter.reset();
    users.get(id).unwrap();
    shop.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
}

#[test]
fn what_is_no_larder_waits_on_threads_of_its_own() {
    let shop = Shop::new();
    let larder = Async::new(shop.larder.clone(), Options::default().threads(1).queue(0));
    let own = Async::of("own", 3, Options::default());
    assert_eq!((own.load().threads, Async::of((), 3, Options::default().threads(5)).load().threads), (3, 5));
    let (go_on, goes_on) = mpsc::channel::<()>();
    runtime().block_on(async {
        let held = task::spawn({
            let larder = larder.clone();
            async move { larder.run(move |_| goes_on.recv().map_err(Error::other)).await }
        });
        while larder.load().under_way < 1 {
            task::yield_now().await;
        }
        let on = |session: &&'static str| Ok::<_, Error>((*session, thread::current().id()));
        assert!(matches!(larder.with("shared").run(on).await, Err(Error::Busy { .. })), "it shares them");
        let (session, thread) = own.run(on).await.unwrap();
        assert_eq!(session, "own");
        assert_ne!(thread, thread::current().id());
        go_on.send(()).unwrap();
        held.await.unwrap().unwrap();
    });
}

#[test]
fn no_more_calls_are_under_way_than_there_are_threads_and_no_more_wait_than_may() {
    let shop = Shop::new();
    let larder = Async::new(shop.larder.clone(), Options::default().threads(2).queue(3).wait(LONG));
    let (n_begun, n_now, n_most) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Arc::new(std::sync::Mutex::new(goes_on));
    let call = || {
        let by_default = Async::new(shop.larder.clone(), Options::default()).load();
        assert_eq!(by_default.threads, 8 + 16, "as many as the database's pool and the store's have connections");
        let (n_begun, n_now, n_most) = (Arc::clone(&n_begun), Arc::clone(&n_now), Arc::clone(&n_most));
        let (larder, goes_on) = (larder.clone(), Arc::clone(&goes_on));
        task::spawn(async move {
            let work = move |_: &Larder<Pg>| {
                n_begun.fetch_add(1, Ordering::SeqCst);
                n_most.fetch_max(n_now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let _ = goes_on.lock().unwrap().recv();
                n_now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Error>(())
            };
            larder.run(work).await
        })
    };
    runtime().block_on(async {
        let mut calls: Vec<_> = (0..5).map(|_| call()).collect();
        while larder.load().waiting < 3 || n_begun.load(Ordering::SeqCst) < 2 {
            task::yield_now().await;
        }
        assert!(matches!(call().await.unwrap(), Err(Error::Busy { waited: Duration::ZERO })), "one too many");
        // Who goes makes room, and is never begun.
        calls.remove(4).abort();
        while larder.load().waiting > 2 {
            task::yield_now().await;
        }
        calls.push(call());
        drop(go_on);
        for call in calls {
            call.await.unwrap().unwrap();
        }
    });
    assert_eq!((n_begun.load(Ordering::SeqCst), n_most.load(Ordering::SeqCst)), (5, 2));

    let larder = Async::new(shop.larder.clone(), Options::default().threads(1).wait(Duration::from_millis(20)));
    let (go_on, goes_on) = mpsc::channel::<()>();
    runtime().block_on(async {
        let first = task::spawn({
            let larder = larder.clone();
            async move { larder.run(move |_| goes_on.recv().map_err(Error::other)).await }
        });
        while larder.load().under_way == 0 {
            task::yield_now().await;
        }
        let second = larder.run(|_| Ok::<_, Error>(())).await;
        assert!(matches!(second, Err(Error::Busy { waited }) if waited == Duration::from_millis(20)), "{second:?}");
        go_on.send(()).unwrap();
        first.await.unwrap().unwrap();
    });
}

#[test]
fn a_panic_is_its_callers_and_costs_no_thread() {
    let shop = Shop::new();
    let larder = Async::new(shop.larder.clone(), Options::default().threads(1));
    let panics = || larder.run(|_| -> Result<(), Error> { panic!("on purpose") });
    let caught = catch_unwind(AssertUnwindSafe(|| runtime().block_on(panics()))).unwrap_err();
    assert_eq!(caught.downcast_ref::<&str>(), Some(&"on purpose"));
    assert_eq!(runtime().block_on(larder.run(|_| Ok::<_, Error>(7))).unwrap(), 7);
}

#[test]
fn a_scope_sees_what_it_has_written() {
    let shop = near_shop();
    let ada = shop.user("ada");
    keep_near(&shop, &ada);
    let other = shop.branch();
    let larder = Async::new(shop.larder.clone(), Options::default());
    let written = Async::new(other.larder.clone(), Options::default()).scope();
    let user = runtime().block_on(async {
        let write = move |tx: &larder::Tx<Pg>| User::repository(tx).update(ada.id, &email("new@example.com"));
        written.transaction(write).await.unwrap();
        let client = larder.with(shop.larder.scope().at_least_as_fresh_as(written.session().token()));
        client.read(move |client| User::repository(client).get(ada.id)).await.unwrap()
    });
    assert_eq!(user.email, "new@example.com");
}

#[test]
fn what_waits_for_a_thread_of_tokios_is_not_begun_if_nobody_waits_for_it() {
    let shop = Shop::new();
    let larder = Async::new(shop.larder.clone(), Options::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    let n_begun = Arc::new(AtomicUsize::new(0));
    let call = |until: Option<mpsc::Receiver<()>>| {
        let (larder, n_begun) = (larder.clone(), Arc::clone(&n_begun));
        let work = move |_: &Larder<Pg>| {
            n_begun.fetch_add(1, Ordering::SeqCst);
            until.map_or(Ok(()), |until| until.recv().map_err(Error::other))
        };
        task::spawn(async move { larder.run(work).await })
    };
    let (go_on, goes_on) = mpsc::channel();
    runtime.block_on(async {
        let (first, second) = (call(Some(goes_on)), call(None));
        while larder.load().under_way < 2 {
            task::yield_now().await;
        }
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        go_on.send(()).unwrap();
        first.await.unwrap().unwrap();
        call(None).await.unwrap().unwrap();
    });
    rest(&larder);
    assert_eq!(n_begun.load(Ordering::SeqCst), 2);
}
