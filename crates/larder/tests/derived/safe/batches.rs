use std::ops::ControlFlow::{Break, Continue};

use diesel::{connection::SimpleConnection as _, prelude::*};
use larder::{Error, View};

use super::{Author, Book, Library, author, authors};

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Author)]
struct Name {
    name: String,
}

fn with_authors(n: i64) -> Library {
    let library = Library::open();
    let all: Vec<_> = (4..=n).map(|id| author(id, &format!("a{id}"))).collect();
    Author::repository(&library.larder).insert_many(&all).unwrap();
    library
}

#[test]
fn a_table_comes_in_batches_in_the_order_of_its_keys() {
    let library = with_authors(10);
    let repository = Author::repository(&library.larder);
    let mut seen = Vec::new();
    let n_rows = repository.for_each_batch(4, |batch| {
        seen.push((batch.rows.iter().map(|row| row.id).collect::<Vec<_>>(), batch.n_rows, batch.last));
        Ok(Continue(()))
    });
    assert_eq!(n_rows.unwrap(), 10);
    assert_eq!(seen, [(vec![1, 2, 3, 4], 4, 4), (vec![5, 6, 7, 8], 8, 8), (vec![9, 10], 10, 10)]);
    let none = repository.batches(4).after(10).for_each(|batch| panic!("{batch:?}"));
    assert_eq!(none.unwrap(), 0);
}

#[test]
fn a_walk_goes_on_where_it_has_ended() {
    let library = with_authors(10);
    let repository = Author::repository(&library.larder);
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let walk = repository.batches(3);
        let walk = after.map_or(repository.batches(3), |last: i64| walk.after(last));
        let n_rows = walk
            .for_each(|batch| {
                seen.extend(batch.rows.iter().map(|row| row.id));
                after = Some(batch.last);
                Ok(Break(()))
            })
            .unwrap();
        if n_rows < 3 {
            break;
        }
    }
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
    let failed = repository.for_each_batch(3, |_| Err(Error::other("no")));
    assert!(matches!(failed, Err(Error::Other(_))));
}

#[test]
fn what_is_inserted_and_deleted_meanwhile_neither_repeats_nor_ends_it() {
    let library = with_authors(20);
    let repository = Author::repository(&library.larder);
    let mut seen = Vec::new();
    repository
        .for_each_batch(5, |batch| {
            seen.extend(batch.rows.iter().map(|row| row.id));
            let last = batch.last;
            // The row that the next batch goes on behind is gone, and so is one in front of it; one comes behind, one before.
            repository.delete_forever(last)?;
            repository.delete_forever(last + 2)?;
            if last == 5 {
                repository.insert(author(25, "behind"))?;
                repository.insert(author(-1, "before"))?;
            }
            Ok(Continue(()))
        })
        .unwrap();
    let expected: Vec<i64> = (1..=20).filter(|id| ![7, 13, 19].contains(id)).chain([25]).collect();
    assert_eq!(seen, expected);
}

#[test]
fn views_and_relations_come_too_and_deleted_rows_do_not() {
    let library = Library::open();
    let larder = &library.larder;
    Author::repository(larder).delete(2).unwrap();
    let mut names = Vec::new();
    Author::repository(larder)
        .select::<Name>()
        .for_each_batch(2, |batch| {
            names.extend(batch.rows.into_iter().map(|row| row.name));
            Ok(Continue(()))
        })
        .unwrap();
    assert_eq!(names, ["ann", "cat"]);
    let mut n_books = Vec::new();
    let with_books = Author::repository(larder).with(Author::books()).with_deleted();
    let n_rows = larder.transaction(|tx| {
        let inside = Author::repository(tx).with(Author::books()).with_deleted();
        let mut n_inside = 0;
        inside.for_each_batch(1, |_| {
            n_inside += 1;
            Ok(Continue(()))
        })?;
        Ok(n_inside)
    });
    assert_eq!(n_rows.unwrap(), 3);
    with_books
        .for_each_batch(10, |batch| {
            n_books.extend(batch.rows.iter().map(|(_, books)| books.len()));
            Ok(Continue(()))
        })
        .unwrap();
    assert_eq!(n_books, [3, 0, 0]);
}

#[test]
fn rows_stream_one_by_one_and_leave_the_connection_as_it_was() {
    let library = with_authors(2_000);
    let repository = Author::repository(&library.larder);
    repository.delete(3).unwrap();
    let mut ids = Vec::new();
    let n_rows = repository
        .stream(
            |rows| rows.filter(authors::id.le(5)).or_filter(authors::id.gt(1_998)).order(authors::id.desc()),
            |row| {
                ids.push(row.id);
                Ok(Continue(()))
            },
        )
        .unwrap();
    assert_eq!((n_rows, ids), (6, vec![2_000, 1_999, 5, 4, 2, 1]));
    let broken_off = repository
        .stream(|rows| rows.order(authors::id), |row| Ok(if row.id == 10 { Break(()) } else { Continue(()) }));
    assert_eq!(broken_off.unwrap(), 9, "rows up to that one, without the deleted one");
    let failed = repository.stream(|rows| rows, |_| Err(Error::other("no")));
    assert!(matches!(failed, Err(Error::Other(_))));
    library
        .larder
        .transaction(|tx| {
            let mut n = 0;
            Author::repository(tx).stream(
                |rows| rows,
                |_| {
                    n += 1;
                    let inside = Book::repository(tx).find(1);
                    assert!(matches!(inside, Err(Error::ConnectionInUse)));
                    Ok(if n == 3 { Break(()) } else { Continue(()) })
                },
            )?;
            // The connection can be used again.
            Author::repository(tx).update(1, authors::name.eq("Ann"))
        })
        .unwrap();
    library.pool.get().unwrap().batch_execute("SELECT 1").unwrap();
}
