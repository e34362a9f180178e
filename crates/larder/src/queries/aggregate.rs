//! Numbers over the rows with one key, kept for as long as none of them changes.

use std::marker::PhantomData;

use diesel::{
    Column,
    deserialize::{self, FromSqlRow},
    query_builder::QueryFragment,
    row::Row,
};

use super::{
    form::{self, Form},
    slot::{self, Settings, Slot},
};
use crate::{
    backend::Backend,
    codec::Codec,
    entity::{Entity, PatternOn},
    error::Result,
    figures::Bypass,
    inline::may_wait,
    load,
    lookout::Sent,
    payload,
    row::{FromRow, RowReader},
    session::{Access, Consistency},
    statement::Statement,
};

/// What the keys of such numbers begin with.
const KIND: &str = "aggregate";

/// What is made of a column's values.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aggregate {
    Sum,
    Avg,
    Min,
    Max,
}

impl Aggregate {
    fn sql(self) -> &'static str {
        match self {
            Self::Sum => "SUM",
            Self::Avg => "AVG",
            Self::Min => "MIN",
            Self::Max => "MAX",
        }
    }
}

/// What `aggregate` makes of a column of the rows with `key`, as `T` reads it from SQL's type `ST`.
///
/// Costs one round trip if it is stored; if not, one statement, and two or three round trips more.
pub(crate) fn aggregate_by<DB, P, C, ST, T>(
    access: Access<'_, DB>,
    key: &P::Key,
    aggregate: Aggregate,
    column: C,
) -> Result<T>
where
    DB: Backend,
    P: PatternOn<DB>,
    C: Column + QueryFragment<DB> + Send + 'static,
    ST: 'static,
    T: FromSqlRow<ST, DB> + Codec + 'static,
{
    may_wait()?;
    access.touches::<P>(std::slice::from_ref(key));
    let select = || {
        let mut statement = Statement::new();
        statement.sql("SELECT ").sql(aggregate.sql()).sql("(").fragment(Box::new(column)).sql(")");
        load::push_from::<DB, P>(access.with_deleted(), vec![key.clone()], None, &mut statement);
        let sent = Sent { operation: "SELECT", is_own: false, is_call: true };
        let rows: Vec<Aggregated<ST, T>> = access.select::<P::Entity, _>(sent, statement)?;
        let row = rows.into_iter().next();
        Ok(row.ok_or(diesel::result::Error::NotFound)?.value)
    };
    let (access, figures) = (access.reading_as::<P::Entity>(), &access.lookout().figures.queries);
    let why = match access.layers().filter(|layers| !layers.is_store_spared()) {
        None => access.bypass(),
        Some(_) if access.asked_of_queries() == Consistency::Database => Bypass::Asked,
        Some(layers) => {
            let cell = payload::cell_key::<P>(key);
            let name = format!("{}:{}:{}:{}", P::Entity::cells_name(), P::NAME, aggregate.sql(), C::NAME);
            let key = form::key_of(KIND, &name, &form::digest_of(cell.as_bytes()), T::FINGERPRINT);
            let settings = Settings { ttl: P::Entity::TTL, ..Settings::default() };
            let slot = Slot { layers, figures, key, depends_on: &[cell], settings };
            return slot.load(Form::CODEC, select);
        }
    };
    slot::passed_by(figures, why, select)
}

struct Aggregated<ST, T> {
    value: T,
    _type: PhantomData<ST>,
}

impl<DB, ST, T> FromRow<DB> for Aggregated<ST, T>
where
    DB: Backend,
    T: FromSqlRow<ST, DB>,
{
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        Ok(Self { value: row.value::<DB, ST, T>()?, _type: PhantomData })
    }
}
