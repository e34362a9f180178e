//! Keys of types that PostgreSQL writes in many ways.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, Utc};
use diesel::{pg::Pg, prelude::*};
use larder::{Larder, Models, Repository};
use larder_wal::{Follower, setup};
use tests::{Meter, eventually, pool};
use uuid::Uuid;

use super::world::{LONG, World, until};

diesel::table! {
    stamps (id) {
        id -> Uuid, day -> Date, at -> Timestamptz, raw -> Bytea, price -> Numeric, flag -> Bool, note -> Text,
    }
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Repository)]
#[diesel(table_name = stamps, check_for_backend(Pg))]
#[larder(unique(day), unique(at), unique(raw), index(price, flag))]
struct Stamp {
    id: Uuid,
    day: NaiveDate,
    at: DateTime<Utc>,
    raw: Vec<u8>,
    price: BigDecimal,
    flag: bool,
    note: String,
}

#[test]
fn a_key_is_the_same_whatever_words_the_database_has_for_it() {
    let world = World::new();
    let name = world.slot();
    let _ = world.psql(&format!(
        "ALTER DATABASE {name} SET DateStyle = 'SQL, DMY'; ALTER DATABASE {name} SET TimeZone = 'Asia/Kathmandu';
         ALTER DATABASE {name} SET bytea_output = escape;
         CREATE TABLE stamps (id uuid PRIMARY KEY, day date UNIQUE, at timestamptz UNIQUE, raw bytea UNIQUE, price numeric, flag bool, note text);
         INSERT INTO stamps VALUES (gen_random_uuid(), '2024-03-02', '2024-03-02 01:02:03.123456Z', '\\x005c27ff', 1.50, true, '')"
    ));
    let models = || Models::new().with::<Stamp>();
    let _ = world.psql(&setup::up(&models(), "stamps"));
    let larder = Larder::builder(pool(&world.url, &Meter::new(), 1)).shared_arc(Arc::clone(&world.store)).build();
    // What the log has as 02/03 is another day in the follower's own session.
    let url = format!("{}?options=-c%20DateStyle%3DSQL%2CMDY", world.url);
    let follower = Follower::builder(url, Arc::clone(&world.store), models());
    let follower = follower.publication("stamps").slot(format!("{name}_stamps")).start().unwrap();
    until(&follower, |status| status.is_following);
    let stamps = Stamp::repository(&larder);
    let stamp = stamps.query(|query| query).unwrap().pop().unwrap();
    let answers = || {
        [
            stamps.find(stamp.id).unwrap(),
            stamps.find_by_day(stamp.day).unwrap(),
            stamps.find_by_at(stamp.at).unwrap(),
            stamps.find_by_raw(stamp.raw.clone()).unwrap(),
            stamps.list_by_price_and_flag(stamp.price.clone(), stamp.flag).load().unwrap().pop(),
        ]
        .map(|stamp| stamp.map(|stamp| stamp.note))
    };
    for note in ["one", "two", "three"] {
        answers();
        assert!(larder.flush(LONG));
        let _ = world.psql(&format!("UPDATE stamps SET note = '{note}'"));
        eventually(LONG, || answers().iter().all(|found| found.as_deref() == Some(note)));
        // By their very cells and the table's, and not by any row's.
        let settled = world.settled();
        assert_eq!(settled.iter().filter(|key| key.starts_with("stamps:")).count(), 6, "{settled:?}");
    }
}
