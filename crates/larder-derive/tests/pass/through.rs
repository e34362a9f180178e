//! A relation through a join table.

use diesel::prelude::*;
use larder::{Repository, View};

use crate::support::Database;

diesel::table! { posts (id) { id -> Integer, title -> Text, } }
diesel::table! { tags (id) { id -> Integer, word -> Text, } }
diesel::table! { taggings (post_id, tag_id) { post_id -> Integer, tag_id -> Integer, } }

const TABLES: &str = "
    CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL);
    CREATE TABLE tags (id INTEGER PRIMARY KEY, word TEXT NOT NULL);
    CREATE TABLE taggings (
        post_id INTEGER NOT NULL REFERENCES posts ON DELETE CASCADE, tag_id INTEGER NOT NULL REFERENCES tags,
        PRIMARY KEY (post_id, tag_id)
    );
    INSERT INTO posts VALUES (1, 'One'), (2, 'Two'), (3, 'Three');
    INSERT INTO tags VALUES (1, 'red'), (2, 'green');
    INSERT INTO taggings VALUES (1, 1), (1, 2), (3, 2);
";

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite))]
#[larder(many_to_many(tags: Tag, through = Tagging), has_many(taggings: Tagging, on_delete = cascade))]
struct Post {
    id: i32,
    title: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite))]
#[larder(many_to_many(posts: Post, through = Tagging, foreign_key = tag_id, target_key = post_id))]
struct Tag {
    id: i32,
    word: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(primary_key(post_id, tag_id), belongs_to(Post), belongs_to(Tag), check_for_backend(diesel::sqlite::Sqlite))]
struct Tagging {
    post_id: i32,
    tag_id: i32,
}

#[derive(Debug, PartialEq, View)]
#[larder(of = Tag)]
struct Word {
    word: String,
}

#[derive(Debug, PartialEq, View)]
#[larder(of = Post)]
struct Card {
    title: String,
    #[larder(with = tags)]
    tags: Vec<Word>,
    #[larder(count = taggings)]
    n_tags: i64,
}

#[test]
fn rows_are_found_through_their_join_rows_in_two_statements() {
    let database = Database::new(TABLES);
    let posts = |larder: &_| Post::repository(larder).with(Post::tags()).find_many(&[1, 2, 3]);
    let found: Vec<_> = database.costs(3, posts).into_iter().flatten().collect();
    let words: Vec<Vec<_>> = found.iter().map(|(_, tags)| tags.iter().map(|tag| &*tag.word).collect()).collect();
    assert_eq!(words, [vec!["red", "green"], vec![], vec!["green"]]);
    database.costs(0, posts);
}

#[test]
fn the_other_way_round_has_the_other_keys() {
    let database = Database::new(TABLES);
    let (tag, posts) = database.costs(5, |larder| Tag::repository(larder).with(Tag::posts().with(Post::tags())).get(1));
    assert_eq!((&*tag.word, posts.len()), ("red", 1));
    let (post, tags) = &posts[0];
    assert_eq!((&*post.title, tags.len()), ("One", 2));
}

#[test]
fn views_take_what_they_need_of_what_is_joined() {
    let database = Database::new(TABLES);
    // The count is that of the join rows, which were just stored.
    let card = database.costs(3, |larder| Post::repository(larder).select::<Card>().get(3));
    assert_eq!(card, Card { title: "Three".into(), tags: vec![Word { word: "green".into() }], n_tags: 1 });
}

#[test]
fn join_rows_that_go_with_their_parent_are_out_of_the_caches() {
    let database = Database::new(TABLES);
    let posts = |larder: &_| Tag::repository(larder).with(Tag::posts()).get(2);
    assert_eq!(database.costs(3, posts).1.len(), 2);
    database.costs(3, |larder| Post::repository(larder).delete(3));
    assert_eq!(database.costs(1, posts).1.len(), 1);
}
