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
    repository::{Joined, update_joined},
    statement::Statement,
    transaction::Tx,
};

/// The numbers of types in this database, and what SQL calls them.
pub(super) type Types = HashMap<SqlType, (u32, String)>;

/// Writes changes of one shape: gives the numbers, from 1, of those whose rows there are.
pub(super) type Apply = fn(&Tx<Pg>, &Shape, &Types, &[&Change]) -> Result<Vec<i64>>;

/// What changes must have in common to go into one statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    pub(super) model: String,
    key: Vec<SqlType>,
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
pub(super) fn apply<E: Table<Pg>>(tx: &Tx<Pg>, shape: &Shape, types: &Types, changes: &[&Change]) -> Result<Vec<i64>> {
    let mut source = Statement::<Pg>::new();
    let (mut set, mut beside) = (Statement::<Pg>::new(), Vec::new());
    source.sql("unnest(");
    for (at, sql_type) in shape.key.iter().enumerate() {
        source.sql(if at == 0 { "" } else { ", " });
        push_values(types, sql_type, changes.iter().map(|change| change.key.get(at)), &mut source)?;
    }
    for (at, (name, form)) in shape.columns.iter().enumerate() {
        let assigned = || changes.iter().map(|change| change.columns.get(name));
        set.sql(if at == 0 { "" } else { ", " }).sql(quoted(name)).sql(" = ");
        if let Some(sql_type) = &form.value {
            source.sql(", ");
            push_values(types, sql_type, assigned().map(|to| to?.value.as_ref()), &mut source)?;
            set.sql(format!("larder_old.v{at}"));
            beside.push(format!("v{at}"));
        } else {
            set.fragment(load::table::<Pg, E>()).sql(".").sql(quoted(name));
        }
        if let Some(kind) = form.plus {
            source.sql(", ");
            push_amounts(kind, assigned().map(|to| to?.plus.as_ref()), &mut source);
            set.sql(format!(" + larder_old.p{at}"));
            beside.push(format!("p{at}"));
        }
    }
    source.sql(") WITH ORDINALITY");
    update_joined::<Pg, E>(tx, Joined { source, beside, set })
}

fn push_values<'q>(
    types: &Types,
    sql_type: &SqlType,
    values: impl Iterator<Item = Option<&'q Value>>,
    statement: &mut Statement<'q, Pg>,
) -> Result<()> {
    let Some((element, name)) = types.get(sql_type) else {
        return Err(diesel::result::Error::QueryBuilderError("the type of a value is not known".into()).into());
    };
    let values = values.map(|value| value.and_then(|value| value.bytes.as_deref())).collect();
    statement.sql("CAST(").bind::<Raw, _>(RawArray { element: *element, values }).sql(format!(" AS {name}[])"));
    Ok(())
}

fn push_amounts<'q>(kind: Kind, amounts: impl Iterator<Item = Option<&'q Amount>>, statement: &mut Statement<'q, Pg>) {
    match kind {
        Kind::Whole => {
            let whole = |amount: Option<&Amount>| match amount {
                Some(Amount::Whole(n)) => Some(*n),
                _ => None,
            };
            statement.bind::<Array<Nullable<BigInt>>, Vec<Option<i64>>>(amounts.map(whole).collect());
        }
        Kind::Decimal => {
            let text = |amount: Option<&Amount>| Some(amount?.clone().into_decimal().to_string());
            statement.sql("CAST(").bind::<Array<Nullable<Text>>, Vec<Option<String>>>(amounts.map(text).collect());
            statement.sql(" AS numeric[])");
        }
    }
}

/// A column's name as SQL has it. It came from the buffer.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
