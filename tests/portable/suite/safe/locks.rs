use std::{sync::mpsc, thread};

use diesel::{ExpressionMethods as _, QueryDsl as _};
use larder::Lock;

use super::archive;
use crate::site::{Cost, Doc, archive::docs};

#[test]
fn who_reads_for_update_waits_and_sees_what_the_other_left() {
    let shop = archive();
    let other = shop.branch();
    let (locked, has_locked) = mpsc::channel();
    let n_rounds = 5;
    thread::scope(|scope| {
        for round in 1..=n_rounds {
            let locked = locked.clone();
            let (first, second) = (&shop.larder, &other.larder);
            let counting = scope.spawn(move || {
                first.transaction(|tx| {
                    let doc = tx.find_for_update::<Doc>(1)?.unwrap();
                    locked.send(()).unwrap();
                    Doc::repository(tx).update(1, docs::n_reads.eq(doc.n_reads + 1))
                })
            });
            has_locked.recv().unwrap();
            // Whether it waits or comes behind, it adds to what the other has left.
            let both = second.transaction(|tx| {
                let doc = tx.find_for_update::<Doc>(1)?.unwrap();
                Doc::repository(tx).update(1, docs::n_reads.eq(doc.n_reads + 1))
            });
            assert_eq!(both.unwrap().n_reads, 2 * round);
            counting.join().unwrap().unwrap();
        }
    });
    assert_eq!(Doc::repository(&shop.larder).get(1).unwrap().n_reads, 2 * n_rounds);
}

#[test]
fn rows_that_nobody_holds_are_the_same_by_every_lock() {
    let shop = archive();
    shop.larder
        .transaction(|tx| {
            for lock in [Lock::Wait, Lock::SkipLocked, Lock::NoWait] {
                shop.meter.reset();
                let found = tx.locking::<Doc>(lock).find_many(&[3, 9, 1])?;
                shop.meter.expect(Cost { sql: 1, ..Cost::default() });
                assert_eq!(
                    found.iter().map(|doc| doc.as_ref().map(|doc| doc.id)).collect::<Vec<_>>(),
                    [Some(3), None, Some(1)]
                );
                let first = tx.locking::<Doc>(lock).query(|docs| docs.order(docs::id.desc()).limit(1))?;
                assert_eq!(super::ids(&first), [3]);
            }
            Ok(())
        })
        .unwrap();
}
