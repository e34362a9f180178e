//! Typed documents in a column of JSON.

use diesel::prelude::*;
use larder::{
    Repository,
    types::{Document, Json},
};
use serde::{Deserialize, Serialize};

use crate::site::{Cost, Shop};

diesel::table! { sheets (id) { id -> BigInt, body -> Json, } }

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Body {
    title: String,
    tags: Vec<String>,
    depth: Option<u8>,
}

impl Document for Body {
    const FORM: &'static str = "body 1";
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = sheets, check_for_backend(diesel::pg::Pg, diesel::mysql::Mysql, diesel::sqlite::Sqlite))]
struct Sheet {
    id: i64,
    body: Json<Body>,
}

#[test]
fn a_document_comes_back_as_it_was_written_from_the_database_and_from_cells() {
    let shop = Shop::new();
    shop.past("CREATE TABLE sheets (id BIGINT PRIMARY KEY, body JSON NOT NULL)");
    let body =
        |title: &str| Json(Body { title: title.into(), tags: vec!["\"ä\"".into(), String::new()], depth: None });
    let sheets = Sheet::repository(&shop.larder);
    let sheet = sheets.insert(&Sheet { id: 1, body: body("one") }).unwrap();
    assert_eq!(sheet.body, body("one"));
    let other = shop.branch();
    assert_eq!(Sheet::repository(&other.larder).get(1).unwrap(), sheet);
    other.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
    let changed = sheets.update(1, sheets::body.eq(body("two"))).unwrap();
    assert_eq!(Sheet::repository(&other.larder).get(1).unwrap(), changed);
    assert_eq!(sheets.query(|rows| rows).unwrap(), [Sheet { id: 1, body: body("two") }]);
}
