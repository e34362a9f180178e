//! A primary key whose constraint waits until COMMIT: rows can exchange their keys in one statement.

use diesel::{connection::SimpleConnection as _, prelude::*};
use larder::{Larder, Repository};
use larder_redis::RedisStore;
use tests::{EMPTY, Meter, Namespace, redis_store, redis_url};

diesel::table! {
    seats (number) {
        number -> Integer,
        guest -> Text,
    }
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = seats, primary_key(number), check_for_backend(diesel::pg::Pg))]
struct Seat {
    number: i32,
    guest: String,
}

#[test]
fn rows_that_exchange_their_keys_are_found_where_they_went() {
    let (database, namespace) = (EMPTY.database(), Namespace::new());
    database
        .connect()
        .batch_execute(
            "CREATE TABLE seats (number int PRIMARY KEY DEFERRABLE, guest text NOT NULL);
             INSERT INTO seats VALUES (1, 'ada'), (2, 'bob')",
        )
        .unwrap();
    let store: RedisStore = redis_store(&redis_url(), &namespace);
    let larder = Larder::builder(database.pool(&Meter::new(), 4)).shared(store).fill_in_background(false).build();
    let repository = Seat::repository(&larder);
    let guests = || repository.find_many(&[1, 2]).unwrap().into_iter().map(|seat| seat.unwrap().guest);
    assert!(guests().eq(["ada", "bob"]));
    for expected in [["bob", "ada"], ["ada", "bob"]] {
        repository
            .update_where(
                seats::number.gt(0),
                seats::number.eq(3.into_sql::<diesel::sql_types::Integer>() - seats::number),
            )
            .unwrap();
        assert!(guests().eq(expected));
        assert!(guests().eq(expected));
    }
}
