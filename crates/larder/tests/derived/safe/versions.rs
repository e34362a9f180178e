use std::{sync::Barrier, thread};

use diesel::prelude::*;
use larder::Error;

use super::{Author, Library, authors};

#[test]
fn every_write_counts_a_version() {
    let library = Library::open();
    let repository = Author::repository(&library.larder);
    assert_eq!(repository.get(1).unwrap().version, 1);
    assert_eq!(repository.update(1, authors::name.eq("Ann")).unwrap().version, 2);
    assert_eq!(repository.update_where(authors::id.le(2), authors::name.eq("x")).unwrap().len(), 2);
    assert_eq!(repository.upsert(1, super::author(1, "ann"), authors::name.eq("Ann")).unwrap().version, 4);
    assert_eq!(repository.update_at(1, 4, authors::name.eq("Anna")).unwrap().version, 5);
    assert_eq!(repository.get(1).unwrap().version, 5, "the cells have it too");
    assert_eq!(repository.get(2).unwrap().version, 2);
    assert_eq!(repository.get(3).unwrap().version, 1, "what was not written is as it was");
}

#[test]
fn a_write_by_an_old_version_is_refused_with_both() {
    let library = Library::open();
    let repository = Author::repository(&library.larder);
    repository.update(1, authors::name.eq("Ann")).unwrap();
    let refused = repository.update_at(1, 1, authors::name.eq("Bob")).unwrap_err();
    assert!(matches!(refused, Error::Conflict { table: "authors", expected: 1, found: Some(2) }), "{refused:?}");
    assert_eq!(refused.to_string(), "a row of `authors` was expected at version 1, and is at 2");
    let gone = repository.update_at(9, 1, authors::name.eq("Bob")).unwrap_err();
    assert!(matches!(gone, Error::Conflict { expected: 1, found: None, .. }), "{gone:?}");
    assert_eq!(repository.get(1).unwrap().name, "Ann");
    // Nothing was sent, and so nothing counted; what was seen is checked all the same.
    let nothing: Option<diesel::dsl::Eq<authors::name, &str>> = None;
    assert_eq!(repository.update_at(1, 2, nothing).unwrap().version, 2);
    assert!(matches!(repository.update_at(1, 1, nothing), Err(Error::Conflict { found: Some(2), .. })));
}

#[test]
fn a_deletion_by_an_old_version_is_refused() {
    let library = Library::open();
    let repository = Author::repository(&library.larder);
    repository.update(3, authors::name.eq("Cat")).unwrap();
    assert!(matches!(repository.delete_at(3, 1), Err(Error::Conflict { expected: 1, found: Some(2), .. })));
    assert_eq!(repository.delete_at(3, 2).unwrap().name, "Cat");
    assert!(matches!(repository.delete_at(3, 3), Err(Error::Conflict { found: None, .. })));
}

#[test]
fn a_version_is_set_by_larder_alone() {
    let library = Library::open();
    let repository = Author::repository(&library.larder);
    let refused = repository.update(1, (authors::name.eq("Ann"), authors::version.eq(7))).unwrap_err();
    assert!(matches!(refused, Error::SetByLarder { table: "authors", column: "version" }), "{refused:?}");
    let refused = repository.update_where(authors::id.eq(1), authors::made_at.eq(authors::changed_at)).unwrap_err();
    assert!(matches!(refused, Error::SetByLarder { column: "made_at", .. }), "{refused:?}");
    let row = repository.get(1).unwrap();
    assert_eq!((row.name.as_str(), row.version), ("ann", 1));
    // To read a version is not to set it.
    let named = repository.update(1, authors::name.eq(authors::version.cast_to_text())).unwrap();
    assert_eq!((named.name.as_str(), named.version), ("1", 2));
}

trait CastToText {
    fn cast_to_text(self) -> diesel::expression::SqlLiteral<diesel::sql_types::Text>;
}

impl CastToText for authors::version {
    fn cast_to_text(self) -> diesel::expression::SqlLiteral<diesel::sql_types::Text> {
        diesel::dsl::sql("CAST(\"authors\".\"version\" AS TEXT)")
    }
}

#[test]
fn of_all_who_write_one_version_one_succeeds() {
    let library = Library::open();
    let (n_threads, n_rounds) = (6, 20);
    for round in 1..=n_rounds {
        let start = Barrier::new(n_threads);
        let won = thread::scope(|scope| {
            let writers: Vec<_> = (0..n_threads)
                .map(|n| {
                    let (library, start) = (&library, &start);
                    scope.spawn(move || {
                        start.wait();
                        let written =
                            Author::repository(&library.larder).update_at(1, round, authors::name.eq(n.to_string()));
                        match written {
                            Ok(row) => Some(row),
                            Err(Error::Conflict { expected, found, .. }) => {
                                assert_eq!((expected, found), (round, Some(round + 1)));
                                None
                            }
                            Err(error) => panic!("{error:?}"),
                        }
                    })
                })
                .collect();
            writers.into_iter().filter_map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
        });
        let [won] = &won[..] else { panic!("{} have written version {round}", won.len()) };
        assert_eq!(won.version, round + 1);
        assert_eq!(&Author::repository(&library.larder).get(1).unwrap(), won);
    }
}
