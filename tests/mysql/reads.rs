//! Shapes, relations, pages and counts.

use crate::{
    models::{Author, AuthorCard, Book, BookCard},
    site::Site,
};
use larder::types::Money;

#[test]
fn relations_are_loaded_by_two_statements_and_have_limits_of_their_own() {
    let mut site = Site::filled();
    let shapes = |larder: &_| Author::repository(larder).with(Author::books()).find_many(&[1, 2, 3, 4]);
    site.forget();
    let found = site.costs(2, shapes);
    let n_books: Vec<_> = found.iter().map(|row| row.as_ref().map(|(_, books)| books.len())).collect();
    assert_eq!(n_books, [Some(2), Some(3), Some(0), None]);
    assert_eq!(site.costs(0, shapes), found);

    let cards = |larder: &_| Author::repository(larder).select::<AuthorCard>().find_many(&[1, 2, 3]);
    site.forget();
    let found: Vec<_> = site.costs(3, cards).into_iter().flatten().collect();
    let dearest = |at: usize| found[at].dearest.iter().map(|card: &BookCard| card.price).collect::<Vec<_>>();
    assert_eq!(dearest(0), [4_000, 2_000].map(Money::from_minor));
    assert_eq!(dearest(1), [5_000, 3_000].map(Money::from_minor));
    assert_eq!(found.iter().map(|card| card.n_books).collect::<Vec<_>>(), [2, 3, 0]);
}

#[test]
fn pages_go_on_behind_a_row() {
    let mut site = Site::filled();
    let rows: Vec<_> = (10..20)
        .map(|n| {
            let mut new = crate::site::book(n, 3);
            // Ties, which the primary key decides.
            (new.genre, new.price) = ("verse", Money::from_minor(n / 4));
            new
        })
        .collect();
    Book::repository(&site.larder).insert_many(&rows).unwrap();
    let all = Book::repository(&site.larder).list_by_genre("verse").load().unwrap();
    assert_eq!(all.len(), 12);
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        site.forget();
        let page = Book::repository(&site.larder).list_by_genre("verse").after(cursor.as_ref()).page(5).unwrap();
        seen.extend(page.rows);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
}

#[test]
fn any_query_of_diesel_s_is_a_shape() {
    use diesel::prelude::*;

    use crate::models::books;

    let site = Site::filled();
    let found = Book::repository(&site.larder)
        .query(|query| query.filter(books::seen_at.is_not_null()).order(books::price.desc()).limit(1))
        .unwrap();
    assert_eq!(found.iter().map(|row| row.price.minor()).collect::<Vec<_>>(), [4_000]);
}

#[test]
fn a_connection_that_the_server_has_closed_is_thrown_away() {
    use diesel::connection::SimpleConnection;

    let mut site = Site::filled();
    let mut outside = site.outside();
    let kill = "BEGIN NOT ATOMIC FOR other IN (SELECT id FROM information_schema.processlist \
                WHERE db = database() AND id <> connection_id()) DO KILL other.id; END FOR; END";
    outside.batch_execute(kill).unwrap();
    let mut failed = 0;
    let found = loop {
        site.forget();
        match Author::repository(&site.larder).find(1) {
            Ok(found) => break found,
            // As many as were idle, and not one of them twice.
            Err(error) => failed += u32::from(matches!(error, larder::Error::Database(_))),
        }
        assert!(failed <= 8, "a connection is handed out again that is lost");
    };
    assert!(found.is_some() && failed > 0, "{failed}");
}
