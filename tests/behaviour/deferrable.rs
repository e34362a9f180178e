//! A primary key whose constraint waits until COMMIT: rows can exchange their keys in one statement.

use diesel::{connection::SimpleConnection as _, pg::Pg, prelude::*};
use larder::{Larder, Repository};
use larder_redis::RedisStore;
use tests::{Database, EMPTY, Meter, Namespace, redis_store, redis_url};

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

/// Two seats, and a handle on them. What stands beside it goes with it.
fn seats() -> (Larder<Pg>, Database, Namespace) {
    let (database, namespace) = (EMPTY.database(), Namespace::new());
    database
        .connect()
        .batch_execute(
            "CREATE TABLE seats (number int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, guest text NOT NULL);
             INSERT INTO seats VALUES (1, 'ada'), (2, 'bob')",
        )
        .unwrap();
    let store: RedisStore = redis_store(&redis_url(), &namespace);
    let larder = Larder::builder(database.pool(&Meter::new(), 4)).shared(store).fill_in_background(false).build();
    (larder, database, namespace)
}

fn guests(larder: &Larder<Pg>) -> Vec<String> {
    Seat::repository(larder).find_many(&[1, 2]).unwrap().into_iter().map(|seat| seat.unwrap().guest).collect()
}

#[test]
fn rows_that_exchange_their_keys_are_found_where_they_went() {
    let (larder, _database, _namespace) = seats();
    assert_eq!(guests(&larder), ["ada", "bob"]);
    for expected in [["bob", "ada"], ["ada", "bob"]] {
        let other = 3.into_sql::<diesel::sql_types::Integer>() - seats::number;
        Seat::repository(&larder).update_where(seats::number.gt(0), seats::number.eq(other)).unwrap();
        assert_eq!(guests(&larder), expected);
        assert_eq!(guests(&larder), expected);
    }
}

#[test]
fn a_row_that_takes_the_key_of_one_that_a_savepoint_deletes_is_found() {
    let (larder, _database, _namespace) = seats();
    let ada = larder
        .transaction(|tx| {
            let seats = Seat::repository(tx);
            let moved = seats.update_where(seats::guest.eq("ada"), seats::number.eq(2))?;
            tx.savepoint(|_| seats.delete_where(seats::guest.eq("bob")))?;
            Ok(moved)
        })
        .unwrap();
    for _ in 0..2 {
        assert_eq!(Seat::repository(&larder).find_many(&[1, 2]).unwrap(), [None, Some(ada[0].clone())]);
    }
}
