//! Models in modules of their own, which name tables and each other by every kind of path, and where names are taken.

use crate::support::Database;

mod schema {
    diesel::table! { users (id) { id -> Integer, email -> Text, } }
    diesel::table! { orders (id) { id -> Integer, user_id -> Integer, } }
}

mod user {
    use diesel::prelude::*;

    use super::schema::users;

    #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
    #[diesel(check_for_backend(diesel::sqlite::Sqlite))]
    #[larder(unique(email), has_many(orders: super::order::Order))]
    pub(crate) struct User {
        pub(super) id: i32,
        pub(super) email: String,
    }

    // Names that the derives might be thought to use.
    #[expect(dead_code, reason = "they are in the way")]
    mod taken {
        pub(super) struct Columns;
        pub(super) struct UserById;
        pub(super) struct Option;
        pub(super) struct Result;
        pub(super) struct Vec;
    }
    #[expect(unused_imports, reason = "they are in the way")]
    use taken::*;
}

mod order {
    use diesel::prelude::*;

    #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, larder::Repository)]
    #[diesel(table_name = super::schema::orders, belongs_to(crate::modules::user::User))]
    #[diesel(check_for_backend(diesel::sqlite::Sqlite))]
    pub(crate) struct Order {
        pub(crate) id: i32,
        pub(crate) user_id: i32,
    }
}

mod view {
    use crate::modules::order;

    #[derive(Debug, PartialEq, larder::View)]
    #[larder(of = super::user::User)]
    pub(super) struct Card {
        pub(super) email: String,
        #[larder(with = orders, filter = id.gt(1), order = id.asc())]
        pub(super) orders: std::vec::Vec<order::Order>,
    }
}

mod awkward {
    use diesel::prelude::*;
    use larder::{Repository, View};

    diesel::table! { nodes (id) { id -> Integer, row -> Integer, list -> Nullable<Integer>, keys -> Integer, } }

    /// Every name is one that generated code might have a use for.
    #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
    #[diesel(table_name = nodes, check_for_backend(diesel::sqlite::Sqlite))]
    #[larder(unique(keys), index(row; order = list.asc()))]
    #[larder(belongs_to(columns: Node, foreign_key = row), belongs_to(by_id: Node, foreign_key = list))]
    #[larder(has_many(relations: Node, foreign_key = row), has_many(entity: Node, foreign_key = list))]
    pub(super) struct Node {
        pub(super) id: i32,
        pub(super) row: i32,
        pub(super) list: Option<i32>,
        pub(super) keys: i32,
    }

    #[derive(Debug, PartialEq, View)]
    #[larder(of = Node)]
    pub(super) struct Access {
        pub(super) row: i32,
        #[larder(field = id)]
        pub(super) list: i32,
        #[larder(with = columns)]
        pub(super) columns: Box_,
        #[larder(with = relations, filter = row.gt(0), order = keys.asc())]
        pub(super) entity: Vec<Box_>,
        #[larder(count = entity)]
        pub(super) heads: i64,
    }

    #[derive(Debug, PartialEq, View)]
    #[larder(of = Node)]
    pub(super) struct Box_ {
        #[larder(field = id)]
        pub(super) value: i32,
    }
}

#[test]
fn fields_and_relations_may_be_called_as_the_derives_variables_are() {
    let database = Database::new(
        "CREATE TABLE nodes (id INTEGER PRIMARY KEY, row INTEGER NOT NULL, list INTEGER, keys INTEGER NOT NULL UNIQUE);
         INSERT INTO nodes VALUES (1, 1, NULL, 7), (2, 1, 1, 8);",
    );
    let node = database.costs(1, |larder| awkward::Node::repository(larder).find_by_keys(8)).unwrap();
    assert_eq!((node.id, node.row, node.list), (2, 1, Some(1)));
    let access = database.costs(4, |larder| awkward::Node::repository(larder).select::<awkward::Access>().get(1));
    let values: Vec<_> = access.entity.iter().map(|node| node.value).collect();
    assert_eq!((access.row, access.list, access.columns.value, access.heads), (1, 1, 1, 1));
    assert_eq!(values, [1, 2]);
    assert_eq!(
        database.costs(2, |larder| awkward::Node::repository(larder).with(awkward::Node::by_id()).get(2)).1.unwrap().id,
        1
    );
}

#[test]
fn models_of_several_modules_work_together() {
    let database = Database::new(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE);
         CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL);
         INSERT INTO users VALUES (1, 'ada');
         INSERT INTO orders VALUES (1, 1), (2, 1);",
    );
    let card = database.costs(2, |larder| user::User::repository(larder).select::<view::Card>().get(1));
    assert_eq!(card.email, "ada");
    assert_eq!(card.orders, [order::Order { id: 2, user_id: 1 }]);
    let (order, user) = database.costs(2, |larder| order::Order::repository(larder).with(order::Order::user()).get(1));
    assert_eq!((order.id, user.id), (1, 1));
}
