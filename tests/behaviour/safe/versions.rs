use std::{sync::Barrier, thread};

use diesel::ExpressionMethods as _;
use larder::Error;
use tests::{Cost, Counts};

use super::scene::{Doc, Scene, docs};

#[test]
fn a_write_at_a_version_is_one_statement_and_a_conflict_one_more() {
    let scene = Scene::with_docs();
    let repository = Doc::repository(&scene.larder);
    let changed = repository.update_at(1, 1, docs::name.eq("new")).unwrap();
    scene.meter.expect(Cost { sql: 1, store_reads: 0, store_writes: 2 });
    assert_eq!((changed.version, changed.name.as_str()), (2, "new"));
    assert!(changed.changed_at >= changed.made_at);
    assert_eq!(repository.get(1).unwrap(), changed);
    scene.meter.reset();
    let refused = repository.update_at(1, 1, docs::name.eq("old"));
    scene.meter.expect_counts(Counts { sql: 2, session: 2, ..Counts::default() });
    assert!(matches!(refused, Err(Error::Conflict { table: "docs", expected: 1, found: Some(2) })), "{refused:?}");
    let gone = repository.update_at(7, 1, docs::name.eq("old"));
    assert!(matches!(gone, Err(Error::Conflict { expected: 1, found: None, .. })), "{gone:?}");
}

#[test]
fn a_conflict_leaves_a_transaction_as_it_was() {
    let scene = Scene::with_docs();
    let seen = scene.larder.transaction(|tx| {
        let repository = Doc::repository(tx);
        repository.update_at(1, 1, docs::name.eq("new"))?;
        let refused = repository.update_at(2, 9, docs::name.eq("x"));
        assert!(matches!(refused, Err(Error::Conflict { expected: 9, found: Some(1), .. })), "{refused:?}");
        repository.get(1)
    });
    assert_eq!(Doc::repository(&scene.larder).get(1).unwrap(), seen.unwrap());
}

#[test]
fn of_all_who_write_one_version_at_once_one_succeeds() {
    let scene = Scene::with_docs();
    let (n_threads, n_rounds) = (8, 25);
    let handles: Vec<_> = (0..n_threads).map(|_| scene.handle(scene.database.url())).collect();
    for round in 1..=n_rounds {
        let start = Barrier::new(n_threads);
        let won: Vec<Doc> = thread::scope(|scope| {
            let write = |(n, larder)| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    match Doc::repository(larder).update_at(1, round, docs::name.eq(format!("{n}"))) {
                        Ok(row) => Some(row),
                        Err(Error::Conflict { expected, found, .. }) => {
                            assert_eq!((expected, found), (round.into(), Some(i64::from(round) + 1)));
                            None
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                })
            };
            let writers: Vec<_> = handles.iter().enumerate().map(write).collect();
            writers.into_iter().filter_map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(won.len(), 1, "round {round}");
        assert_eq!(won[0].version, round + 1);
        for larder in &handles {
            assert_eq!(Doc::repository(larder).get(1).unwrap(), won[0]);
        }
    }
}

#[test]
fn a_time_of_change_is_the_databases_unless_it_is_told() {
    let scene = Scene::with_docs();
    let repository = Doc::repository(&scene.larder);
    let before = repository.get(1).unwrap();
    let after = repository.update(1, docs::name.eq("new")).unwrap();
    assert!(after.changed_at > before.changed_at && after.made_at == before.made_at, "{after:?}");
    let told = repository.update(1, (docs::name.eq("newer"), docs::changed_at.eq(before.made_at))).unwrap();
    assert_eq!(told.changed_at, before.made_at);
    let refused = repository.update(1, docs::made_at.eq(told.changed_at));
    assert!(matches!(refused, Err(Error::SetByLarder { table: "docs", column: "made_at" })), "{refused:?}");
}
