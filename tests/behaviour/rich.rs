//! Types that PostgreSQL alone has, in models: through the database, through cells, in conditions and in writes.

mod documents;
mod others;
mod points;
mod texts;
mod things;
mod trees;

use std::ops::Bound;

use chrono::DateTime;
use diesel::{PgConnection, connection::SimpleConnection as _, pg::Pg, prelude::*};
use ipnet::IpNet;
use larder::{Larder, types::Json};
use serde_json::{Value, json};
use tests::{Cost, Meter, Namespace, Template, redis_store, redis_url};

use self::things::{Detail, Mood, Thing};

static RICH: Template = Template::new("rich", |connection: &mut PgConnection| {
    let search = larder::search::up::<texts::Article>().expect("the table has a name");
    for sql in [things::UP, trees::TABLES, others::TABLES, texts::TABLES, &search] {
        connection.batch_execute(sql).expect("the tables can be made");
    }
});

/// Two processes on one database of such things.
struct World {
    database: tests::Database,
    _namespace: Namespace,
    meters: [Meter; 2],
    larders: [Larder<Pg>; 2],
}

impl World {
    fn new() -> Self {
        let (database, namespace) = (RICH.database(), Namespace::new());
        let meters = [Meter::new(), Meter::new()];
        let larder = |meter: &Meter| {
            let store = meter.metered(redis_store(&redis_url(), &namespace));
            Larder::builder(database.pool(meter, 4))
                .shared(store)
                .fill_in_background(false)
                .refresh_early(false)
                .build()
        };
        let larders = [larder(&meters[0]), larder(&meters[1])];
        Self { database, _namespace: namespace, meters, larders }
    }
}

fn bound<T>(random: &mut fastrand::Rng, value: T) -> Bound<T> {
    match random.u8(..3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(value),
        _ => Bound::Excluded(value),
    }
}

fn text(random: &mut fastrand::Rng) -> String {
    (0..random.usize(..6)).map(|_| *random.choice(&['a', 'ü', '"', '\\', '\n', '{', ',', '𝄞', ' ']).unwrap()).collect()
}

fn value(random: &mut fastrand::Rng, depth: u32) -> Value {
    match random.u8(..if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(random.bool()),
        2 => json!(random.i64(..)),
        3 => json!(f64::from(random.i32(..)) / 8.0),
        4 => json!(text(random)),
        5 => (0..random.usize(..3)).map(|_| value(random, depth - 1)).collect(),
        _ => Value::Object((0..random.usize(..3)).map(|_| (text(random), value(random, depth - 1))).collect()),
    }
}

fn thing(random: &mut fastrand::Rng, id: i64) -> Thing {
    let instant =
        |random: &mut fastrand::Rng| DateTime::from_timestamp_micros(random.i64(0..4_000_000_000_000_000)).unwrap();
    let (from, to) = (random.i32(..1_000), random.i32(1_001..i32::MAX));
    let start = instant(random);
    let address = if random.bool() {
        IpNet::new(random.u32(..).to_be_bytes().into(), random.u8(..=32)).unwrap()
    } else {
        IpNet::new(random.u128(..).to_be_bytes().into(), random.u8(..=128)).unwrap()
    };
    Thing {
        id,
        detail: Json(Detail {
            city: text(random),
            tags: (0..random.usize(..3)).map(|_| text(random)).collect(),
            size: if random.bool() { things::Size::Number(random.i32(..)) } else { things::Size::Word(text(random)) },
            rest: [("more".to_owned(), value(random, 3))].into(),
        }),
        note: random.bool().then(|| Json(value(random, 3))),
        tags: (0..random.usize(..4)).map(|_| text(random)).collect(),
        scores: (0..random.usize(..4)).map(|_| random.bool().then(|| random.i32(..))).collect(),
        mood: random.bool().then(|| *random.choice(&[Mood::Glad, Mood::Sad]).unwrap()),
        span: (bound(random, from), bound(random, to)),
        during: (bound(random, start), bound(random, start + chrono::TimeDelta::hours(1))),
        address,
        network: address.trunc(),
    }
}

/// As PostgreSQL writes a range of whole numbers: with its first, and before its last.
fn canonical((from, to): (Bound<i32>, Bound<i32>)) -> (Bound<i32>, Bound<i32>) {
    let from = match from {
        Bound::Excluded(from) => Bound::Included(from + 1),
        from => from,
    };
    let to = match to {
        Bound::Included(to) => Bound::Excluded(to + 1),
        to => to,
    };
    (from, to)
}

#[test]
fn what_is_written_comes_back_from_the_database_from_cells_and_from_another_process() {
    let world = World::new();
    let [things, others] = [0, 1].map(|at| Thing::repository(&world.larders[at]));
    let mut random = fastrand::Rng::with_seed(7);
    for id in 0..150 {
        let thing = thing(&mut random, id);
        let expected = Thing { span: canonical(thing.span), ..thing.clone() };
        assert_eq!(things.insert(&thing).unwrap(), expected, "as RETURNING has it");
        assert_eq!(others.get(id).unwrap(), expected, "as the cell has it");
        let row = things::things::table.find(id).first::<Thing>(&mut world.database.connect()).unwrap();
        assert_eq!(row, expected, "as the database has it");
    }
    world.meters[1].reset();
    let all = others.find_many(&(0..150).collect::<Vec<_>>()).unwrap();
    world.meters[1].expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
    assert_eq!(all.into_iter().flatten().count(), 150);
}

#[test]
fn keys_and_lists_are_of_such_types_too_and_writes_find_them() {
    let world = World::new();
    let [things, others] = [0, 1].map(|at| Thing::repository(&world.larders[at]));
    let mut random = fastrand::Rng::with_seed(8);
    let one = Thing { address: "10.1.2.3/8".parse().unwrap(), mood: Some(Mood::Glad), ..thing(&mut random, 1) };
    things.insert(&one).unwrap();
    let address = one.address;
    assert_eq!(others.list_by_address(address).load().unwrap().len(), 1);
    assert_eq!(others.list_by_mood(Mood::Glad).load().unwrap().len(), 1);
    assert_eq!(others.list_by_address("10.0.0.0/8".parse::<IpNet>().unwrap()).load().unwrap(), []);
    let changes = (things::things::mood.eq(Mood::Sad), things::things::tags.eq(vec!["new", "er"]));
    let changed = things.update(1, changes).unwrap();
    assert_eq!((changed.mood, &changed.tags[..]), (Some(Mood::Sad), &["new".to_owned(), "er".to_owned()][..]));
    assert_eq!(others.list_by_mood(Mood::Glad).load().unwrap(), []);
    assert_eq!(others.list_by_mood(Mood::Sad).load().unwrap(), [changed]);
    // Diesel's own conditions on them.
    let tagged = others.query(|q| q.filter(things::things::tags.contains(vec!["er"]))).unwrap();
    assert_eq!(tagged.len(), 1);
    let within =
        others.query(|q| q.filter(things::things::address.is_contained_by("10.0.0.0/8".parse::<IpNet>().unwrap())));
    assert_eq!(within.unwrap().len(), 0, "which is not less than itself");
    let within = others
        .query(|q| q.filter(things::things::address.is_contained_by_or_eq("10.0.0.0/8".parse::<IpNet>().unwrap())));
    assert_eq!(within.unwrap().len(), 1);
}
