//! Views that are stored whole.

use std::{sync::Arc, time::Duration};

use diesel::{
    connection::SimpleConnection,
    prelude::*,
    r2d2::{ConnectionManager, Pool},
    sqlite::Sqlite,
};
use larder::{Larder, MemoryStore, Repository, Result, View};
use tempfile::TempDir;

diesel::table! { shops (id) { id -> BigInt, name -> Text, } }
diesel::table! { shelves (id) { id -> BigInt, shop_id -> BigInt, label -> Text, } }
diesel::table! { books (id) { id -> BigInt, shelf_id -> BigInt, author_id -> BigInt, title -> Text, } }
diesel::table! { authors (id) { id -> BigInt, name -> Text, } }

const TABLES: &str = "
    CREATE TABLE shops (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE authors (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE shelves (
        id BIGINT PRIMARY KEY, shop_id BIGINT NOT NULL REFERENCES shops ON DELETE CASCADE, label TEXT NOT NULL
    );
    CREATE TABLE books (
        id BIGINT PRIMARY KEY, shelf_id BIGINT NOT NULL REFERENCES shelves ON DELETE CASCADE,
        author_id BIGINT NOT NULL REFERENCES authors, title TEXT NOT NULL
    );
    INSERT INTO authors VALUES (1, 'Ann'), (2, 'Ben');
    INSERT INTO shops VALUES (1, 'north'), (2, 'south'), (3, 'empty');
    INSERT INTO shelves VALUES (10, 1, 'a'), (11, 1, 'b'), (20, 2, 'c');
    INSERT INTO books VALUES (100, 10, 1, 'One'), (101, 10, 2, 'Two'), (110, 11, 1, 'Three'), (200, 20, 1, 'Four');
";

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = shops, check_for_backend(Sqlite))]
#[larder(has_many(shelves: Shelf, on_delete = cascade), in_view(ShopTree, ShopCard))]
struct Shop {
    id: i64,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Insertable, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = shelves, belongs_to(Shop), check_for_backend(Sqlite))]
#[larder(has_many(books: Book, on_delete = cascade), in_view(ShopTree, ShopCard))]
struct Shelf {
    id: i64,
    shop_id: i64,
    label: String,
}

#[derive(Debug, Clone, PartialEq, Insertable, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = books, belongs_to(Shelf), belongs_to(Author), check_for_backend(Sqlite))]
#[larder(in_view(ShopTree))]
struct Book {
    id: i64,
    shelf_id: i64,
    author_id: i64,
    title: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = authors, check_for_backend(Sqlite))]
#[larder(in_view(ShopTree))]
struct Author {
    id: i64,
    name: String,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Shop, cached(most_roots = 2, limit = "1KiB"))]
struct ShopTree {
    name: String,
    #[larder(with = shelves, order = label.asc())]
    shelves: Vec<ShelfTree>,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Shelf, packed)]
struct ShelfTree {
    label: String,
    #[larder(with = books)]
    books: Vec<BookTree>,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Book, packed)]
struct BookTree {
    title: String,
    #[larder(with = author)]
    author: Author,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Shop, cached)]
struct ShopCard {
    name: String,
    #[larder(count = shelves, filter = label.ne("c"))]
    n_shelves: i64,
}

struct Shops {
    larder: Larder<Sqlite>,
    /// Another process: its handle shares the store.
    other: Larder<Sqlite>,
    pool: Pool<ConnectionManager<SqliteConnection>>,
    _folder: TempDir,
}

impl Shops {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("shops.sqlite").to_str().unwrap().to_owned();
        let pool = Pool::builder().max_size(2).build(ConnectionManager::<SqliteConnection>::new(&path)).unwrap();
        let connection = &mut *pool.get().unwrap();
        connection.batch_execute("PRAGMA journal_mode = WAL").unwrap();
        connection.batch_execute(TABLES).unwrap();
        let store: Arc<dyn larder::store::Store> = Arc::new(MemoryStore::new());
        let larder = || Larder::builder(pool.clone()).shared_arc(store.clone()).build();
        let (larder, other) = (larder(), larder());
        Self { larder, other, pool, _folder: folder }
    }

    fn trees(&self) -> Vec<Option<ShopTree>> {
        Shop::repository(&self.larder).select::<ShopTree>().find_many(&[1, 2, 3, 4]).unwrap()
    }

    /// What the tables hold.
    fn truth(&self) -> Vec<Option<ShopTree>> {
        self.larder.transaction(|tx| Shop::repository(tx).select::<ShopTree>().find_many(&[1, 2, 3, 4])).unwrap()
    }

    /// Fills the cells, writes, and compares what is read afterwards with the tables.
    #[track_caller]
    fn after(&self, write: impl FnOnce(&Larder<Sqlite>) -> Result<()>) {
        let before = self.trees();
        assert!(self.larder.flush(Duration::from_secs(30)));
        assert_eq!(before, self.truth());
        write(&self.other).unwrap();
        assert_eq!(self.trees(), self.truth());
        assert_ne!(before, self.truth(), "something was written");
    }

    /// Changes the tables behind the back of all.
    fn behind(&self, sql: &str) {
        self.pool.get().unwrap().batch_execute(sql).unwrap();
    }
}

#[test]
fn a_tree_is_stored_whole_and_read_by_its_roots_key() {
    let shops = Shops::new();
    let first = shops.trees();
    assert_eq!(first[0].as_ref().unwrap().shelves[0].books[1].author.name, "Ben");
    assert_eq!((first[2].as_ref().unwrap().shelves.len(), &first[3]), (0, &None));
    assert!(shops.larder.flush(Duration::from_secs(30)));
    // Nobody is told: what is given is what is stored.
    shops.behind("UPDATE books SET title = 'past'; UPDATE shelves SET label = 'past'; DELETE FROM shops WHERE id = 3");
    assert_eq!(shops.trees(), first);
    let repository = Shop::repository(&shops.other).select::<ShopTree>();
    assert_eq!(repository.find(1).unwrap(), first[0]);
    // Of keys that repeat, too.
    let twice = repository.find_many(&[2, 1, 2, 2]).unwrap();
    assert_eq!(twice, [&first[1], &first[0], &first[1], &first[1]].map(Clone::clone));
}

#[test]
fn a_write_of_any_row_of_a_tree_is_seen() {
    let shops = Shops::new();
    shops.after(|larder| Shop::repository(larder).update(1, shops::name.eq("N")).map(drop));
    shops.after(|larder| Shelf::repository(larder).update(10, shelves::label.eq("z")).map(drop));
    shops.after(|larder| Book::repository(larder).update(101, books::title.eq("2")).map(drop));
    shops.after(|larder| Author::repository(larder).update(1, authors::name.eq("A")).map(drop));
    shops.after(|larder| {
        Book::repository(larder).insert(&Book { id: 300, shelf_id: 20, author_id: 2, title: "New".into() }).map(drop)
    });
    shops.after(|larder| Shelf::repository(larder).insert(&Shelf { id: 30, shop_id: 3, label: "n".into() }).map(drop));
    shops.after(|larder| Book::repository(larder).delete(100).map(drop));
    // To another shelf, and to another shop with all that is in it.
    shops.after(|larder| Book::repository(larder).update(101, books::shelf_id.eq(20)).map(drop));
    shops.after(|larder| Shelf::repository(larder).update(11, shelves::shop_id.eq(2)).map(drop));
    shops.after(|larder| Shelf::repository(larder).delete(11).map(drop));
    shops.after(|larder| Shop::repository(larder).delete(2).map(drop));
    shops.after(|larder| Shop::repository(larder).insert((shops::id.eq(4), shops::name.eq("four"))).map(drop));
}

#[test]
fn of_a_savepoint_that_was_rolled_back_nothing_is_marked() {
    let shops = Shops::new();
    let first = shops.trees();
    assert!(shops.larder.flush(Duration::from_secs(30)));
    let rename = |title| books::title.eq(title);
    let written = shops.other.transaction(|tx| {
        let undone = tx.savepoint(|tx| {
            Book::repository(tx).update(200, rename("undone"))?;
            Err::<(), _>(larder::Error::other("no"))
        });
        assert!(undone.is_err());
        tx.savepoint(|tx| Book::repository(tx).update(100, rename("done")))
    });
    assert_eq!(written.unwrap().title, "done");
    shops.behind("UPDATE books SET title = 'past'");
    let trees = shops.trees();
    assert_eq!(trees[1], first[1], "from its cell");
    assert_eq!(trees[0].as_ref().unwrap().shelves[0].books[0].title, "past", "from the table");
}

#[test]
fn more_roots_than_are_marked_one_by_one_make_all_trees_old() {
    let shops = Shops::new();
    let (_, card) = (shops.trees(), Shop::repository(&shops.larder).select::<ShopCard>());
    assert_eq!(card.find(1).unwrap().unwrap().n_shelves, 2);
    assert!(shops.larder.flush(Duration::from_secs(30)));
    shops.behind("UPDATE shops SET name = 'past'");
    Shelf::repository(&shops.other).update_where(shelves::id.eq_any([10, 20]), shelves::label.eq("2 roots")).unwrap();
    assert_eq!(shops.trees()[2].as_ref().unwrap().name, "empty");
    Shelf::repository(&shops.other).insert(&Shelf { id: 30, shop_id: 3, label: "c".into() }).unwrap();
    let labels = shelves::label.eq("3 roots");
    Shelf::repository(&shops.other).update_where(shelves::id.gt(0), labels).unwrap();
    assert!(shops.trees()[..3].iter().all(|tree| tree.as_ref().unwrap().name == "past"));
    shops.after(|larder| Author::repository(larder).update(2, authors::name.eq("of all")).map(drop));
}

#[test]
fn a_tree_is_loaded_from_the_tables_whatever_is_in_the_cells_of_its_rows() {
    let shops = Shops::new();
    let shelves = || Shelf::repository(&shops.larder).list_by_shop_id(1).load().unwrap();
    let books = || Book::repository(&shops.larder).list_by_shelf_id(10).load().unwrap();
    let author = || Author::repository(&shops.larder).get(1).unwrap();
    let rows = (shelves(), books(), author());
    assert!(shops.larder.flush(Duration::from_secs(30)));
    // As when a relay has come to the tree before it comes to its rows: what is stored now would stay.
    shops.behind("UPDATE shelves SET label = 'new'; UPDATE books SET title = 'new'; UPDATE authors SET name = 'new'");
    assert_eq!((shelves(), books(), author()), rows, "from their cells");
    let trees = shops.trees();
    assert_eq!(trees, shops.truth());
    assert_eq!(trees[0].as_ref().unwrap().shelves[0].books[0].author.name, "new");
}

#[test]
fn a_tree_that_is_too_large_is_made_of_its_rows() {
    let shops = Shops::new();
    shops.after(|larder| Book::repository(larder).update(100, books::title.eq("x".repeat(2_000))).map(drop));
    shops.after(|larder| Book::repository(larder).update(110, books::title.eq("beside it")).map(drop));
    shops.after(|larder| Book::repository(larder).update(100, books::title.eq("small again")).map(drop));
    assert!(shops.larder.flush(Duration::from_secs(30)));
    let before = shops.trees();
    shops.behind("UPDATE books SET title = 'past'");
    assert_eq!(shops.trees(), before);
}

#[test]
fn a_count_and_its_filter_are_a_cell_of_their_own() {
    let shops = Shops::new();
    let card = || Shop::repository(&shops.larder).select::<ShopCard>().get(1).unwrap();
    assert_eq!(card(), ShopCard { name: "north".into(), n_shelves: 2 });
    assert!(shops.larder.flush(Duration::from_secs(30)));
    Shelf::repository(&shops.other).update(10, shelves::label.eq("c")).unwrap();
    assert_eq!(card().n_shelves, 1);
    // A book is in no card.
    assert!(shops.larder.flush(Duration::from_secs(30)));
    shops.behind("UPDATE shops SET name = 'past'");
    Book::repository(&shops.other).update(100, books::title.eq("t")).unwrap();
    assert_eq!(card().name, "north");
}
