use diesel::TextExpressionMethods as _;
use larder::Error;

use super::{Author, Book, Library, NewBook, author, authors, books};

#[test]
fn each_row_gets_a_value_of_its_own() {
    let library = Library::open();
    let repository = Author::repository(&library.larder);
    library.warm(|larder| Author::repository(larder).find_many(&[1, 2, 3]));
    let changed = repository.update_each(authors::name, &[(3, "C"), (9, "nobody"), (1, "A"), (3, "Cc")]).unwrap();
    let seen: Vec<_> = changed.iter().map(|row| row.as_ref().map(|row| (row.name.as_str(), row.version))).collect();
    assert_eq!(seen, [Some(("Cc", 2)), None, Some(("A", 2)), Some(("Cc", 2))], "the last value of a key counts");
    let now = repository.find_many(&[1, 2, 3]).unwrap();
    let names: Vec<_> = now.iter().flatten().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["A", "ben", "Cc"], "and the cells have them");
    assert_eq!(repository.update_each(authors::name, &Vec::<(i64, String)>::new()).unwrap(), []);
}

#[test]
fn several_columns_are_written_at_once_and_cells_of_the_old_values_go() {
    let library = Library::open();
    let repository = Author::repository(&library.larder);
    for email in ["ann@x", "new@x", "ben@x"] {
        library.warm(|larder| Author::repository(larder).find_by_email(email));
    }
    let values = [(1, ("new@x".to_owned(), "New")), (2, ("cat@x".to_owned(), "Ben"))];
    repository.update_each_of((authors::email, authors::name), &values).unwrap_err();
    assert_eq!(repository.find_by_email("ann@x").unwrap().unwrap().id, 1, "all or none");
    let values = [(1, ("new@x".to_owned(), "New")), (2, ("two@x".to_owned(), "Ben"))];
    let changed = repository.update_each_of((authors::email, authors::name), &values).unwrap();
    assert_eq!(changed.iter().flatten().count(), 2);
    assert_eq!(repository.find_by_email("ann@x").unwrap(), None);
    assert_eq!(repository.find_by_email("ben@x").unwrap(), None);
    assert_eq!(repository.find_by_email("new@x").unwrap().unwrap().name, "New");
}

#[test]
fn what_larder_writes_and_what_is_deleted_is_left_alone() {
    let library = Library::open();
    let repository = Author::repository(&library.larder);
    let refused = repository.update_each(authors::version, &[(1, 9_i64)]);
    assert!(matches!(refused, Err(Error::SetByLarder { column: "version", .. })), "{refused:?}");
    assert!(matches!(repository.update_each(authors::id, &[(1, 9_i64)]), Err(Error::Database(_))));
    repository.delete(2).unwrap();
    assert_eq!(repository.update_each(authors::name, &[(2, "x")]).unwrap(), [None]);
    assert_eq!(repository.get(1).unwrap().version, 1);
}

#[test]
fn more_rows_than_a_statement_changes_are_changed_by_several_or_not_at_all() {
    let library = Library::open();
    let all: Vec<_> = (100..1_800).map(|id| author(id, &format!("a{id}"))).collect();
    let repository = Author::repository(&library.larder);
    repository.insert_many(&all).unwrap();
    let values: Vec<(i64, String)> = (100..1_800).map(|id| (id, format!("name {id}"))).collect();
    let changed = repository.update_each(authors::name, &values).unwrap();
    assert!(changed.iter().zip(&values).all(|(row, (id, name))| {
        row.as_ref().is_some_and(|row| row.id == *id && row.name == *name && row.version == 2)
    }));
    // The last of them is refused.
    let mut emails: Vec<(i64, String)> = (100..1_800).map(|id| (id, format!("{id}@y"))).collect();
    emails[1_699].1 = "ann@x".to_owned();
    let kept = library.larder.transaction(|tx| {
        Author::repository(tx).update_each(authors::email, &emails).unwrap_err();
        Author::repository(tx).query(|rows| diesel::QueryDsl::filter(rows, authors::email.like("%@y")))
    });
    assert_eq!(kept.unwrap(), []);
}

#[test]
fn values_may_be_null_and_lists_follow() {
    let library = Library::open();
    let repository = Book::repository(&library.larder);
    repository.insert(NewBook { id: 9, author_id: 2, title: "other".into(), pages: 7 }).unwrap();
    let lists = || {
        let lists = library.warm(|larder| Book::repository(larder).list_by_author_id_many(&[1, 2]));
        lists.into_iter().map(|list| list.into_iter().map(|book| book.id).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    assert_eq!(lists(), [vec![3, 2, 1], vec![9]]);
    repository.update_each(books::author_id, &[(1, 2_i64), (9, 1)]).unwrap();
    assert_eq!(lists(), [vec![3, 2, 9], vec![1]]);
    let gone = chrono::DateTime::from_timestamp(1, 0).unwrap().naive_utc();
    repository.update_each(books::deleted_at, &[(2, Some(gone)), (3, None)]).unwrap();
    assert_eq!(lists(), [vec![3, 9], vec![1]]);
}
