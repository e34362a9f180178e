use chrono::{DateTime, Utc};
use diesel::{
    connection::SimpleConnection,
    dsl::{max, min, sum},
    prelude::*,
};

use super::{Id, Moment, Money};
use crate::codec::{Codec, Input};

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Moment, Money};

    things (n) {
        n -> BigInt,
        id -> Id,
        price -> Money<2>,
        rate -> Money<6>,
        at -> Moment,
        seen -> Nullable<Moment>,
    }
}

#[derive(Debug, Clone, PartialEq, Queryable, Insertable)]
#[diesel(table_name = things)]
struct Thing {
    n: i64,
    id: Id,
    price: Money,
    rate: Money<6>,
    at: Moment,
    seen: Option<Moment>,
}

/// Any values, the ends of each type among them.
fn things() -> Vec<Thing> {
    let mut rng = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        rng ^= rng << 13;
        rng ^= rng >> 7;
        rng ^= rng << 17;
        rng
    };
    let ends = [i64::MIN / 2, i64::MIN / 2 + 1, -1_000_001, -1, 0, 1, 999_999, i64::MAX / 2];
    (0..400)
        .map(|n| {
            let bits = i64::from_le_bytes(random().to_le_bytes());
            let amount = ends.get(n).copied().unwrap_or(bits >> (random() % 60 + 2));
            let micros = ends.get(n).copied().unwrap_or(bits >> (random() % 60 + 2));
            let at = Moment::from_micros(micros).unwrap();
            Thing {
                n: i64::try_from(n).unwrap(),
                id: Id::from_u128(u128::from(random()) << 64 | u128::from(random())),
                price: Money::from_minor(amount),
                rate: Money::from_minor(-amount),
                at,
                seen: (n % 3 > 0).then_some(at),
            }
        })
        .collect()
}

fn table(rows: &[Thing]) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    let table = "CREATE TABLE things (n INTEGER PRIMARY KEY, id BLOB NOT NULL, price INTEGER NOT NULL, rate INTEGER NOT NULL, \
                 at INTEGER NOT NULL, seen INTEGER) STRICT";
    connection.batch_execute(table).unwrap();
    diesel::insert_into(things::table).values(rows).execute(&mut connection).unwrap();
    connection
}

#[test]
fn what_was_written_is_read() {
    let rows = things();
    let mut connection = table(&rows);
    assert_eq!(things::table.order(things::n).load::<Thing>(&mut connection).unwrap(), rows);
    for row in &rows {
        let found = things::table
            .filter(things::id.eq(row.id).and(things::price.eq(row.price)).and(things::at.eq(&row.at)))
            .select(things::n)
            .load::<i64>(&mut connection);
        assert_eq!(found.unwrap(), [row.n]);
    }
}

#[test]
fn the_database_s_order_is_rust_s() {
    let rows = things();
    let mut connection = table(&rows);
    macro_rules! ordered {
        ($column:ident) => {
            let mut sorted = rows.clone();
            sorted.sort_by_key(|row| (row.$column, row.n));
            let ordered = things::table.order((things::$column, things::n)).load::<Thing>(&mut connection);
            assert_eq!(ordered.unwrap(), sorted);
            let ends = things::table.select((min(things::$column), max(things::$column)));
            let ends = ends.first::<(Option<_>, Option<_>)>(&mut connection).unwrap();
            assert_eq!(ends, (sorted.first().map(|row| row.$column), sorted.last().map(|row| row.$column)));
        };
    }
    ordered!(id);
    ordered!(price);
    ordered!(rate);
    ordered!(at);
}

#[test]
fn sums_are_exact_and_means_are_refused() {
    let mut rows = things();
    rows.truncate(20);
    for (row, cents) in rows.iter_mut().zip(1..) {
        row.price = Money::from_minor(cents);
    }
    let mut connection = table(&rows);
    let total = things::table.select(sum(things::price)).first::<Option<Money>>(&mut connection).unwrap();
    assert_eq!(total, Some(Money::from_minor(210)));
    // 10.5 cents, which would be cut to 10 if nobody looked.
    let mean = things::table.select(diesel::dsl::avg(things::price)).first::<Option<Money>>(&mut connection);
    assert!(mean.is_err(), "{mean:?}");
}

#[test]
fn what_another_type_has_left_is_refused() {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    let table = "CREATE TABLE things (n INTEGER PRIMARY KEY, id, price, rate, at, seen); \
                 INSERT INTO things VALUES (1, 'no id', 12.5, '1', '2024-01-01', NULL)";
    connection.batch_execute(table).unwrap();
    assert!(things::table.select(things::id).first::<Id>(&mut connection).is_err());
    assert!(things::table.select(things::price).first::<Money>(&mut connection).is_err());
    assert!(things::table.select(things::rate).first::<Money<6>>(&mut connection).is_err());
    assert!(things::table.select(things::at).first::<Moment>(&mut connection).is_err());
}

#[test]
fn cells_and_documents_give_back_what_they_were_given() {
    fn coded<T: Codec + PartialEq + std::fmt::Debug>(value: &T) {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        assert_eq!(&T::decode(&mut Input::new(&bytes)).unwrap(), value);
    }
    for row in things() {
        coded(&row.id);
        coded(&row.price);
        coded(&row.at);
        let parts = (row.id, row.price, row.at);
        let document = rmp_serde::to_vec(&parts).unwrap();
        assert_eq!(rmp_serde::from_slice::<(Id, Money, Moment)>(&document).unwrap(), parts);
        assert_eq!(row.id.to_string().parse(), Ok(row.id));
        assert_eq!(row.price.to_string().parse(), Ok(row.price));
        assert_eq!(row.rate.to_string().parse(), Ok(row.rate));
    }
    assert_ne!(Money::<2>::FINGERPRINT, Money::<3>::FINGERPRINT);
}

#[test]
fn a_moment_is_cut_to_what_every_database_keeps() {
    let instant = DateTime::<Utc>::from_timestamp_nanos(1_234_567_891);
    assert_eq!(Moment::from(instant).utc().timestamp_subsec_nanos(), 234_567_000);
    let before = DateTime::<Utc>::from_timestamp_nanos(-1);
    assert_eq!(Moment::from(before).micros(), -1);
    let moment = Moment::from_micros(1_700_000_000_000_001).unwrap();
    assert_eq!(moment.to_string(), "2023-11-14T22:13:20.000001Z");
    assert_eq!("2023-11-14T23:13:20.000001+01:00".parse(), Ok(moment));
}
