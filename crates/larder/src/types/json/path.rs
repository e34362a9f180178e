//! Conditions on parts of `jsonb` documents, which a GIN index on the column serves.

use diesel::{
    Expression,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    result::QueryResult,
    sql_types::{Array, Bool, Jsonb, Nullable, SingleValue, SqlType, Text},
};
use serde_json::Value;

use super::Json;
use crate::types::expression::expression;

/// `path` on columns of type `jsonb`, NULL or not.
pub trait JsonMethods: Expression<SqlType: IsJsonb> + Sized {
    /// The part of the document that these names lead to, from the outermost object inwards.
    fn path<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Path<Self> {
        Path { column: self, names: names.into_iter().map(Into::into).collect() }
    }
}

impl<C: Expression<SqlType: IsJsonb>> JsonMethods for C {}

/// `Jsonb` and `Nullable<Jsonb>`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this is no `jsonb` column",
    note = "a `json` column has no index: make it `jsonb`"
)]
pub trait IsJsonb: SqlType + SingleValue {}

impl IsJsonb for Jsonb {}
impl IsJsonb for Nullable<Jsonb> {}

/// A part of a document. [`JsonMethods::path`] makes it, and its methods make conditions for `filter`.
///
/// All but [`text`](Self::text) are served by `CREATE INDEX .. USING gin (column jsonb_path_ops)`, which each write of the column
/// has to write, too, leaf by leaf. Where the column is NULL, they are too. Values are what
/// `serde_json::Value` can be made from: numbers, texts, lists, and with `json!` all else.
#[derive(Debug, Clone)]
#[must_use = "a path is no condition before something is asked of it"]
pub struct Path<C> {
    column: C,
    names: Vec<String>,
}

impl<C> Path<C> {
    /// The part is there, and is this very value: an object has no other members, an array no other elements.
    pub fn is(self, value: impl Into<Value>) -> PathCondition<C> {
        let value = value.into();
        let asked = Asked::Is { within: self.around(value.clone()), names: self.names, value: Json(value) };
        PathCondition { column: self.column, asked }
    }

    /// The part is there and contains the value: an object at least these members, an array at least these elements in any order
    /// (`path(["tags"]).contains(["rust"])`).
    pub fn contains(self, value: impl Into<Value>) -> PathCondition<C> {
        let asked = Asked::Contains { within: self.around(value.into()) };
        PathCondition { column: self.column, asked }
    }

    /// The part is there, be it a JSON null.
    pub fn exists(self) -> PathCondition<C> {
        let steps = self
            .names
            .iter()
            .fold("strict $".to_owned(), |steps, name| steps + "." + &Value::from(&**name).to_string());
        PathCondition { column: self.column, asked: Asked::Exists { steps } }
    }

    /// The part as text: a string without its quotes, anything else as JSON; NULL where there is none, or a JSON null. No index on the column
    /// serves it, one on the expression does: `CREATE INDEX .. ((column #>> '{a,b}'))`.
    pub fn text(self) -> PathText<C> {
        PathText { column: self.column, names: self.names }
    }

    /// The least document that has the value at this path.
    fn around(&self, value: Value) -> Json<Value> {
        let wrap = |inner, name: &String| Value::Object([(name.clone(), inner)].into_iter().collect());
        Json(self.names.iter().rev().fold(value, wrap))
    }
}

#[derive(Debug, Clone)]
enum Asked {
    Is { within: Json<Value>, names: Vec<String>, value: Json<Value> },
    Contains { within: Json<Value> },
    Exists { steps: String },
}

/// A condition on a part of a document, as [`Path`] makes it.
#[derive(Debug, Clone)]
pub struct PathCondition<C> {
    column: C,
    asked: Asked,
}

impl<C: QueryFragment<Pg>> QueryFragment<Pg> for PathCondition<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(");
        self.column.walk_ast(out.reborrow())?;
        match &self.asked {
            Asked::Is { within, names, value } => {
                // The index knows containment only; what it finds is then compared.
                out.push_sql(" @> ");
                out.push_bind_param::<Jsonb, _>(within)?;
                out.push_sql(" AND ");
                self.column.walk_ast(out.reborrow())?;
                out.push_sql(" #> ");
                out.push_bind_param::<Array<Text>, _>(names)?;
                out.push_sql(" = ");
                out.push_bind_param::<Jsonb, _>(value)?;
            }
            Asked::Contains { within } => {
                out.push_sql(" @> ");
                out.push_bind_param::<Jsonb, _>(within)?;
            }
            Asked::Exists { steps } => {
                out.push_sql(" @? ");
                out.push_bind_param::<Text, _>(steps)?;
                out.push_sql("::jsonpath");
            }
        }
        out.push_sql(")");
        Ok(())
    }
}

/// A part of a document as text, as [`Path::text`] makes it.
#[derive(Debug, Clone)]
pub struct PathText<C> {
    column: C,
    names: Vec<String>,
}

impl<C: QueryFragment<Pg>> QueryFragment<Pg> for PathText<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(");
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" #>> ");
        out.push_bind_param::<Array<Text>, _>(&self.names)?;
        out.push_sql(")");
        Ok(())
    }
}

expression!(PathCondition<C>: Nullable<Bool>);
expression!(PathText<C>: Nullable<Text>);
