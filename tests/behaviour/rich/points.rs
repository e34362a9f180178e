//! Places on the earth, and series in time.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{PgConnection, connection::SimpleConnection as _, dsl::avg, pg::Pg, prelude::*};
use larder::{
    Larder, MemoryStore, Repository,
    series::{bucket, spans},
    types::{Point, PointMethods as _},
};
use tests::{Meter, Template};

static EARTH: Template = Template::new("earth", |connection: &mut PgConnection| {
    let tables = "
        CREATE EXTENSION postgis;
        CREATE TABLE shops (id bigint PRIMARY KEY, place geography(Point, 4326) NOT NULL, store geography(Point, 4326));
        CREATE INDEX ON shops USING gist (place);
        CREATE TABLE readings (id bigint PRIMARY KEY, at timestamptz NOT NULL, celsius double precision NOT NULL);
        CREATE INDEX ON readings USING brin (at);";
    connection.batch_execute(tables).expect("PostGIS is installed");
});

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable};
    use larder::types::Geography;

    shops (id) {
        id -> BigInt,
        place -> Geography,
        store -> Nullable<Geography>,
    }
}

diesel::table! { readings (id) { id -> BigInt, at -> Timestamptz, celsius -> Double, } }

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Identifiable, Repository)]
#[diesel(table_name = shops, check_for_backend(diesel::pg::Pg))]
struct Shop {
    id: i64,
    place: Point,
    store: Option<Point>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Identifiable, Repository)]
#[diesel(table_name = readings, check_for_backend(diesel::pg::Pg))]
struct Reading {
    id: i64,
    at: DateTime<Utc>,
    celsius: f64,
}

fn larder(database: &tests::Database, meter: &Meter) -> Larder<Pg> {
    Larder::builder(database.pool(meter, 4)).shared(meter.metered(MemoryStore::new())).fill_in_background(false).build()
}

fn point(longitude: f64, latitude: f64) -> Point {
    Point { longitude, latitude }
}

#[test]
fn a_point_that_is_no_place_is_an_error() {
    let (database, meter) = (EARTH.database(), Meter::new());
    let larder = larder(&database, &meter);
    for place in [point(180.5, 0.0), point(0.0, -90.5), point(f64::NAN, 0.0), point(0.0, f64::INFINITY)] {
        let refused = Shop::repository(&larder).insert(Shop { id: 1, place, store: None });
        assert!(refused.is_err(), "{refused:?}");
    }
    assert!(Shop::repository(&larder).insert(Shop { id: 1, place: point(-180.0, 90.0), store: None }).is_ok());
}

#[test]
fn points_come_back_and_the_nearest_and_those_within_a_distance_are_found() {
    let (database, meter) = (EARTH.database(), Meter::new());
    let larder = larder(&database, &meter);
    let shops = Shop::repository(&larder);
    let graz = point(15.4395, 47.0707);
    let mut random = fastrand::Rng::with_seed(5);
    for id in 0..200 {
        let place = point(random.f64() * 359.0 - 179.5, random.f64() * 179.0 - 89.5);
        let shop = Shop { id, place, store: random.bool().then_some(graz) };
        assert_eq!(shops.insert(&shop).unwrap(), shop);
        assert_eq!(shops.get(id).unwrap(), shop, "from its cell");
    }
    let [vienna, near, far] = [point(16.3738, 48.2082), point(15.4396, 47.0707), point(15.45, 47.0707)];
    for (id, place) in [(1_000, vienna), (1_001, near), (1_002, far)] {
        shops.insert(&Shop { id, place, store: None }).unwrap();
    }
    let ids = |found: larder::Result<Vec<Shop>>| found.unwrap().into_iter().map(|shop| shop.id).collect::<Vec<_>>();
    assert_eq!(ids(shops.query(|q| q.order(shops::place.distance_to(graz)).limit(3))), [1_001, 1_002, 1_000]);
    assert_eq!(ids(shops.query(|q| q.filter(shops::place.within(100.0, graz)))), [1_001]);
    assert_eq!(ids(shops.query(|q| q.filter(shops::place.within(1_000.0, graz)).order(shops::id))), [1_001, 1_002]);
    assert!(!ids(shops.query(|q| q.filter(shops::store.within(1.0, graz)))).is_empty());
    // Something else in the column is an error of that row.
    database.connect().batch_execute("INSERT INTO shops VALUES (2000, 'POINT EMPTY')").unwrap();
    assert!(shops.find(2_000).is_err());
}

#[test]
fn what_was_measured_is_put_together_by_spans_and_gaps_have_a_place() {
    let (database, meter) = (EARTH.database(), Meter::new());
    let larder = larder(&database, &meter);
    let start = DateTime::from_timestamp(1_700_000_000 / 3_600 * 3_600, 0).unwrap();
    let hours = |n: i64| start + TimeDelta::hours(n);
    let reading = |id, at, celsius| Reading { id, at, celsius };
    let minutes = |n: i64, of: i64| hours(n) + TimeDelta::minutes(of);
    let readings = [reading(1, minutes(0, 1), 1.0), reading(2, minutes(0, 59), 3.0), reading(3, minutes(2, 0), 7.0)];
    Reading::repository(&larder).insert_many(&readings).unwrap();
    let hour = Duration::from_secs(3_600);
    let measured = || -> Vec<(DateTime<Utc>, Option<f64>)> {
        let query = larder.query("temperature").depends_on::<Reading>();
        query
            .load(|connection| {
                let at = bucket(readings::at, hour);
                readings::table.group_by(at).select((at, avg(readings::celsius))).order(at).load(connection)
            })
            .unwrap()
    };
    assert_eq!(measured(), [(hours(0), Some(2.0)), (hours(2), Some(7.0))]);
    let all = spans(minutes(0, 30), hours(4), hour, measured());
    let expected = [(hours(0), Some(Some(2.0))), (hours(1), None), (hours(2), Some(Some(7.0))), (hours(3), None)];
    assert_eq!(all, expected);
    meter.reset();
    measured();
    assert_eq!(meter.counts().sql, 0);
    Reading::repository(&larder).insert(reading(4, minutes(2, 30), 9.0)).unwrap();
    assert_eq!(measured()[1], (hours(2), Some(8.0)));
}
