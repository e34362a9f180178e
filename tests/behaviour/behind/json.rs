//! Columns of JSON, which has a null of its own.

use std::io::Write as _;

use diesel::{
    connection::SimpleConnection as _,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::{Pg, PgValue},
    prelude::*,
    serialize::{self, IsNull, Output, ToSql},
    sql_types::{Json, Jsonb},
};
use larder::{
    Larder, Repository,
    behind::{Flusher, Options},
    buffer::MemoryBuffer,
};
use tests::{EMPTY, Meter};

diesel::table! {
    pages (id) {
        id -> BigInt,
        n -> BigInt,
        binary -> Nullable<Jsonb>,
        text -> Nullable<Json>,
    }
}

/// JSON as it is written.
#[derive(Debug, Clone, PartialEq, Eq, AsExpression, FromSqlRow, larder::Codec)]
#[diesel(sql_type = Jsonb)]
#[diesel(sql_type = Json)]
struct Text(String);

impl ToSql<Jsonb, Pg> for Text {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&[1])?;
        out.write_all(self.0.as_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<Jsonb, Pg> for Text {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(String::from_utf8(value.as_bytes()[1..].to_vec())?))
    }
}

impl ToSql<Json, Pg> for Text {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(self.0.as_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<Json, Pg> for Text {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(String::from_utf8(value.as_bytes().to_vec())?))
    }
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = pages, check_for_backend(diesel::pg::Pg))]
struct Page {
    id: i64,
    n: i64,
    binary: Option<Text>,
    text: Option<Text>,
}

#[test]
fn a_read_behind_tells_the_null_of_json_from_that_of_sql_and_keeps_its_text() {
    let database = EMPTY.database();
    let tables = "CREATE TABLE pages (id bigint PRIMARY KEY, n bigint NOT NULL DEFAULT 0, \"binary\" jsonb, text json);
        INSERT INTO pages (id, \"binary\", text) VALUES (1, '{}', '{}')";
    database.connect().batch_execute(tables).unwrap();
    database.connect().batch_execute(larder::behind::UP).unwrap();
    let options = Options::on(MemoryBuffer::new("pages")).with::<Page>();
    let larder: Larder<Pg> = Larder::builder(database.pool(&Meter::new(), 4)).behind(options).build();
    let pages = Page::repository(&larder);
    let json = |text: Option<&str>| text.map(|text| Text(text.to_owned()));
    for value in [Some("null"), None, Some("[1, null]"), Some("\"null\""), Some(r#"{"b": 1, "a": null}"#)] {
        pages.behind().update(1, (pages::binary.eq(json(value)), pages::text.eq(json(value)))).unwrap();
        pages.behind().increment(1, pages::n, 1).unwrap();
        let seen = pages.behind().find(1).unwrap().unwrap();
        assert_eq!(seen.text, json(value));
        Flusher::run_once(&larder).unwrap();
        assert_eq!(pages.get(1).unwrap(), seen, "as it was written");
        // The other one is as the database has it.
        pages.behind().update(1, pages::binary.eq(json(Some("null")))).unwrap();
        let seen = pages.behind().find(1).unwrap().unwrap();
        assert_eq!((seen.binary, seen.text), (json(Some("null")), json(value)));
    }
    assert_eq!(larder.dead_letters().unwrap().list(10).unwrap(), []);
}
