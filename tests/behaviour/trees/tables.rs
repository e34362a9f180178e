//! Depots, their bins, and what lies in those.

use diesel::{connection::SimpleConnection as _, prelude::*};
use larder::{Models, Repository, View, triggers::Triggers};
use tests::Template;

diesel::table! { depots (id) { id -> BigInt, name -> Text, } }
diesel::table! { bins (id) { id -> BigInt, depot_id -> BigInt, label -> Text, } }
diesel::table! { goods (bin_id, line) { bin_id -> BigInt, line -> Integer, kind_id -> BigInt, amount -> Integer, } }
diesel::table! { kinds (id) { id -> BigInt, name -> Text, } }

const TABLES: &str = "
    CREATE TABLE depots (id bigint PRIMARY KEY, name text NOT NULL);
    CREATE TABLE kinds (id bigint PRIMARY KEY, name text NOT NULL);
    CREATE TABLE bins (id bigint PRIMARY KEY, depot_id bigint NOT NULL REFERENCES depots ON DELETE CASCADE, label text NOT NULL);
    CREATE INDEX ON bins (depot_id);
    CREATE TABLE goods (bin_id bigint REFERENCES bins ON DELETE CASCADE, line integer, kind_id bigint NOT NULL REFERENCES kinds,
        amount integer NOT NULL, PRIMARY KEY (bin_id, line));
    INSERT INTO kinds VALUES (1, 'nails'), (2, 'glue');
    INSERT INTO depots SELECT n, 'depot ' || n FROM generate_series(1, 60) n;
    INSERT INTO bins SELECT 10 * d + c, d, 'bin ' || c FROM generate_series(1, 60) d, generate_series(0, 2) c;
    INSERT INTO goods SELECT id, line, 1 + id % 2, 5 FROM bins, generate_series(1, 2) line;";

/// With triggers that tell a relay of what is written past larder.
pub(super) static DEPOTS: Template = Template::new("depots", |connection| {
    connection.batch_execute(TABLES).expect("the tables can be made");
    shop_core::migrate(connection).expect("the migrations run");
    connection.batch_execute(&Triggers::of(models()).up()).expect("the triggers can be made");
});

pub(super) fn models() -> Models<diesel::pg::Pg> {
    Models::new().with::<Depot>().with::<Bin>().with::<Good>().with::<Kind>()
}

#[derive(Debug, Clone, PartialEq, Insertable, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = depots, check_for_backend(diesel::pg::Pg))]
#[larder(has_many(bins: Bin, on_delete = cascade), in_view(DepotTree))]
pub(super) struct Depot {
    pub(super) id: i64,
    pub(super) name: String,
}

#[derive(Debug, Clone, PartialEq, Insertable, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = bins, belongs_to(Depot), check_for_backend(diesel::pg::Pg))]
#[larder(has_many(goods: Good, on_delete = cascade), in_view(DepotTree))]
pub(super) struct Bin {
    pub(super) id: i64,
    pub(super) depot_id: i64,
    pub(super) label: String,
}

#[derive(Debug, Clone, PartialEq, Insertable, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = goods, primary_key(bin_id, line), belongs_to(Bin), belongs_to(Kind), check_for_backend(diesel::pg::Pg))]
#[larder(in_view(DepotTree))]
pub(super) struct Good {
    pub(super) bin_id: i64,
    pub(super) line: i32,
    pub(super) kind_id: i64,
    pub(super) amount: i32,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = kinds, check_for_backend(diesel::pg::Pg))]
#[larder(in_view(DepotTree))]
pub(super) struct Kind {
    pub(super) id: i64,
    pub(super) name: String,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Depot, cached(most_roots = 10))]
pub(super) struct DepotTree {
    pub(super) name: String,
    #[larder(with = bins, order = label.asc())]
    pub(super) bins: Vec<BinTree>,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Bin, packed)]
pub(super) struct BinTree {
    pub(super) id: i64,
    #[larder(with = goods, order = line.asc())]
    pub(super) goods: Vec<GoodTree>,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Good, packed)]
pub(super) struct GoodTree {
    pub(super) amount: i32,
    #[larder(with = kind)]
    pub(super) kind: Kind,
}
