//! Changes of one model as one statement.

use std::collections::{BTreeMap, HashMap};

use diesel::{
    pg::Pg,
    sql_types::{Array, BigInt, Nullable, Text},
};

use super::{
    change::{Amount, Change, SqlType, Value},
    raw::{Raw, RawArray},
};
use crate::{
    entity::Table,
    error::Result,
    load,
    lookout::text_of,
    repository::{Joined, joined_update, update_joined},
    statement::Statement,
    transaction::Tx,
};

/// The numbers of types in this database, and what SQL calls them.
pub(super) type Types = HashMap<SqlType, (u32, String)>;

/// Writes rows of one shape, which come from sources: gives the numbers, from 1, of those whose rows there are.
pub(super) type Apply = fn(&Tx<Pg>, &Shape, Vec<Statement<'_, Pg>>) -> Result<Vec<i64>>;

/// The same as text, from sources without values: `None` if Diesel can't write it.
pub(super) type TextOf = fn(&Tx<Pg>, &Shape, Vec<Statement<'static, Pg>>) -> Option<String>;

/// What changes must have in common to go into one statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    pub(super) model: String,
    pub(super) key: Vec<SqlType>,
    columns: BTreeMap<String, Form>,
}

/// What a column's new value is made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Form {
    value: Option<SqlType>,
    plus: Option<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Whole,
    Decimal,
}

impl Shape {
    pub(super) fn of(change: &Change) -> Self {
        let columns = change.columns.iter().map(|(name, assignment)| {
            let value = assignment.value.as_ref().map(|value| value.sql_type.clone());
            let plus = assignment.plus.as_ref().map(|plus| match plus {
                Amount::Whole(_) => Kind::Whole,
                Amount::Decimal(_) => Kind::Decimal,
            });
            (name.clone(), Form { value, plus })
        });
        let key = change.key.iter().map(|part| part.sql_type.clone()).collect();
        Self { model: change.model.clone(), key, columns: columns.collect() }
    }

    /// The types that it names.
    pub(super) fn types(&self) -> impl Iterator<Item = &SqlType> {
        self.key.iter().chain(self.columns.values().filter_map(|form| form.value.as_ref()))
    }

    /// The columns that it names.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }
}

/// As [`Apply`], for one model.
pub(super) fn apply<E: Table<Pg>>(tx: &Tx<Pg>, shape: &Shape, sources: Vec<Statement<'_, Pg>>) -> Result<Vec<i64>> {
    update_joined::<Pg, E>(tx, joined::<E>(shape, sources))
}

/// As [`TextOf`], for one model.
pub(super) fn text<E: Table<Pg>>(tx: &Tx<Pg>, shape: &Shape, sources: Vec<Statement<'static, Pg>>) -> Option<String> {
    text_of(&joined_update::<Pg, E>(tx, joined::<E>(shape, sources)))
}

/// What becomes of the columns, from arrays of their values.
fn joined<'q, E: Table<Pg>>(shape: &Shape, sources: Vec<Statement<'q, Pg>>) -> Joined<'q, Pg> {
    let (mut source, mut set, mut beside) = (Statement::new(), Statement::new(), Vec::new());
    source.sql("unnest(").separated(", ", sources, |source, array| _ = source.fragment(Box::new(array)));
    source.sql(") WITH ORDINALITY");
    for (at, (name, form)) in shape.columns.iter().enumerate() {
        set.sql(if at == 0 { "" } else { ", " }).sql(quoted(name)).sql(" = ");
        if form.value.is_some() {
            set.sql(format!("larder_old.v{at}"));
            beside.push(format!("v{at}"));
        } else {
            set.fragment(load::table::<Pg, E>()).sql(".").sql(quoted(name));
        }
        if form.plus.is_some() {
            set.sql(format!(" + larder_old.p{at}"));
            beside.push(format!("p{at}"));
        }
    }
    Joined { source, beside, set }
}

/// An array of what one column, or one part of the key, is made of in each row.
pub(super) struct Source<'q> {
    pub(super) array: Statement<'q, Pg>,
    /// What SQL calls its type.
    pub(super) sql_type: String,
}

/// The arrays of a shape's rows: the parts of the key, then of each column the values and what is added.
pub(super) fn sources<'q>(shape: &'q Shape, types: &Types, changes: &[&'q Change]) -> Result<Vec<Source<'q>>> {
    let mut sources = Vec::new();
    for (at, sql_type) in shape.key.iter().enumerate() {
        sources.push(values(types, sql_type, changes.iter().map(|change| change.key.get(at)))?);
    }
    for (name, form) in &shape.columns {
        let assigned = || changes.iter().map(|change| change.columns.get(name));
        if let Some(sql_type) = &form.value {
            sources.push(values(types, sql_type, assigned().map(|to| to?.value.as_ref()))?);
        }
        if let Some(kind) = form.plus {
            sources.push(amounts(kind, assigned().map(|to| to?.plus.as_ref())));
        }
    }
    Ok(sources)
}

fn values<'q>(
    types: &Types,
    sql_type: &SqlType,
    values: impl Iterator<Item = Option<&'q Value>>,
) -> Result<Source<'q>> {
    let (element, name) = types.get(sql_type).ok_or(diesel::result::Error::NotFound)?;
    let values = values.map(|value| value.and_then(|value| value.bytes.as_deref())).collect();
    let (mut array, sql_type) = (Statement::new(), format!("{name}[]"));
    array.sql("CAST(").bind::<Raw, _>(RawArray { element: *element, values }).sql(format!(" AS {sql_type})"));
    Ok(Source { array, sql_type })
}

fn amounts<'q>(kind: Kind, amounts: impl Iterator<Item = Option<&'q Amount>>) -> Source<'q> {
    let mut array = Statement::new();
    let sql_type = match kind {
        Kind::Whole => {
            let whole = |amount: Option<&Amount>| match amount {
                Some(Amount::Whole(n)) => Some(*n),
                _ => None,
            };
            array.bind::<Array<Nullable<BigInt>>, Vec<Option<i64>>>(amounts.map(whole).collect());
            "bigint[]"
        }
        Kind::Decimal => {
            let text = |amount: Option<&Amount>| Some(amount?.clone().into_decimal().to_string());
            array.sql("CAST(").bind::<Array<Nullable<Text>>, Vec<Option<String>>>(amounts.map(text).collect());
            array.sql(" AS numeric[])");
            "numeric[]"
        }
    };
    Source { array, sql_type: sql_type.to_owned() }
}

/// A column's name as SQL has it. It came from the buffer.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
