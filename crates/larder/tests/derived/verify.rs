//! Cells that are wrong on purpose, and what is found of them.

mod shop;

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use diesel::{prelude::*, sqlite::Sqlite};
use larder::{
    Error, Larder, MemoryStore, Models, Repository,
    store::{Bytes, Ending, Nonce, Recall, Store as _, Vacancy},
    verify::{Difference, Report},
};

use self::shop::{Disturbed, MINUTE, Shop};
use crate::models::{Order, User};

/// Every mismatch as its key and what is wrong.
fn wrong(report: &Report) -> BTreeSet<(String, Difference)> {
    assert!(report.is_complete, "{report:?}");
    let wrong: BTreeSet<_> =
        report.mismatches.iter().map(|mismatch| (mismatch.key.to_string(), mismatch.difference)).collect();
    assert_eq!(wrong.len(), report.mismatches.len(), "no cell is told of twice");
    wrong
}

fn expected<const N: usize>(differences: [(&str, Difference); N]) -> BTreeSet<(String, Difference)> {
    differences.map(|(key, difference)| (key.to_owned(), difference)).into()
}

#[test]
fn what_is_right_is_compared_and_nothing_is_said() {
    let shop = Shop::new();
    shop.warm();
    let n_keys = shop.keys().len();
    assert_eq!(n_keys, 3 + 3 + 5 + 3 + 3 + 4 + 3);
    let report = shop.verify();
    assert_eq!(wrong(&report), expected([]));
    assert_eq!((report.n_found, report.n_rows), (n_keys, 3 + 5 + 3));
    // Those of the absent user 9, and the item and the list that are not there, have no row that tells a key.
    assert_eq!(report.n_keyless, 4 + 2);
    // Of the rows that were drawn, Cyd has no cells, and those of all others were compared by now.
    assert_eq!(report.n_vacant, 2);
    assert_eq!(report.n_values, n_keys - 6);
    assert_eq!(report.n_cells, report.n_values + report.n_vacant + report.n_keyless);
    assert_eq!((report.n_changed, report.n_in_doubt, report.n_skipped, report.n_late), (0, 0, 0, 0));
    assert_eq!(*shop.events.0.lock().unwrap(), [] as [&str; 0]);
}

#[test]
fn an_older_row_is_found_in_every_cell_that_has_it() {
    let shop = Shop::new();
    shop.warm();
    shop.past("UPDATE users SET name = 'Eda' WHERE id = 1; UPDATE orders SET total = 11 WHERE id = 1");
    assert_eq!(
        wrong(&shop.verify()),
        expected([
            ("users:id:1", Difference::Outdated),
            ("users:email:ada@x", Difference::Outdated),
            ("orders:id:1", Difference::Outdated),
            ("orders:user_id:2", Difference::Outdated),
            ("orders:user_id,status:2,paid", Difference::Outdated),
        ])
    );
}

#[test]
fn a_row_that_was_deleted_past_larder_is_gone() {
    let shop = Shop::new();
    shop.warm();
    shop.past("DELETE FROM items WHERE order_id = 1 AND line = 2");
    assert_eq!(
        wrong(&shop.verify()),
        expected([("items:order_id,line:1,2", Difference::Gone), ("items:order_id:1", Difference::Gone)])
    );
}

#[test]
fn a_row_that_moved_past_larder_is_gone_here_and_missing_there() {
    let shop = Shop::new();
    shop.warm();
    shop.past("UPDATE orders SET user_id = 1 WHERE id = 1; UPDATE users SET email = 'nine@x' WHERE id = 1");
    assert_eq!(
        wrong(&shop.verify()),
        expected([
            ("orders:id:1", Difference::Outdated),
            ("orders:user_id:2", Difference::Gone),
            ("orders:user_id,status:2,paid", Difference::Gone),
            ("orders:user_id:1", Difference::Missing),
            ("orders:user_id,status:1,paid", Difference::Missing),
            ("users:id:1", Difference::Outdated),
            ("users:email:ada@x", Difference::Gone),
            ("users:email:nine@x", Difference::Missing),
        ])
    );
}

#[test]
fn a_row_that_is_said_to_be_absent_and_is_there_is_missing() {
    let shop = Shop::new();
    shop.warm();
    shop.past("INSERT INTO users VALUES (9, 'nine@x', 'Nine'); INSERT INTO items VALUES (3, 1, 'd')");
    assert_eq!(
        wrong(&shop.verify()),
        expected([
            ("users:id:9", Difference::Missing),
            ("users:email:nine@x", Difference::Missing),
            ("items:order_id,line:3,1", Difference::Missing),
            ("items:order_id:3", Difference::Missing),
        ])
    );
}

#[test]
fn a_list_in_another_order_is_found() {
    let shop = Shop::new();
    shop.warm();
    let list = shop.payload("orders:user_id:2");
    // Two bytes before the rows, of which each is as long as the others.
    let (head, rows) = list.split_at(2);
    let rows: Vec<&[u8]> = rows.chunks(rows.len() / 3).collect();
    shop.put("orders:user_id:2", Bytes::from([head, rows[1], rows[0], rows[2]].concat()));
    assert_eq!(wrong(&shop.verify()), expected([("orders:user_id:2", Difference::Reordered)]));
}

#[test]
fn another_rows_bytes_are_misplaced_and_another_models_unreadable() {
    let shop = Shop::new();
    shop.warm();
    shop.put("users:id:1", shop.payload("users:id:2"));
    shop.put("orders:user_id:1", shop.payload("orders:user_id:2"));
    shop.put("items:order_id,line:1,1", shop.payload("users:id:2"));
    shop.put("orders:id:3", Bytes::from_static(b"\xffnonsense"));
    assert_eq!(
        wrong(&shop.verify()),
        expected([
            ("users:id:1", Difference::Misplaced),
            ("orders:user_id:1", Difference::Misplaced),
            ("items:order_id,line:1,1", Difference::Unreadable),
            ("orders:id:3", Difference::Unreadable),
        ])
    );
}

#[test]
fn a_mismatch_tells_where_it_is_and_how_old_it_can_be() {
    let shop = Shop::new();
    shop.warm();
    shop.past("UPDATE users SET name = 'Eda' WHERE id = 1");
    let report = shop.verify();
    let mismatch = report.mismatches.iter().find(|mismatch| mismatch.key.as_bytes() == b"users:id:1").unwrap();
    assert_eq!((mismatch.model, mismatch.pattern, mismatch.healed), ("users", &["id"][..], false));
    // Ten minutes less up to a tenth, of which hardly anything has passed.
    let left = mismatch.expires_in.unwrap();
    assert!(left > 8 * MINUTE && left <= 10 * MINUTE, "{left:?}");
    assert_eq!(mismatch.at_most_age, Some(10 * MINUTE - left));
    assert!(shop.events.0.lock().unwrap().contains(&"users:id:1: outdated".to_owned()));

    let brief = Larder::builder(shop.database.pool.clone()).shared_arc(shop.store.clone()).ttl(MINUTE).build();
    let report = brief.verify(&shop.models).run().unwrap();
    assert!(
        report.mismatches.iter().all(|mismatch| mismatch.at_most_age.is_none()),
        "stored for longer than this one does"
    );
}

#[test]
fn a_healed_cell_is_filled_by_the_next_reader() {
    let shop = Shop::new();
    shop.warm();
    shop.past("UPDATE users SET name = 'Eda' WHERE id = 1");
    assert!(!shop.verify().mismatches.is_empty());
    assert!(!shop.verify().mismatches.is_empty(), "looking alone changes nothing");
    let healing = shop.larder.verify(&shop.models).heal(true).run().unwrap();
    assert!(healing.mismatches.iter().all(|mismatch| mismatch.healed));
    assert_eq!(wrong(&healing).len(), 2);
    assert_eq!(User::repository(&shop.larder).get(1).unwrap().name, "Eda");
    assert_eq!(wrong(&shop.verify()), expected([]));
}

#[test]
fn a_difference_counts_after_its_grace_if_the_very_same_value_is_still_there() {
    let shop = Shop::new();
    shop.warm();
    shop.past("UPDATE users SET name = 'Eda' WHERE id = 1; UPDATE users SET name = 'Bert' WHERE id = 2");
    let (ada, bob) = (shop.key("users:id:1"), shop.key("users:id:2"));
    let (payload, grace) = (shop.payload("users:id:2"), Duration::from_millis(250));
    let started = Instant::now();
    let report = shop
        .larder
        .verify(&shop.models)
        .grace(grace)
        .progress(|report| {
            // Users by id are the first batch. While the verifier waits, a relay comes; and somebody stores what is wrong, too, but
            // has not been so for long.
            if report.n_values > 0 {
                shop.store.settle(None, &[&ada]).unwrap();
                let nonce = Nonce::fresh();
                shop.store.begin(nonce, &[&bob], MINUTE, Recall::Announced).unwrap();
                let ending = Ending::Value { value: payload.clone(), ttl: MINUTE };
                shop.store.finish(nonce, &[(&bob, ending)]).unwrap();
            }
            ControlFlow::Continue(())
        })
        .run()
        .unwrap();
    assert!(started.elapsed() >= 2 * grace, "once for the batch by id, once for that by address");
    assert_eq!(report.n_late, 2);
    assert_eq!(
        wrong(&report),
        expected([("users:email:ada@x", Difference::Outdated), ("users:email:bob@x", Difference::Outdated)])
    );
}

#[test]
fn what_is_right_again_after_the_grace_was_late() {
    let shop = Shop::new();
    shop.warm();
    shop.past("UPDATE users SET name = 'Eda' WHERE id = 1");
    let repaired = Mutex::new(0);
    let report = shop
        .larder
        .verify(&shop.models)
        .grace(Duration::from_millis(150))
        .progress(|report| {
            // Once it has met the first difference, it waits.
            if report.n_values > 0 {
                *repaired.lock().unwrap() += 1;
                shop.past("UPDATE users SET name = 'Ada' WHERE id = 1");
            }
            ControlFlow::Continue(())
        })
        .run()
        .unwrap();
    assert!(*repaired.lock().unwrap() > 0);
    assert_eq!((wrong(&report), report.n_late), (expected([]), 1));
}

#[test]
fn cells_in_doubt_and_leases_are_left_alone() {
    let shop = Shop::new();
    shop.warm();
    shop.past("UPDATE users SET name = 'Eda' WHERE id = 1; UPDATE users SET name = 'Bert' WHERE id = 2");
    let keys = ["users:id:1", "users:email:ada@x", "users:id:2", "users:email:bob@x"].map(|name| shop.key(name));
    shop.store.begin(Nonce::fresh(), &[&keys[0], &keys[1]], MINUTE, Recall::Announced).unwrap();
    shop.store.settle(None, &[&keys[2], &keys[3]]).unwrap();
    shop.store.lease(&[(&keys[2], Vacancy::Nothing), (&keys[3], Vacancy::Nothing)], MINUTE).unwrap();
    let report = shop.verify();
    assert_eq!(wrong(&report), expected([]));
    // Each is found in the store, and is the cell of a row besides.
    assert_eq!((report.n_in_doubt, report.n_vacant), (4, 4 + 2));
}

#[test]
fn it_ends_when_it_is_told_to_and_when_its_time_is_over() {
    let shop = Shop::new();
    shop.warm();
    let mut n_asked = 0;
    let report = shop
        .larder
        .verify(&shop.models)
        .progress(|report| {
            n_asked += 1;
            if report.n_cells > 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .run()
        .unwrap();
    assert!(!report.is_complete && report.n_cells > 0 && report.n_cells < 10, "{report:?}");
    assert!(n_asked > 1);
    let report = shop.larder.verify(&shop.models).at_most(Duration::ZERO).run().unwrap();
    assert!(!report.is_complete && report.n_cells == 0, "{report:?}");
}

#[test]
fn it_keeps_its_rate() {
    let shop = Shop::new();
    shop.warm();
    let started = Instant::now();
    let report = shop.larder.verify(&shop.models).rate(200).run().unwrap();
    let at_least = Duration::from_millis(u64::try_from(report.n_cells).unwrap() * 5);
    assert!(started.elapsed() >= at_least, "{} cells in {:?}", report.n_cells, started.elapsed());
}

#[test]
fn a_sample_is_of_cells_and_of_rows_and_its_seed_draws_it_again() {
    let shop = Shop::new();
    shop.warm();
    let report = shop.larder.verify(&shop.models).sample(2).seed(7).run().unwrap();
    assert_eq!((report.seed, report.n_found, report.n_rows), (7, shop.keys().len(), 6));
    // Two of each model; and of two rows the cells of all patterns, less those.
    let (n_found, n_drawn) = (6, 2 * (2 + 3 + 2));
    assert!(report.n_cells > n_found && report.n_cells <= n_found + n_drawn, "{report:?}");
    let drawn = |seed| {
        let seen = shop.looked_at(|verify| verify.sample(2).seed(seed));
        seen.into_iter().filter(|key| key.as_bytes().starts_with(b"orders:")).take(2).collect::<BTreeSet<_>>()
    };
    assert_eq!(drawn(7), drawn(7));
    assert!((8..20).any(|seed| drawn(seed) != drawn(7)));
}

#[test]
fn other_cells_than_those_of_the_models_are_nobodys_business() {
    let shop = Shop::new();
    shop.warm();
    shop.past("UPDATE users SET name = 'Eda' WHERE id = 1");
    let report = shop.larder.verify(&Models::new().with::<Order>()).run().unwrap();
    assert_eq!((report.n_found, report.n_rows, wrong(&report)), (5 + 3 + 3, 5, expected([])));
    let report = shop.larder.verify(&Models::new()).run().unwrap();
    assert_eq!((report.n_found, report.n_cells, report.is_complete), (0, 0, true));
    let bare = Larder::<Sqlite>::builder(shop.database.pool.clone()).build();
    let report = bare.verify(&shop.models).run().unwrap();
    assert_eq!((report.n_cells, report.n_rows, report.is_complete), (0, 0, true));
}

#[test]
fn a_store_that_fails_costs_a_batch_or_ends_the_search() {
    let store = Arc::new(MemoryStore::new());
    let failing = Arc::new(Disturbed::new(&store));
    let shop = Shop::on(store, failing.clone());
    shop.warm();
    (*failing.scans_to_fail.lock().unwrap(), *failing.inspections_to_fail.lock().unwrap()) = (2, 1);
    let report = shop.verify();
    // The first batch: the users by id that were found.
    assert_eq!((report.n_skipped, wrong(&report)), (3, expected([])));
    assert_eq!(*shop.events.0.lock().unwrap(), ["scan failed", "scan failed", "inspect failed"]);
    *failing.scans_to_fail.lock().unwrap() = 3;
    assert!(matches!(shop.larder.verify(&shop.models).run(), Err(Error::Inspection(_))));
}

mod notes {
    use super::*;

    diesel::table! { notes (id) { id -> BigInt, topic -> BigInt, } }

    /// A list of which two rows are kept.
    #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
    #[diesel(table_name = notes, check_for_backend(Sqlite))]
    #[larder(index(topic; order = id.desc(), head = 2))]
    pub(super) struct Note {
        pub(super) id: i64,
        pub(super) topic: i64,
    }
}

#[test]
fn the_head_of_a_list_is_compared_with_as_many_rows() {
    let shop = Shop::new();
    let models = Models::new().with::<notes::Note>();
    shop.past("CREATE TABLE notes (id BIGINT PRIMARY KEY, topic BIGINT NOT NULL)");
    let fill = || {
        shop.past("DELETE FROM notes; INSERT INTO notes VALUES (1, 7), (2, 7), (3, 7)");
        shop.larder.verify(&models).heal(true).run().unwrap();
        notes::Note::repository(&shop.larder).list_by_topic(7).limit(2).load().unwrap();
    };
    let found = || wrong(&shop.larder.verify(&models).run().unwrap());
    let notes = |difference| expected([("notes:topic:7", difference)]);
    fill();
    assert_eq!(found(), expected([]));
    shop.past("DELETE FROM notes WHERE id = 3");
    assert_eq!(found(), notes(Difference::Gone));
    fill();
    shop.past("INSERT INTO notes VALUES (4, 7)");
    assert_eq!(found(), notes(Difference::Missing));
    fill();
    // The head is as it was, but it says that there is more.
    shop.past("DELETE FROM notes WHERE id = 1");
    assert_eq!(found(), notes(Difference::Gone));
}
