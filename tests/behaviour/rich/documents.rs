//! Conditions on parts of documents.

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _, prelude::*, sql_types::Text};
use larder::types::{Json, JsonMethods as _};
use serde_json::{Value, json};

use super::{
    Thing, World, thing,
    things::things::{self, detail, note},
};

fn world() -> World {
    let world = World::new();
    let mut random = fastrand::Rng::with_seed(9);
    let documents = [
        (1, "Graz", json!({"a": {"b": 1}, "list": ["x", {"y": 2}], "flag": null}), Some(json!({"a": "x"}))),
        (2, "Wien", json!({"a": {"b": 1, "c": 2}, "list": ["x"], "quote\"d": true}), Some(json!(["x"]))),
        (3, "Graz", json!({"a": ["x"]}), None),
    ];
    for (id, city, rest, of_note) in documents {
        let mut row = Thing { note: of_note.map(Json), ..thing(&mut random, id) };
        row.detail.city = city.to_owned();
        row.detail.rest = serde_json::from_value(rest).unwrap();
        Thing::repository(&world.larders[0]).insert(&row).unwrap();
    }
    world
}

#[test]
fn parts_of_documents_are_compared_exactly_contained_and_looked_for() {
    let world = world();
    let things = Thing::repository(&world.larders[0]);
    let ids = |condition: Box<dyn BoxableExpression<things::table, diesel::pg::Pg, SqlType = _>>| -> Vec<i64> {
        let found = things.query(|q| q.filter(condition).order(things::id)).unwrap();
        found.into_iter().map(|thing| thing.id).collect()
    };
    assert_eq!(ids(Box::new(detail.path(["city"]).is("Graz"))), [1, 3]);
    assert_eq!(ids(Box::new(detail.path(["a"]).is(json!({"b": 1})))), [1], "and nothing besides");
    assert_eq!(ids(Box::new(detail.path(["a"]).contains(json!({"b": 1})))), [1, 2]);
    assert_eq!(ids(Box::new(detail.path(["a", "b"]).is(1))), [1, 2]);
    assert_eq!(ids(Box::new(detail.path(["a"]).is("x"))), [0; 0], "an array is not its only element");
    assert_eq!(ids(Box::new(detail.path(["a"]).is(["x"]))), [3]);
    assert_eq!(ids(Box::new(detail.path(["list"]).contains(["x"]))), [1, 2]);
    assert_eq!(ids(Box::new(detail.path(["list"]).contains([json!({"y": 2})]))), [1]);
    assert_eq!(ids(Box::new(detail.path(["flag"]).is(Value::Null))), [1]);
    assert_eq!(ids(Box::new(detail.path(["flag"]).exists())), [1]);
    assert_eq!(ids(Box::new(detail.path(["quote\"d"]).exists())), [2]);
    assert_eq!(ids(Box::new(detail.path(["a", "c"]).exists())), [2]);
    assert_eq!(ids(Box::new(note.path(["a"]).is("x"))), [1]);
    assert_eq!(ids(Box::new(note.path([""; 0]).is(json!(["x"])))), [2], "all of it");
    assert_eq!(ids(Box::new(detail.path(["city"]).text().like("W%"))), [2]);
    // What a user types is a value, and never a piece of the condition.
    assert_eq!(ids(Box::new(detail.path(["x') OR true --"]).is("') OR true --"))), [0; 0]);
    assert_eq!(ids(Box::new(detail.path(["x\" ? (true)", "\\", "$"]).exists())), [0; 0]);
}

#[test]
fn a_text_that_no_document_can_have_is_an_error_and_no_panic() {
    let world = world();
    let things = Thing::repository(&world.larders[0]);
    assert!(things.query(|q| q.filter(detail.path(["a"]).is("\0"))).is_err(), "as PostgreSQL says");
    assert_eq!(things.query(|q| q.filter(detail.path(["city"]).is("Wien"))).unwrap().len(), 1);
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    text: String,
}

#[test]
fn an_index_on_the_column_serves_them() {
    let world = world();
    let mut connection = world.database.connect();
    // Three rows are read faster one by one.
    connection.batch_execute("SET enable_seqscan = off").unwrap();
    let mut plan = |condition: Box<dyn BoxableExpression<things::table, diesel::pg::Pg, SqlType = _>>| -> String {
        let query = things::table.select(things::id).filter(condition);
        let lines: Vec<Line> = Explained(query).load(&mut connection).unwrap();
        lines.into_iter().map(|line| line.text).collect()
    };
    for condition in
        [detail.path(["city"]).is("Graz"), detail.path(["list"]).contains(["x"]), detail.path(["a", "c"]).exists()]
    {
        let plan = plan(Box::new(condition));
        assert!(plan.contains("Bitmap Index Scan on things_detail_idx"), "{plan}");
    }
}

/// How PostgreSQL would run a query.
#[derive(diesel::query_builder::QueryId)]
struct Explained<Q>(Q);

impl<Q: diesel::query_builder::QueryFragment<diesel::pg::Pg>> diesel::query_builder::QueryFragment<diesel::pg::Pg>
    for Explained<Q>
{
    fn walk_ast<'b>(&'b self, mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>) -> QueryResult<()> {
        out.push_sql("EXPLAIN ");
        self.0.walk_ast(out)
    }
}

impl<Q> diesel::query_builder::Query for Explained<Q> {
    type SqlType = diesel::sql_types::Untyped;
}

impl<Q> RunQueryDsl<PgConnection> for Explained<Q> {}
