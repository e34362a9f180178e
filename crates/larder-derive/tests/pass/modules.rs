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
