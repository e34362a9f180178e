//! Column types that a model can have on every back end, on this one.

use diesel::{
    dsl::{max, min, sum},
    prelude::*,
};
use larder::types::{Id, Moment, Money};

use crate::{
    models::{Author, Book, NewAuthor, NewBook, books},
    site::Site,
};

#[test]
fn what_was_written_is_read_in_rust_s_order_and_sums_are_exact() {
    let mut site = Site::empty();
    Author::repository(&site.larder).insert(&NewAuthor { id: Some(1), email: "a@x", name: None }).unwrap();
    let ends = [i64::MIN, -1_000_001, -101, -100, -1, 0, 1, 99, 1_000_000, i64::MAX];
    let rows: Vec<_> = (0..200_u64)
        .map(|n| {
            let bits = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let amount = usize::try_from(n).ok().and_then(|n| ends.get(n).copied());
            NewBook {
                id: Id::from_u128(u128::from(bits) << 64 | u128::from(!bits)),
                author_id: 1,
                genre: "verse",
                price: Money::from_minor(amount.unwrap_or(i64::from_ne_bytes(bits.to_ne_bytes()) >> (n % 40 + 10))),
                // From the year 1000 to 9999.
                made_at: Moment::from_micros(
                    -30_609_792_000_000_000
                        + i64::try_from(bits % 283_900_000_000).unwrap() * 1_000_000
                        + i64::try_from(n).unwrap(),
                )
                .unwrap(),
                seen_at: (n % 2 == 0).then(Moment::now),
            }
        })
        .collect();
    let inserted = Book::repository(&site.larder).insert_many(&rows).unwrap();
    for (row, record) in inserted.iter().zip(&rows) {
        assert_eq!(
            (row.id, row.price, row.made_at, row.seen_at),
            (record.id, record.price, record.made_at, record.seen_at)
        );
    }
    site.forget();
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    assert_eq!(
        Book::repository(&site.larder).find_many(&ids).unwrap(),
        inserted.iter().cloned().map(Some).collect::<Vec<_>>()
    );
    let mut outside = site.outside();
    macro_rules! ordered {
        ($column:ident) => {
            let mut sorted = inserted.clone();
            sorted.sort_by_key(|row| (row.$column, row.id));
            let found = books::table.order((books::$column, books::id)).load::<Book>(&mut outside);
            assert_eq!(found.unwrap(), sorted);
            let ends = books::table.select((min(books::$column), max(books::$column)));
            let ends = ends.first::<(Option<_>, Option<_>)>(&mut outside).unwrap();
            assert_eq!(ends, (sorted.first().map(|row| row.$column), sorted.last().map(|row| row.$column)));
        };
    }
    ordered!(price);
    ordered!(made_at);
    let mut sorted = inserted.clone();
    sorted.sort_by_key(|row| row.id);
    assert_eq!(books::table.order(books::id).load::<Book>(&mut outside).unwrap(), sorted);
    let some = books::table
        .filter(books::price.lt(Money::from_minor(1_000_000)).and(books::price.gt(Money::from_minor(-1_000_000))));
    let total: i64 =
        inserted.iter().map(|row| row.price.minor()).filter(|minor| minor.unsigned_abs() < 1_000_000).sum();
    let summed = some.select(sum(books::price)).first::<Option<Money>>(&mut outside);
    assert_eq!(summed, Ok(Some(Money::from_minor(total))));
    assert!(books::table.select(sum(books::price)).first::<Option<Money>>(&mut outside).is_ok());
}

#[test]
fn an_instant_that_the_database_has_not_is_refused() {
    let site = Site::filled();
    let early = Moment::from_micros(-60_000_000_000_000_000).unwrap();
    let changed = Book::repository(&site.larder).update(Id::from_u128(1), books::made_at.eq(early));
    assert!(changed.is_err(), "{changed:?}");
}
