use std::ops::ControlFlow::{Break, Continue};

use diesel::{ExpressionMethods as _, QueryDsl as _};
use larder::Error;

use super::{archive, doc, ids, write};
use crate::site::{COSTS, Counts, Doc, NewDoc, Shelf, Shop, archive::docs};

/// The archive with so many documents.
fn archive_of(n: i64) -> Shop {
    let shop = archive();
    let more: Vec<NewDoc> = (4..=n).map(doc).collect();
    Doc::repository(&shop.larder).insert_many(&more).unwrap();
    shop.meter.reset();
    shop
}

#[test]
fn each_row_gets_a_value_of_its_own() {
    let shop = archive_of(3);
    let other = shop.branch();
    assert!(Doc::repository(&other.larder).find_by_name("doc 1").unwrap().is_some());
    let repository = Doc::repository(&shop.larder);
    let changed = repository.update_each(docs::name, &[(3, "c"), (9, "x"), (1, "a")]).unwrap();
    shop.meter.expect(write(COSTS.update_each));
    let seen: Vec<_> = changed.iter().map(|doc| doc.as_ref().map(|doc| (doc.name.as_str(), doc.version))).collect();
    assert_eq!(seen, [Some(("c", 2)), None, Some(("a", 2))]);
    let there = Doc::repository(&other.larder);
    assert_eq!(there.find_by_name("doc 1").unwrap(), None);
    assert_eq!(there.find_by_name("a").unwrap().unwrap().id, 1);
    let changed = repository.update_each_of((docs::name, docs::n_reads), &[(2, ("b", 5)), (1, ("z", 6))]).unwrap();
    let seen: Vec<_> = changed.iter().flatten().map(|doc| (doc.name.as_str(), doc.n_reads)).collect();
    assert_eq!(seen, [("b", 5), ("z", 6)]);
    // All or none.
    let taken = repository.update_each(docs::name, &[(1, "free"), (2, "c")]);
    assert!(matches!(taken, Err(Error::Database(_))), "{taken:?}");
    assert_eq!(repository.get(1).unwrap().name, "z");
}

#[test]
fn more_rows_than_a_statement_changes_are_changed_by_several() {
    let shop = archive_of(1_100);
    let values: Vec<(i64, i64)> = (1..=1_100).map(|id| (id, 2 * id)).collect();
    let changed = Doc::repository(&shop.larder).update_each(docs::n_reads, &values).unwrap();
    assert_eq!(shop.meter.counts().sql, 3 * COSTS.update_each, "{}", shop.meter.log());
    assert!(changed.iter().zip(&values).all(|(doc, (_, n))| doc.as_ref().is_some_and(|doc| doc.n_reads == *n)));
    let taken: Vec<(i64, String)> = (1..=1_100).map(|id| (id, format!("doc {}", id % 1_099))).collect();
    assert!(Doc::repository(&shop.larder).update_each(docs::name, &taken).is_err());
    assert_eq!(Doc::repository(&shop.larder).get(1).unwrap().version, 2, "all of them or none");
}

#[test]
fn a_table_comes_in_batches_and_goes_on_where_it_broke_off() {
    let shop = archive_of(20);
    let repository = Doc::repository(&shop.larder);
    repository.delete(2).unwrap();
    shop.meter.reset();
    let (mut seen, mut last) = (Vec::new(), None);
    let n_rows = repository.for_each_batch(5, |batch| {
        seen.extend(ids(&batch.rows));
        last = Some(batch.last);
        Ok(if batch.n_rows == 10 { Break(()) } else { Continue(()) })
    });
    assert_eq!((n_rows.unwrap(), last), (10, Some(11)));
    shop.meter.expect_counts(Counts { sql: 2, ..Counts::default() });
    // Another process goes on, while rows come and go on both sides of where it is.
    let other = shop.branch();
    let go_on = Doc::repository(&other.larder).with(Doc::shelf()).batches(4).after(last.unwrap());
    go_on
        .for_each(|batch| {
            seen.extend(batch.rows.iter().map(|(doc, _)| doc.id));
            assert!(batch.rows.iter().all(|(_, shelf)| shelf.id == 1));
            if batch.n_rows == 4 {
                repository.delete_forever(batch.last)?;
                repository.delete_forever(batch.last + 2)?;
                repository.insert_many(&[doc(0), doc(25)])?;
            }
            Ok(Continue(()))
        })
        .unwrap();
    let expected: Vec<i64> = (1..=20).filter(|id| ![2, 17].contains(id)).chain([25]).collect();
    assert_eq!(seen, expected);
    let failed = repository.for_each_batch(3, |_| Err(Error::other("no")));
    assert!(matches!(failed, Err(Error::Other(_))));
}

#[test]
fn rows_stream_in_the_order_of_their_query_and_leave_the_connection_as_it_was() {
    let shop = archive_of(1_500);
    let repository = Doc::repository(&shop.larder);
    repository.delete(3).unwrap();
    shop.meter.reset();
    let mut streamed = Vec::new();
    let refine = |rows: <Doc as larder::Table<crate::Db>>::Query<'static>| {
        rows.filter(docs::id.le(5)).or_filter(docs::id.gt(1_498)).order(docs::id.desc())
    };
    let n_rows = repository.stream(refine, |doc| {
        streamed.push(doc.id);
        Ok(Continue(()))
    });
    assert_eq!((n_rows.unwrap(), streamed), (6, vec![1_500, 1_499, 5, 4, 2, 1]));
    shop.meter.expect_counts(Counts { sql: 1, ..Counts::default() });
    let broken_off =
        repository.stream(|rows| rows.order(docs::id), |doc| Ok(if doc.id == 10 { Break(()) } else { Continue(()) }));
    assert_eq!(broken_off.unwrap(), 9);
    let failed = repository.stream(|rows| rows, |_| Err(Error::other("no")));
    assert!(matches!(failed, Err(Error::Other(_))));
    let seen = shop.larder.transaction(|tx| {
        Doc::repository(tx).update(1, docs::n_reads.eq(1))?;
        let mut n_read = 0;
        Doc::repository(tx).stream(
            |rows| rows.order(docs::id),
            |doc| {
                n_read += doc.n_reads;
                assert!(matches!(Shelf::repository(tx).find(1), Err(Error::ConnectionInUse)));
                Ok(Break(()))
            },
        )?;
        // The connection can be used again.
        Doc::repository(tx).update(1, docs::n_reads.eq(n_read + 1))
    });
    assert_eq!(seen.unwrap().n_reads, 2);
    assert_eq!(repository.get(1).unwrap().n_reads, 2);
}
