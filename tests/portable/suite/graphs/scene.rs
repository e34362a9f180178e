//! People who follow people, on whatever back end.

use diesel::prelude::*;
use larder::{Larder, Node, Repository};

use crate::site::{Db, Ground as _, Moment, Shop};

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use larder::types::sql::Moment;

    people (id) {
        id -> BigInt,
        name -> Text,
        gone_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable};
    use larder::types::sql::Moment;

    follows (id) {
        id -> BigInt,
        follower_id -> BigInt,
        followed_id -> BigInt,
        gone_at -> Nullable<Moment>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(people, follows);

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Identifiable, Repository)]
#[diesel(table_name = people, check_for_backend(diesel::pg::Pg, diesel::mysql::Mysql, diesel::sqlite::Sqlite))]
#[larder(soft_delete = gone_at)]
#[larder(has_many(follows: Follow, foreign_key = follower_id, on_delete = cascade))]
#[larder(has_many(followed: Follow, foreign_key = followed_id, on_delete = cascade))]
pub(super) struct Person {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) gone_at: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Identifiable, Repository)]
#[diesel(table_name = follows, check_for_backend(diesel::pg::Pg, diesel::mysql::Mysql, diesel::sqlite::Sqlite))]
#[larder(index(follower_id), index(followed_id), soft_delete = gone_at)]
pub(super) struct Follow {
    pub(super) id: i64,
    pub(super) follower_id: i64,
    pub(super) followed_id: i64,
    pub(super) gone_at: Option<Moment>,
}

pub(super) fn follow(id: i64, follower_id: i64, followed_id: i64) -> Follow {
    Follow { id, follower_id, followed_id, gone_at: None }
}

/// The people from 0 to `n`, and edges that are numbered from 1.
pub(super) fn world(n: i64, edges: &[(i64, i64)]) -> Shop {
    let shop = Shop::new();
    let time = if Db::NAME == "PostgreSQL" { "timestamptz" } else { "DATETIME(6)" };
    shop.past(&format!("CREATE TABLE people (id BIGINT PRIMARY KEY, name VARCHAR(40) NOT NULL, gone_at {time})"));
    shop.past(&format!(
        "CREATE TABLE follows (id BIGINT PRIMARY KEY, follower_id BIGINT NOT NULL, followed_id BIGINT NOT NULL, gone_at {time})"
    ));
    shop.past("CREATE INDEX follower ON follows (follower_id)");
    shop.past("CREATE INDEX followed ON follows (followed_id)");
    let people: Vec<_> = (0..=n).map(|id| Person { id, name: format!("person {id}"), gone_at: None }).collect();
    Person::repository(&shop.larder).insert_many(&people).unwrap();
    let edges: Vec<_> = (1..).zip(edges).map(|(id, (from, to))| follow(id, *from, *to)).collect();
    Follow::repository(&shop.larder).insert_many(&edges).unwrap();
    shop
}

/// What was found: the node, from where, and how deep.
pub(super) fn shown(nodes: Vec<Node<i64, Person>>) -> Vec<(i64, i64, usize)> {
    nodes.into_iter().map(|node| (node.row.id, node.from, node.depth)).collect()
}

/// Whom one comes to from somebody.
pub(super) fn below(larder: &Larder<Db>, root: i64) -> Vec<(i64, i64, usize)> {
    let people = Person::repository(larder);
    shown(people.graph(Follow::key_by_follower_id, Follow::key_by_followed_id).reachable_from(root).unwrap())
}

/// Who comes to somebody.
pub(super) fn above(larder: &Larder<Db>, root: i64) -> Vec<(i64, i64, usize)> {
    let people = Person::repository(larder);
    shown(people.graph(Follow::key_by_followed_id, Follow::key_by_follower_id).reachable_from(root).unwrap())
}

/// Over whom.
pub(super) fn path(larder: &Larder<Db>, from: i64, to: i64) -> Option<Vec<i64>> {
    let people = Person::repository(larder);
    let way = people.graph(Follow::key_by_follower_id, Follow::key_by_followed_id).path(from, to).unwrap();
    way.map(|way| way.into_iter().map(|node| node.row.id).collect())
}

/// Whether asking again sends no statement.
pub(super) fn is_kept(shop: &Shop, ask: impl Fn()) -> bool {
    ask();
    shop.meter.reset();
    ask();
    shop.meter.counts().sql == 0
}
