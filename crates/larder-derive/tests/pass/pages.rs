//! Pages of a list by several columns of own types, in both directions, whose rows have a key of two.

use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    prelude::*,
    serialize::{self, Output, ToSql},
    sql_types::BigInt,
    sqlite::{Sqlite, SqliteValue},
};
use larder::{Cursor, Larder, Repository, View};
use serde::{Deserialize, Serialize};

use crate::support::Database;

diesel::table! {
    posts (blog, number) { blog -> BigInt, number -> Integer, stars -> BigInt, title -> Text, }
}

const TABLES: &str = "
    CREATE TABLE posts (
        blog BIGINT NOT NULL, number INTEGER NOT NULL, stars BIGINT NOT NULL, title TEXT NOT NULL, PRIMARY KEY (blog, number)
    );
    WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 39)
    INSERT INTO posts SELECT 1 + n % 2, n, n / 7, 'title ' || n % 3 FROM numbers;
";

/// An own type, which goes into a cursor by its `serde` implementation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = BigInt)]
struct Stars(i64);

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = posts, primary_key(blog, number), check_for_backend(Sqlite))]
#[larder(index(blog; order = (stars.desc(), title.asc()), head = 6))]
struct Post {
    blog: i64,
    number: i32,
    #[larder(serde)]
    stars: Stars,
    title: String,
}

#[derive(Debug, PartialEq, View)]
#[larder(of = Post)]
struct Title {
    title: String,
}

impl ToSql<BigInt, Sqlite> for Stars {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        <i64 as ToSql<BigInt, Sqlite>>::to_sql(&self.0, out)
    }
}

impl FromSql<BigInt, Sqlite> for Stars {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        <i64 as FromSql<BigInt, Sqlite>>::from_sql(value).map(Self)
    }
}

/// All rows, page by page, and what each page has cost.
fn walk(database: &Database, n: usize, costs: impl Fn(usize) -> usize) -> Vec<Post> {
    let (mut rows, mut cursor) = (Vec::new(), None::<Cursor>);
    for at in 0.. {
        let page = database.costs(costs(at), |larder: &Larder<Sqlite>| {
            Post::repository(larder).list_by_blog(1).after(cursor.as_ref()).page(n)
        });
        assert!(page.rows.len() == n || page.next.is_none(), "a page that is not the last one is full");
        rows.extend(page.rows);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    rows
}

#[test]
fn pages_of_every_size_give_the_list_in_its_order() {
    let database = Database::new(TABLES);
    let list = database.costs(1, |larder| Post::repository(larder).list_by_blog(1).load());
    let place = |post: &Post| (std::cmp::Reverse(post.stars.0), post.title.clone(), post.number);
    assert!(list.len() == 20 && list.is_sorted_by_key(place), "{list:?}");
    for n in 1..=21 {
        // The cell has six rows: as many as tell of the page and whether one is behind it. Nothing is filled behind those.
        let costs = |at| usize::from((at + 1) * n + 1 > 6);
        assert_eq!(walk(&database, n, costs), list, "{n} rows a page");
    }
}

#[test]
fn pages_of_a_list_that_its_cell_has_whole_cost_no_statement() {
    let database = Database::new(TABLES);
    database.costs(1, |larder| Post::repository(larder).query(|query| query.filter(posts::blog.eq(1))));
    let delete = |larder: &Larder<Sqlite>| Post::repository(larder).delete_where(posts::number.gt(10));
    delete(&database.larder).unwrap();
    let list = database.costs(1, |larder| Post::repository(larder).list_by_blog(1).load());
    assert_eq!(list.len(), 6);
    for n in 1..=7 {
        assert_eq!(walk(&database, n, |_| 0), list, "{n} rows a page");
    }
}

#[test]
fn a_view_without_the_columns_of_the_order_has_pages() {
    let database = Database::new(TABLES);
    let list = database.costs(1, |larder| Post::repository(larder).list_by_blog(2).load());
    let (mut titles, mut cursor) = (Vec::new(), None::<Cursor>);
    loop {
        let posts = Post::repository(&database.larder).select::<Title>();
        let page = posts.list_by_blog(2).after(cursor.as_ref()).page(3).unwrap();
        titles.extend(page.rows.into_iter().map(|row| row.title));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(titles, list.into_iter().map(|post| post.title).collect::<Vec<_>>());
}
