//! Sources that are not SQL, behind cached repositories.

mod documents;

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::pg::Pg;
use larder::{Consistency, Error, Larder, MemoryStore, NearOptions, Patience, Result, source::Source as _};
use tests::{Cost, Failure, Namespace, Operation, Shop, eventually};

use self::documents::{Away, Documents};

const LONG: Duration = Duration::from_secs(60);
const NEAR: fn(larder::Builder<Pg>) -> larder::Builder<Pg> = |builder| builder.near(NearOptions::bytes(16 << 20));

/// The version of an article, if there is one.
fn version(larder: &Larder<Pg>, articles: &Arc<Documents>, key: &str) -> Result<Option<u64>> {
    Ok(larder.source(articles).find(key)?.map(|article| article.version))
}

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

#[test]
fn values_of_a_source_are_found_in_the_order_of_their_keys_and_kept() {
    let (shop, articles) = (Shop::new(), Documents::new());
    let other = shop.branch();
    for (version, key) in (1..).zip(["a", "b", "c", "d"]) {
        articles.set(key, version).unwrap();
    }
    let wanted = keys(&["d", "nobody", "a", "d", "b", "c"]);
    let find = |larder: &Larder<Pg>| -> Vec<Option<u64>> {
        let found = larder.source(&articles).find_many(&wanted).unwrap();
        found.into_iter().map(|article| article.map(|article| article.version)).collect()
    };
    let expected = [Some(4), None, Some(1), Some(4), Some(2), Some(3)];
    assert_eq!(find(&shop.larder), expected);
    // Of each key once, and in as many calls as it takes.
    assert_eq!(articles.asked(), [3, 2]);
    shop.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 3 });
    // That there is none is kept, too, and other processes have it all.
    assert_eq!(find(&other.larder), expected);
    other.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
    assert!(articles.asked().is_empty());
    let missing = shop.larder.source(&articles).get("nobody");
    assert!(matches!(missing, Err(Error::NotFound { table: "articles" })), "{missing:?}");
    assert_eq!(shop.larder.source(&articles).find_many(&[]).unwrap(), []);
}

#[test]
fn a_write_is_seen_by_whoever_reads_after_it_in_every_process() {
    let (shop, articles) = (Shop::new(), Documents::new());
    let other = shop.branch();
    articles.set("a", 1).unwrap();
    assert_eq!(version(&shop.larder, &articles, "a").unwrap(), Some(1));
    other.meter.reset();
    other.larder.source(&articles).write(&keys(&["a", "b"]), |source| source.set("a", 2)).unwrap();
    other.meter.expect(Cost { sql: 0, store_reads: 0, store_writes: 2 });
    assert_eq!(version(&shop.larder, &articles, "a").unwrap(), Some(2));
    other.larder.source(&articles).write(&keys(&["a"]), |source| source.remove("a")).unwrap();
    assert_eq!(version(&shop.larder, &articles, "a").unwrap(), None);
    // Somebody else writes, and says so.
    articles.set("a", 3).unwrap();
    assert_eq!(version(&shop.larder, &articles, "a").unwrap(), None);
    other.larder.source(&articles).invalidate(&keys(&["a"])).unwrap();
    assert_eq!(version(&shop.larder, &articles, "a").unwrap(), Some(3));
}

#[test]
fn what_a_reader_has_loaded_before_a_write_is_not_stored_after_it() {
    let (shop, articles) = (Shop::new(), Documents::new());
    articles.set("a", 1).unwrap();
    let (writer, source) = (shop.branch(), Arc::clone(&articles));
    articles.then(move || {
        writer.larder.source(&source).write(&keys(&["a"]), |source| source.set("a", 2)).unwrap();
    });
    // It began before the write had returned.
    assert_eq!(version(&shop.larder, &articles, "a").unwrap(), Some(1));
    assert_eq!(version(&shop.larder, &articles, "a").unwrap(), Some(2));
    articles.set("a", 3).unwrap();
    let (writer, source) = (shop.branch(), Arc::clone(&articles));
    shop.larder.source(&articles).invalidate(&keys(&["a"])).unwrap();
    articles.then(move || {
        source.set("a", 4).unwrap();
        writer.larder.source(&source).invalidate(&keys(&["a"])).unwrap();
    });
    assert_eq!(version(&shop.larder, &articles, "a").unwrap(), Some(3));
    assert_eq!(version(&shop.larder, &articles, "a").unwrap(), Some(4));
}

#[test]
fn while_a_write_is_under_way_nobody_is_served_or_stores_what_was_there() {
    let (shop, articles) = (Shop::new(), Documents::new());
    let other = shop.branch();
    articles.set("a", 1).unwrap();
    assert_eq!(version(&other.larder, &articles, "a").unwrap(), Some(1));
    articles.asked();
    shop.larder
        .source(&articles)
        .write(&keys(&["a"]), |source| {
            for _ in 0..2 {
                assert_eq!(version(&other.larder, &articles, "a").unwrap(), Some(1));
            }
            assert_eq!(articles.asked(), [1, 1]);
            source.set("a", 2)
        })
        .unwrap();
    assert_eq!(version(&other.larder, &articles, "a").unwrap(), Some(2));
}

#[test]
fn of_a_write_that_fails_or_panics_nobody_stores_anything_before_it_is_over() {
    let (shop, articles) = (Shop::built(|builder| builder.commit_takes(Duration::from_secs(3))), Documents::new());
    let other = shop.branch();
    articles.set("a", 1).unwrap();
    assert_eq!(version(&other.larder, &articles, "a").unwrap(), Some(1));
    let failed =
        shop.larder.source(&articles).write(&keys(&["a"]), |source| source.set("a", 2).and(Err::<(), _>(Away)));
    let Err(Error::Source { name: "articles", source }) = &failed else { panic!("{failed:?}") };
    assert_eq!(source.downcast_ref(), Some(&Away));
    let writer = shop.larder.source(&articles);
    panic::catch_unwind(AssertUnwindSafe(|| {
        let _ = writer.write(&keys(&["b"]), |_| -> Result<(), Away> { panic!("on purpose") });
    }))
    .unwrap_err();
    articles.asked();
    for version_now in [2, 3] {
        // The request may yet take effect.
        articles.set("a", version_now).unwrap();
        articles.set("b", version_now).unwrap();
        assert_eq!(version(&other.larder, &articles, "a").unwrap(), Some(version_now));
        assert_eq!(version(&other.larder, &articles, "b").unwrap(), Some(version_now));
    }
    // When the markers are gone it is stored again.
    eventually(LONG, || {
        articles.asked();
        assert_eq!(version(&other.larder, &articles, "a").unwrap(), Some(3));
        articles.asked().is_empty()
    });
}

#[test]
fn a_write_that_outlasts_its_markers_leaves_nothing_old_though_its_end_is_not_heard() {
    let (within, takes) = (Duration::from_millis(200), Duration::from_millis(300));
    let (shop, articles) = (Shop::built(|builder| builder.commit_within(within).commit_takes(takes)), Documents::new());
    let other = shop.branch();
    articles.set("a", 1).unwrap();
    shop.faults.before(Operation::Finish).fail(Failure::Unavailable);
    shop.larder
        .source(&articles)
        .write(&keys(&["a"]), |source| {
            // Until the markers are gone, and what is there before the write is stored.
            eventually(LONG, || {
                articles.asked();
                assert_eq!(version(&other.larder, &articles, "a").unwrap(), Some(1));
                articles.asked().is_empty()
            });
            source.set("a", 2)
        })
        .unwrap();
    assert_eq!(version(&other.larder, &articles, "a").unwrap(), Some(2));
}

#[test]
fn a_write_that_fails_late_is_held_from_its_failure() {
    let (within, takes) = (Duration::from_secs(1), Duration::from_secs(2));
    let (shop, articles) = (Shop::built(|builder| builder.commit_within(within).commit_takes(takes)), Documents::new());
    let other = shop.branch();
    articles.set("a", 1).unwrap();
    let failed = shop.larder.source(&articles).write(&keys(&["a"]), |_| {
        eventually(LONG, || {
            articles.asked();
            assert_eq!(version(&other.larder, &articles, "a").unwrap(), Some(1));
            articles.asked().is_empty()
        });
        Err::<(), _>(Away)
    });
    assert!(failed.is_err());
    // It may yet take effect.
    assert_eq!(version(&other.larder, &articles, "a").unwrap(), Some(1));
    articles.set("a", 2).unwrap();
    assert_eq!(version(&other.larder, &articles, "a").unwrap(), Some(2));
}

#[test]
fn a_handle_has_one_source_of_a_name() {
    let (shop, eu, us) = (Shop::new(), Documents::new(), Documents::new());
    eu.set("a", 1).unwrap();
    us.set("a", 2).unwrap();
    assert_eq!(version(&shop.larder, &eu, "a").unwrap(), Some(1));
    for refused in [
        version(&shop.larder, &us, "a").map(drop),
        shop.larder.source(&us).write(&keys(&["a"]), |source| source.set("a", 3)),
        shop.larder.source(&us).invalidate(&keys(&["a"])),
        shop.larder.scope().source(&us).find("a").map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Source { name: "articles", .. })), "{refused:?}");
    }
    assert_eq!(version(&shop.larder, &eu, "a").unwrap(), Some(1));
    // Another handle is another application's affair, and so is one that comes after it.
    assert!(version(&shop.branch().larder, &us, "b").is_ok());
    drop(eu);
    assert!(version(&shop.larder, &us, "b").is_ok());
}

#[test]
fn a_write_that_the_store_can_not_be_told_of_is_not_done() {
    let (shop, articles) = (Shop::new(), Documents::new());
    articles.set("a", 1).unwrap();
    shop.faults.before(Operation::Begin).fail(Failure::Unavailable);
    let refused = shop.larder.source(&articles).write(&keys(&["a"]), |source| source.set("a", 2));
    assert!(matches!(refused, Err(Error::Store(_))), "{refused:?}");
    assert_eq!(version(&shop.larder, &articles, "a").unwrap(), Some(1));
    // One attempt that fails is made up for by a second one.
    shop.faults.clear();
    shop.faults.before(Operation::Begin).nth(1).fail(Failure::TimedOut);
    shop.larder.source(&articles).write(&keys(&["a"]), |source| source.set("a", 3)).unwrap();
    assert_eq!(version(&shop.larder, &articles, "a").unwrap(), Some(3));
}

#[test]
fn a_store_that_is_away_costs_speed_and_no_answer() {
    let (shop, articles) = (Shop::new(), Documents::new());
    articles.set("a", 1).unwrap();
    shop.faults.everywhere().fail(Failure::Unavailable);
    for _ in 0..2 {
        assert_eq!(version(&shop.larder, &articles, "a").unwrap(), Some(1));
    }
    assert_eq!(articles.asked(), [1, 1]);
}

#[test]
fn a_source_that_fails_says_so_or_gives_what_it_last_gave_to_those_who_allow_it() {
    let (shop, articles) = (Shop::on(Namespace::new(), MemoryStore::new(), NEAR), Documents::new());
    articles.set("a", 1).unwrap();
    let near = shop.larder.source(&articles);
    eventually(LONG, || {
        articles.asked();
        assert_eq!(version(&shop.larder, &articles, "a").unwrap(), Some(1));
        shop.meter.reset();
        near.find("a").unwrap();
        articles.asked().is_empty() && shop.meter.counts() == tests::Counts::default()
    });
    near.invalidate(&keys(&["a"])).unwrap();
    articles.is_away.store(true, Ordering::SeqCst);
    let failed = near.find("a");
    assert!(matches!(failed, Err(Error::Source { name: "articles", .. })), "{failed:?}");
    // An error is not kept.
    assert!(near.find("a").is_err());
    let patient = || near.clone().patience(Patience::new().stale_for(LONG));
    assert_eq!(patient().find("a").unwrap().unwrap().version, 1);
    let stale = shop.events.take();
    assert!(stale.iter().any(|line| line.starts_with("stale: 1 of articles, since")), "{stale:?}");
    // Of a key that was never there, nothing is made up.
    assert!(patient().find_many(&keys(&["a", "b"])).is_err());
    articles.is_away.store(false, Ordering::SeqCst);
    articles.set("a", 2).unwrap();
    assert_eq!(patient().find("a").unwrap().unwrap().version, 2);
}

#[test]
fn a_source_that_is_slow_is_waited_for_no_longer_than_said_and_its_answer_is_kept() {
    let (shop, articles) = (Shop::new(), Documents::new());
    articles.set("a", 1).unwrap();
    articles.n_held.store(1, Ordering::SeqCst);
    let begun = Instant::now();
    let hurried = shop.larder.source(&articles).patience(Patience::new().hard(Duration::from_millis(20)));
    let late = hurried.find("a");
    assert!(matches!(late, Err(Error::TimedOut)), "{late:?}");
    assert!(begun.elapsed() < LONG);
    articles.n_held.store(0, Ordering::SeqCst);
    articles.asked();
    let reader = shop.branch();
    eventually(LONG, || {
        let found = version(&reader.larder, &articles, "a").unwrap();
        found == Some(1) && articles.asked().is_empty()
    });
}

#[test]
fn of_many_who_want_the_same_one_asks_the_source() {
    let (shop, articles) = (Shop::new(), Documents::new());
    articles.set("a", 1).unwrap();
    articles.n_held.store(1, Ordering::SeqCst);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..8).map(|_| scope.spawn(|| version(&shop.larder, &articles, "a").unwrap())).collect();
        // All of them have looked, and one has the lease.
        eventually(LONG, || shop.meter.counts().reads >= 8);
        articles.n_held.store(0, Ordering::SeqCst);
        for reader in readers {
            assert_eq!(reader.join().unwrap(), Some(1));
        }
    });
    assert_eq!(articles.asked(), [1]);
}

#[test]
fn cells_that_hold_garbage_or_another_keys_value_are_misses() {
    let (shop, articles) = (Shop::new(), Documents::new());
    articles.set("a", 1).unwrap();
    articles.set("b", 2).unwrap();
    assert_eq!(version(&shop.larder, &articles, "a").unwrap(), Some(1));
    assert_eq!(version(&shop.larder, &articles, "b").unwrap(), Some(2));
    let mut redis = redis::Client::open(tests::redis_url()).unwrap().get_connection().unwrap();
    let cells = shop.namespace.keys();
    let [one, other] =
        ["articles:@:a", "articles:@:b"].map(|name| cells.iter().find(|key| key.ends_with(name)).unwrap());
    let bytes: Vec<u8> = redis::Commands::get(&mut redis, one).unwrap();
    let _: () = redis::Commands::set(&mut redis, other, &bytes).unwrap();
    assert_eq!(version(&shop.larder, &articles, "b").unwrap(), Some(2), "and not that of the other key");
    let _: () = redis::Commands::set(&mut redis, one, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(version(&shop.larder, &articles, "a").unwrap(), Some(1));
}

#[test]
fn a_query_that_depends_on_values_of_a_source_goes_with_them() {
    let (shop, articles) = (Shop::new(), Documents::new());
    articles.set("a", 1).unwrap();
    let source = shop.larder.source(&articles);
    let sum = || {
        let depends_on = source.dependencies(&keys(&["a", "b"]));
        let query = shop.larder.query("sum").depends_on_all(&depends_on);
        query.load(|_| Ok(source.find("a").unwrap().map_or(0, |article| article.version))).unwrap()
    };
    assert_eq!(sum(), 1);
    articles.set("a", 2).unwrap();
    assert_eq!(sum(), 1, "nobody was told");
    source.write(&keys(&["a"]), |articles| articles.set("a", 3)).unwrap();
    assert_eq!(sum(), 3);
}

#[test]
fn no_reader_ever_sees_less_than_a_write_that_has_returned() {
    const WRITES: u64 = 60;
    let articles = Documents::new();
    let shop = Shop::built(NEAR);
    let branches = [shop.branch_built(NEAR), shop.branch_built(NEAR)];
    let written = AtomicU64::new(0);
    let names = keys(&["a"]);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for version in 1..=WRITES {
                shop.larder.source(&articles).write(&names, |source| source.set("a", version)).unwrap();
                written.store(version, Ordering::SeqCst);
            }
        });
        for branch in &branches {
            scope.spawn(|| {
                let reader = branch.larder.source(&articles).reading(Consistency::Shared);
                while written.load(Ordering::SeqCst) < WRITES {
                    let least = written.load(Ordering::SeqCst);
                    let found = reader.find("a").unwrap().map_or(0, |article| article.version);
                    assert!(found >= least, "{found} is older than {least}, which had returned");
                }
            });
        }
        // The handle that writes sees its own at once, near or not.
        scope.spawn(|| {
            while written.load(Ordering::SeqCst) < WRITES {
                let least = written.load(Ordering::SeqCst);
                let found = version(&shop.larder, &articles, "a").unwrap().unwrap_or(0);
                assert!(found >= least, "{found} is older than {least}, which this handle has written");
            }
        });
        writer.join().unwrap();
    });
    // What is near elsewhere follows within its horizon.
    for branch in &branches {
        eventually(LONG, || version(&branch.larder, &articles, "a").unwrap() == Some(WRITES));
    }
    assert_eq!(Documents::MAX_KEYS, 3);
}
