use diesel::{prelude::*, sqlite::Sqlite};
use larder::{Error, Models, View, shape::Of};

use super::{Author, Book, Letter, Library, NewBook, author, authors, books, letters};

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Author)]
struct Shelf {
    name: String,
    #[larder(with = books, order = title.asc(), limit = 2)]
    some: Vec<Title>,
    #[larder(with = books)]
    all: Vec<Title>,
    #[larder(count = books)]
    n_books: i64,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Book)]
struct Title {
    title: String,
}

type BooksOn<'s> = super::BookRepository<'s, Sqlite, Of<Book>>;
type AuthorsOn<'s> = super::AuthorRepository<'s, Sqlite, Of<Author>>;

/// Everything that a repository can be asked for about the first author's second book, which is there or is not: once as the caches have it,
/// once again from them, and once in a transaction.
#[track_caller]
fn expect_books(library: &Library, expected: &[i64]) {
    let ids = |rows: Vec<Book>| rows.into_iter().map(|book| book.id).collect::<Vec<_>>();
    let n = expected.len() as i64;
    let is_there = expected.contains(&2);
    let check = |books: BooksOn<'_>, authors: AuthorsOn<'_>| {
        assert_eq!(books.find(2)?.is_some(), is_there, "find");
        assert_eq!(books.exists(2)?, is_there, "exists");
        assert_eq!(books.find_many(&[1, 2, 3])?.into_iter().flatten().count(), expected.len(), "find_many");
        assert_eq!(ids(books.list_by_author_id(1).load()?), expected, "list");
        assert_eq!(ids(books.list_by_author_id(1).limit(1).load()?), expected[..1], "limited list");
        assert_eq!(books.list_by_author_id_many(&[1, 2])?[0].len(), expected.len(), "lists");
        assert_eq!(books.count_by_author_id(1)?, n, "count");
        let pages: Option<i64> = books.list_by_author_id(1).max(books::pages)?;
        assert_eq!(pages, expected.iter().max().map(|id| id * 100), "greatest");
        let mut paged = Vec::new();
        let mut page = books.list_by_author_id(1).page(1)?;
        loop {
            paged.extend(ids(page.rows));
            let Some(next) = page.next else { break };
            page = books.list_by_author_id(1).after(&next).page(1)?;
        }
        assert_eq!(paged, expected, "pages");
        assert_eq!(ids(books.query(|books| books.order(books::pages.desc()))?), expected, "query");
        let either = |books: books::BoxedQuery<'static, Sqlite>| {
            books.filter(books::id.eq(99)).or_filter(books::id.gt(0)).order(books::pages.desc()).limit(2)
        };
        assert_eq!(ids(books.query(either)?), expected[..2.min(expected.len())], "query of alternatives");
        assert_eq!(ids(books.cached("all").load(|books| books.order(books::pages.desc()))?), expected, "cached query");
        let (_, of_author) = authors.clone().with(Author::books()).get(1)?;
        assert_eq!(ids(of_author), expected, "relation");
        let shelf = authors.clone().select::<Shelf>().get(1)?;
        assert_eq!(
            (shelf.all.len(), shelf.some.len(), shelf.n_books),
            (expected.len(), 2.min(expected.len()), n),
            "view"
        );
        larder::Result::Ok(())
    };
    let larder = &library.larder;
    for _ in 0..2 {
        check(Book::repository(larder), Author::repository(larder)).unwrap();
        assert!(larder.flush(std::time::Duration::from_secs(30)));
    }
    larder.transaction(|tx| check(Book::repository(tx), Author::repository(tx))).unwrap();
    let models = Models::new().with::<Author>().with::<Book>();
    let report = larder.verify(&models).run().unwrap();
    assert!(report.n_values > 0 && report.mismatches.is_empty(), "{report:?}");
}

#[test]
fn a_deleted_row_is_absent_wherever_it_is_looked_for() {
    let library = Library::open();
    let repository = Book::repository(&library.larder);
    expect_books(&library, &[3, 2, 1]);
    let deleted = repository.delete(2).unwrap().unwrap();
    assert_eq!(deleted.deleted_at, None, "as it was");
    expect_books(&library, &[3, 1]);
    assert_eq!(repository.delete(2).unwrap(), None);
    let restored = repository.restore(2).unwrap().unwrap();
    assert_eq!(restored, deleted);
    expect_books(&library, &[3, 2, 1]);
    assert_eq!(repository.restore(2).unwrap(), None, "it is not deleted");
    assert_eq!(repository.delete_where(books::pages.lt(300)).unwrap().len(), 2);
    expect_books(&library, &[3]);
    assert_eq!(repository.delete_forever(2).unwrap().unwrap().id, 2);
    assert_eq!(repository.restore(2).unwrap(), None, "it is gone");
    assert_eq!(repository.delete_forever_where(books::deleted_at.is_not_null()).unwrap().len(), 1);
    expect_books(&library, &[3]);
}

#[test]
fn a_deleted_row_is_not_written() {
    let library = Library::open();
    let repository = Author::repository(&library.larder);
    repository.delete(2).unwrap();
    assert!(matches!(repository.update(2, authors::name.eq("x")), Err(Error::NotFound { .. })));
    assert!(matches!(repository.update_at(2, 2, authors::name.eq("x")), Err(Error::Conflict { found: None, .. })));
    assert_eq!(repository.update_where(authors::id.gt(0), authors::name.eq("x")).unwrap().len(), 2);
    assert!(matches!(
        repository.upsert(2, author(2, "ben"), authors::name.eq("x")),
        Err(Error::Deleted { table: "authors" })
    ));
    assert_eq!(repository.insert_missing(&[author(2, "ben")]).unwrap(), []);
    let ben = repository.clone().with_deleted().get(2).unwrap();
    assert_eq!((ben.name.as_str(), ben.version), ("ben", 2), "its deletion was a change of it");
    let seen = library.larder.transaction(|tx| tx.find_for_update::<Author>(2)).unwrap();
    assert_eq!(seen, None);
}

#[test]
fn a_unique_key_of_a_deleted_row_may_be_used_again() {
    let library = Library::open();
    let repository = Author::repository(&library.larder);
    let by_email = || library.warm(|larder| Author::repository(larder).find_by_email("ben@x"));
    assert_eq!(by_email().unwrap().id, 2);
    repository.delete(2).unwrap();
    assert_eq!(by_email(), None);
    let mut again = author(4, "ben");
    again.name = "Ben the second".into();
    repository.insert(again).unwrap();
    assert_eq!(by_email().unwrap().id, 4);
    repository.restore(2).unwrap_err();
    assert_eq!(by_email().unwrap().id, 4, "a write that was refused has changed nothing");
    repository.delete(4).unwrap();
    assert_eq!(repository.restore(2).unwrap().unwrap().id, 2);
    assert_eq!(by_email().unwrap().id, 2);
}

#[test]
fn deleted_rows_are_read_by_who_asks_for_them_and_from_no_cell() {
    let library = Library::open();
    let books = Book::repository(&library.larder);
    books.delete(2).unwrap();
    expect_books(&library, &[3, 1]);
    let all = books.clone().with_deleted();
    assert!(all.find(2).unwrap().unwrap().deleted_at.is_some());
    assert_eq!(all.list_by_author_id(1).load().unwrap().len(), 3);
    assert_eq!(all.count_by_author_id(1).unwrap(), 3);
    assert_eq!(all.query(|books| books.filter(books::deleted_at.is_not_null())).unwrap().len(), 1);
    assert_eq!(all.list_by_author_id(1).page(2).unwrap().rows.len(), 2);
    let pages: Option<i64> = all.list_by_author_id(1).max(books::pages).unwrap();
    assert_eq!(pages, Some(300));
    let (_, of_author) = Author::repository(&library.larder).with(Author::books()).with_deleted().get(1).unwrap();
    assert_eq!(of_author.len(), 3, "and so do relations");
    let inside = library.larder.transaction(|tx| Book::repository(tx).with_deleted().find(2)).unwrap();
    assert!(inside.is_some());
    // Nothing of that went into a cell.
    expect_books(&library, &[3, 1]);
}

#[test]
fn what_goes_with_a_row_is_deleted_softly_if_it_can_be_restored() {
    let library = Library::open();
    let larder = &library.larder;
    Book::repository(larder).insert(NewBook { id: 9, author_id: 2, title: "other".into(), pages: 1 }).unwrap();
    library.warm(|larder| Book::repository(larder).list_by_author_id(1).load());
    Author::repository(larder).delete(1).unwrap();
    assert_eq!(Book::repository(larder).find_many(&[1, 2, 3]).unwrap(), [None, None, None]);
    assert_eq!(Book::repository(larder).list_by_author_id(1).load().unwrap(), []);
    assert_eq!(Letter::repository(larder).list_by_author_id(1).load().unwrap().len(), 1, "a letter can't be restored");
    assert!(Book::repository(larder).find(9).unwrap().is_some(), "another author's");
    let orphan = Letter::repository(larder).with(Letter::author()).get(1).unwrap_err();
    assert!(matches!(orphan, Error::Orphan { table: "authors" }), "{orphan:?}");
    Author::repository(larder).restore(1).unwrap().unwrap();
    assert_eq!(Book::repository(larder).list_by_author_id(1).load().unwrap(), [], "restored by themselves");
    Book::repository(larder).restore(1).unwrap().unwrap();
    assert_eq!(Book::repository(larder).list_by_author_id(1).load().unwrap().len(), 1);
    Author::repository(larder).delete_forever(1).unwrap().unwrap();
    assert_eq!(Book::repository(larder).with_deleted().find_many(&[1, 2]).unwrap(), [None, None]);
    assert_eq!(Letter::repository(larder).query(|all| all.order(letters::id)).unwrap(), []);
}

#[test]
fn a_deletion_that_is_rolled_back_has_not_happened() {
    let library = Library::open();
    expect_books(&library, &[3, 2, 1]);
    let failed: larder::Result<()> = library.larder.transaction(|tx| {
        Book::repository(tx).delete(2)?;
        assert_eq!(Book::repository(tx).find(2)?, None);
        Err(Error::other("no"))
    });
    failed.unwrap_err();
    expect_books(&library, &[3, 2, 1]);
}

#[test]
fn a_change_that_sets_the_time_of_deletion_is_a_deletion() {
    let library = Library::open();
    expect_books(&library, &[3, 2, 1]);
    let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap().naive_utc();
    Book::repository(&library.larder).update(2, books::deleted_at.eq(now)).unwrap();
    expect_books(&library, &[3, 1]);
    library
        .larder
        .transaction(|tx| {
            let nobody: Option<chrono::NaiveDateTime> = None;
            tx.touching::<Book, _>(&[2], |connection| {
                diesel::update(books::table.find(2)).set(books::deleted_at.eq(nobody)).execute(connection)
            })
        })
        .unwrap();
    expect_books(&library, &[3, 2, 1]);
}

mod of_tenants {
    use diesel::{connection::SimpleConnection as _, prelude::*, sqlite::Sqlite};
    use larder::{Error, Repository};

    use super::Library;

    diesel::table! {
        pages (shop, id) {
            shop -> BigInt, id -> BigInt, text -> Text, version -> BigInt, deleted_at -> Nullable<Timestamp>,
        }
    }

    #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
    #[diesel(table_name = pages, primary_key(shop, id), check_for_backend(Sqlite))]
    #[larder(tenant = shop, index(text), soft_delete = deleted_at)]
    struct Page {
        shop: i64,
        id: i64,
        text: String,
        #[larder(version)]
        version: i64,
        deleted_at: Option<chrono::NaiveDateTime>,
    }

    #[test]
    fn a_tenant_deletes_and_restores_its_own() {
        let library = Library::open();
        library
            .pool
            .get()
            .unwrap()
            .batch_execute(
                "CREATE TABLE pages (shop BIGINT, id BIGINT, text TEXT NOT NULL, version BIGINT NOT NULL DEFAULT 1,
                     deleted_at TIMESTAMP, PRIMARY KEY (shop, id))",
            )
            .unwrap();
        let [one, two] = [1, 2].map(|shop| library.larder.tenant(shop));
        for (shop, tenant) in [(1, &one), (2, &two)] {
            let page = Page { shop, id: 7, text: "a".into(), version: 1, deleted_at: None };
            Page::repository(tenant).insert(&page).unwrap();
        }
        let of_one = Page::repository(&one);
        assert_eq!(of_one.update_at(7, 1_i64, pages::text.eq("b")).unwrap().version, 2);
        assert!(matches!(of_one.delete_at(7, 1_i64), Err(Error::Conflict { found: Some(2), .. })));
        assert_eq!(of_one.delete_at(7, 2_i64).unwrap().text, "b");
        assert_eq!(of_one.find(7).unwrap(), None);
        assert_eq!(of_one.list_by_text("b").load().unwrap(), []);
        assert_eq!(of_one.clone().with_deleted().find(7).unwrap().unwrap().text, "b");
        assert_eq!(Page::repository(&two).get(7).unwrap().text, "a", "the other's is another");
        assert_eq!(of_one.restore(7).unwrap().unwrap().version, 4);
        assert_eq!(of_one.list_by_text("b").load().unwrap().len(), 1);
        assert!(of_one.delete_forever(7).unwrap().is_some());
        assert_eq!(of_one.with_deleted().find(7).unwrap(), None);
    }
}
