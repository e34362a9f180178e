//! Columns and keys of all kinds.

use std::sync::Arc;

use diesel::{connection::SimpleConnection as _, pg::Pg, prelude::*};
use larder::{
    Larder,
    behind::{Error, Flusher, Options},
    buffer::MemoryBuffer,
};
use shop_core::{Order, OrderChanges, OrderItem, Status, User, schema::order_items};
use tests::{Events, Shop, money};

/// A shop whose handle has a buffer in this process.
fn shop() -> Shop {
    Shop::built(|builder| {
        let options = Options::on(MemoryBuffer::new("shop")).with::<User>().with::<Order>().with::<OrderItem>();
        builder.behind(options)
    })
}

fn no_dead(larder: &Larder<Pg>) {
    assert_eq!(larder.dead_letters().unwrap().list(10).unwrap(), []);
}

#[test]
fn a_changeset_a_composite_key_and_decimals_are_written_as_they_would_have_been() {
    let shop = shop();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let order = shop.order(&ada, Status::Pending, 1_000, 1);
    let items = [shop.item(&order, 1), shop.item(&order, 2)];
    let orders = Order::repository(&shop.larder);
    let changes = OrderChanges { status: Some(Status::Paid), user_id: Some(bob.id), total_amount: None };
    orders.behind().update(order.id, &changes).unwrap();
    orders.behind().increment(order.id, shop_core::schema::orders::total_amount, money(250)).unwrap();
    orders.behind().increment(order.id, shop_core::schema::orders::total_amount, 1).unwrap();
    let lines = OrderItem::repository(&shop.larder);
    for (line, by) in [(1, 2), (2, 5), (1, 1)] {
        lines.behind().increment((order.id, line), order_items::quantity, by).unwrap();
    }
    assert_eq!(orders.list_by_user_id(ada.id).load().unwrap().len(), 1);
    Flusher::run_once(&shop.larder).unwrap();
    no_dead(&shop.larder);
    let expected = Order { status: Status::Paid, user_id: bob.id, total_amount: money(1_350), ..order };
    assert_eq!(orders.get(expected.id).unwrap(), expected);
    // Both lists have heard of it.
    assert_eq!(orders.list_by_user_id(ada.id).load().unwrap(), []);
    assert_eq!(orders.list_by_user_id(bob.id).load().unwrap(), [expected]);
    let quantities = items.map(|item| lines.get((item.order_id, item.line_number)).unwrap().quantity);
    assert_eq!(quantities, [4, 6]);
}

mod moods {
    use std::io::Write as _;

    use diesel::{
        deserialize::{self, FromSql, FromSqlRow},
        expression::AsExpression,
        pg::{Pg, PgValue},
        prelude::*,
        serialize::{self, IsNull, Output, ToSql},
        sql_types::SqlType,
    };
    use larder::Repository;

    #[derive(Debug, SqlType)]
    #[diesel(postgres_type(name = "Mood", schema = "zoo"))]
    pub struct MoodType;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow, larder::Codec)]
    #[diesel(sql_type = MoodType)]
    pub(super) enum Mood {
        Glad,
        Sad,
    }

    impl ToSql<MoodType, Pg> for Mood {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            out.write_all(if *self == Self::Glad { b"glad" } else { b"sad" })?;
            Ok(IsNull::No)
        }
    }

    impl FromSql<MoodType, Pg> for Mood {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            Ok(if value.as_bytes() == b"glad" { Self::Glad } else { Self::Sad })
        }
    }

    diesel::table! {
        use diesel::sql_types::*;
        use super::MoodType;
        /// In a schema of its own, with names that want quotes.
        #[sql_name = "Animals"]
        zoo.animals (name) {
            name -> Text,
            #[sql_name = "my \"mood"]
            mood -> Nullable<MoodType>,
            small -> SmallInt,
            real -> Double,
            bytes -> Binary,
            flag -> Bool,
        }
    }

    #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
    #[diesel(table_name = animals, primary_key(name), check_for_backend(diesel::pg::Pg))]
    pub(super) struct Animal {
        pub(super) name: String,
        pub(super) mood: Option<Mood>,
        pub(super) small: i16,
        pub(super) real: f64,
        pub(super) bytes: Vec<u8>,
        pub(super) flag: bool,
    }
}

#[test]
fn types_of_ones_own_other_schemas_and_strange_names_are_written_and_read_behind() {
    use moods::{Animal, Mood, animals};
    let database = tests::EMPTY.database();
    let tables = r#"CREATE SCHEMA zoo;
        CREATE TYPE zoo."Mood" AS ENUM ('glad', 'sad');
        CREATE TABLE zoo."Animals" (name text PRIMARY KEY, "my ""mood" zoo."Mood", small smallint NOT NULL DEFAULT 0,
            real double precision NOT NULL DEFAULT 0, bytes bytea NOT NULL DEFAULT '', flag bool NOT NULL DEFAULT false);
        INSERT INTO zoo."Animals" VALUES ('owl; "x''', NULL), ('bat', 'sad');"#;
    database.connect().batch_execute(tables).unwrap();
    database.connect().batch_execute(larder::behind::UP).unwrap();
    let (meter, events) = (tests::Meter::new(), Events::default());
    let options = Options::on(MemoryBuffer::new("zoo")).with::<Animal>();
    let larder: Larder<Pg> = Larder::builder(database.pool(&meter, 4)).events(events).behind(options).build();
    let zoo = Animal::repository(&larder);
    let owl = || "owl; \"x'".to_owned();
    zoo.behind().update(owl(), animals::mood.eq(Some(Mood::Glad))).unwrap();
    zoo.behind().increment(owl(), animals::small, 3_i16).unwrap();
    let others = (animals::real.eq(-0.1), animals::bytes.eq(b"\0\xff".to_vec()), animals::flag.eq(true));
    zoo.behind().update(owl(), others).unwrap();
    zoo.behind().update("bat".to_owned(), animals::mood.eq(None::<Mood>)).unwrap();
    let expected =
        Animal { name: owl(), mood: Some(Mood::Glad), small: 3, real: -0.1, bytes: b"\0\xff".to_vec(), flag: true };
    assert_eq!(zoo.behind().find(owl()).unwrap().as_ref(), Some(&expected));
    assert_eq!(zoo.behind().find("bat".to_owned()).unwrap().unwrap().mood, None);
    assert_eq!(zoo.get("bat".to_owned()).unwrap().mood, Some(Mood::Sad));
    Flusher::run_once(&larder).unwrap();
    no_dead(&larder);
    assert_eq!(zoo.get(owl()).unwrap(), expected);
    assert_eq!(zoo.get("bat".to_owned()).unwrap().mood, None);
}

/// The enum is text by now, so nobody will ever know the type of what waits.
#[test]
fn a_type_that_is_gone_stops_no_other_change_and_is_given_up_in_time() {
    use moods::{Animal, Mood, animals};
    let database = tests::EMPTY.database();
    let mut psql = database.connect();
    let tables = r#"CREATE SCHEMA zoo;
        CREATE TYPE zoo."Mood" AS ENUM ('glad', 'sad');
        CREATE TABLE zoo."Animals" (name text PRIMARY KEY, "my ""mood" zoo."Mood", small smallint NOT NULL DEFAULT 0,
            real double precision NOT NULL DEFAULT 0, bytes bytea NOT NULL DEFAULT '', flag bool NOT NULL DEFAULT false);
        INSERT INTO zoo."Animals" VALUES ('owl'), ('bat');"#;
    psql.batch_execute(tables).unwrap();
    psql.batch_execute(larder::behind::UP).unwrap();
    let buffer: Arc<dyn larder::buffer::Buffer> = Arc::new(MemoryBuffer::new("zoo"));
    let meter = tests::Meter::new();
    let options = || Options::on_arc(Arc::clone(&buffer)).with::<Animal>();
    let with = |options| Larder::builder(database.pool(&meter, 4)).behind(options).build();
    let (larder, impatient): (Larder<Pg>, Larder<Pg>) =
        (with(options()), with(options().give_up_after(std::time::Duration::ZERO)));
    let zoo = Animal::repository(&larder);
    zoo.behind().update("owl".to_owned(), animals::mood.eq(Some(Mood::Glad))).unwrap();
    zoo.behind().increment("bat".to_owned(), animals::small, 1_i16).unwrap();
    let change = r#"ALTER TABLE zoo."Animals" ALTER COLUMN "my ""mood" TYPE text; DROP TYPE zoo."Mood""#;
    psql.batch_execute(change).unwrap();
    let held = Flusher::run_once(&larder).unwrap_err();
    assert!(matches!(held, Error::Held { n_changes: 1, .. }), "{held:?}");
    assert_eq!(zoo.get("bat".to_owned()).unwrap().small, 1);
    no_dead(&larder);
    Flusher::run_once(&impatient).unwrap();
    let letters = larder.dead_letters().unwrap().list(10).unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, "the database has no type that it is of");
    assert_eq!(larder.backlog().unwrap().size.n_entries, 0);
}
