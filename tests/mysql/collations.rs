//! Texts that Rust calls different and the database equal.

use diesel::prelude::*;

use crate::{
    models::{
        Author, AuthorChanges, Book, Copies, Label, LabelCard, Name, NewAuthor, NewCopies, NewName, NewReply, Reply,
        authors, labels, names, replies,
    },
    site::{Site, book},
};

#[test]
fn a_key_finds_what_has_the_very_same_text() {
    let site = Site::filled();
    let find = |email: &str| Author::repository(&site.larder).find_by_email(email).unwrap().map(|row| row.id);
    // The database would find Ada by each of these.
    for email in ["ADA@x", "ada@x ", "àda@x"] {
        let by_hand = authors::table.filter(authors::email.eq(email)).count().get_result::<i64>(&mut site.outside());
        assert_eq!(by_hand, Ok(1), "{email}");
        assert_eq!(find(email), None, "{email}");
    }
    assert_eq!(find("ada@x"), Some(1));
    // Each has a cell of its own, and a write tells those that it changes.
    let renamed = |email| Author::repository(&site.larder).update(1, &AuthorChanges { email: Some(email), name: None });
    renamed("ADA@x").unwrap();
    assert_eq!([find("ada@x"), find("ADA@x"), find("ada@x ")], [None, Some(1), None]);
    renamed("ada@x ").unwrap();
    assert_eq!([find("ada@x"), find("ADA@x"), find("ada@x ")], [None, None, Some(1)]);
    // What the database calls equal stays in the way of a second one.
    let second = NewAuthor { id: Some(9), email: "Ada@x", name: None };
    assert!(Author::repository(&site.larder).insert(&second).is_err());
    // Of several keys too, and each by itself.
    let emails = ["ada@x", "ada@x ", "BOB@x", "bob@x"].map(str::to_owned);
    let found = Author::repository(&site.larder).find_by_email_many(&emails).unwrap();
    assert_eq!(
        found.iter().map(|row| row.as_ref().map(|row| row.id)).collect::<Vec<_>>(),
        [None, Some(1), None, Some(2)]
    );
}

#[test]
fn an_update_and_a_deletion_mean_the_very_same_text() {
    let site = Site::empty();
    let names = Name::repository(&site.larder);
    names.insert(&NewName { name: "Ada", n: 1 }).unwrap();
    assert!(matches!(names.update("ada", names::n.eq(2)), Err(larder::Error::NotFound { .. })));
    assert_eq!(names.delete("ada").unwrap(), None);
    assert_eq!(names.update("Ada", names::n.eq(2)).unwrap().n, 2);
    assert_eq!(names.delete("Ada").unwrap().map(|row| row.n), Some(2));
}

#[test]
fn lists_of_texts_that_are_alike_are_kept_apart() {
    let mut site = Site::empty();
    let genres = ["Crime", "crime", "crime ", "CRIME"];
    Author::repository(&site.larder).insert(&NewAuthor { id: Some(1), email: "a@x", name: None }).unwrap();
    let rows: Vec<_> = (0..12_i64)
        .map(|n| {
            let mut new = book(n, 1);
            new.genre = genres[usize::try_from(n).unwrap() % 4];
            new
        })
        .collect();
    Book::repository(&site.larder).insert_many(&rows).unwrap();
    let keys = genres.map(str::to_owned);
    // Once cold, and once from the cells.
    for _ in 0..2 {
        let lists = Book::repository(&site.larder).list_by_genre_many(&keys).unwrap();
        for (genre, list) in genres.iter().zip(&lists) {
            assert_eq!(list.len(), 3, "{genre:?}");
            assert!(list.iter().all(|row| row.genre == *genre), "{genre:?}");
        }
    }
    // A limit numbers the rows of each key, and a count groups them.
    let spelled: Vec<_> = genres.iter().map(|genre| labels::label.eq(*genre)).collect();
    diesel::insert_into(labels::table).values(&spelled).execute(&mut site.outside()).unwrap();
    site.forget();
    let cards = Label::repository(&site.larder).select::<LabelCard>().find_many(&keys).unwrap();
    for (genre, card) in genres.iter().zip(cards) {
        let card = card.unwrap();
        assert_eq!((card.n_books, card.dearest.len()), (3, 2), "{genre:?}");
        assert!(card.dearest.iter().all(|row| row.genre == *genre), "{genre:?}");
    }
    site.forget();
    assert_eq!(Book::repository(&site.larder).count_by_genre("CRIME").unwrap(), 3);
    let one = Book::repository(&site.larder).list_by_genre("crime ").limit(2).load().unwrap();
    assert_eq!(one.iter().map(|row| row.genre.as_str()).collect::<Vec<_>>(), ["crime "; 2]);
    // A key of two columns, of which one is text.
    let id = rows[0].id;
    let shelves = ["a", "b"].map(|shelf| NewCopies { book_id: id, shelf, n: 1 });
    Copies::repository(&site.larder).insert_many(&shelves).unwrap();
    let keys = ["A", "a", "b ", "b"].map(|shelf| (id, shelf.to_owned()));
    let found = Copies::repository(&site.larder).find_many(&keys).unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, true]);
}

#[test]
fn a_cascade_takes_what_the_database_calls_equal() {
    let site = Site::empty();
    Name::repository(&site.larder).insert(&NewName { name: "Ada", n: 1 }).unwrap();
    let replies = [NewReply { id: 1, name: Some("Ada") }, NewReply { id: 2, name: Some("ada") }];
    Reply::repository(&site.larder).insert_many(&replies).unwrap();
    let listed = |name: &str| Reply::repository(&site.larder).list_by_name(name).load().unwrap().len();
    assert_eq!([listed("Ada"), listed("ada")], [1, 1]);
    assert!(Reply::repository(&site.larder).find(2).unwrap().is_some());
    Name::repository(&site.larder).delete("Ada").unwrap();
    assert_eq!(replies::table.count().get_result::<i64>(&mut site.outside()), Ok(0));
    assert_eq!([listed("Ada"), listed("ada")], [0, 0]);
    assert_eq!(Reply::repository(&site.larder).find(2).unwrap(), None);
}

#[test]
fn an_index_is_searched_for_a_text() {
    let site = Site::filled();
    let names: Vec<String> = (0..2_000).map(|n| format!("n{n}@x")).collect();
    let rows: Vec<_> = names.iter().map(|email| NewAuthor { id: None, email, name: None }).collect();
    diesel::insert_into(authors::table).values(&rows).execute(&mut site.outside()).unwrap();
    let sent = site.sent(|larder| Author::repository(larder).find_by_email("n7@x"));
    let sql = sent[0].split(" -- binds").next().unwrap().replace('?', "'n7@x'");
    let plan = diesel::sql_query(format!("EXPLAIN {sql}")).load::<Plan>(&mut site.outside()).unwrap();
    assert_eq!((plan[0].key.as_deref(), plan[0].rows.as_deref()), (Some("email"), Some("1")), "{sql}");
}

#[derive(Debug, diesel::QueryableByName)]
struct Plan {
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    key: Option<String>,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    rows: Option<String>,
}
