//! A model with a column of each type.

use std::{collections::BTreeMap, io::Write as _, ops::Bound};

use chrono::{DateTime, Utc};
use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::{Pg, PgValue},
    prelude::*,
    serialize::{self, IsNull, Output, ToSql},
    sql_types::SqlType,
};
use ipnet::IpNet;
use larder::{
    Repository,
    types::{Document, Json},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) const UP: &str = "
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE TABLE things (
        id bigint PRIMARY KEY, detail jsonb NOT NULL, note jsonb, tags text[] NOT NULL, scores integer[] NOT NULL, mood mood,
        span int4range NOT NULL, during tstzrange NOT NULL, address inet NOT NULL, network cidr NOT NULL);
    CREATE INDEX ON things USING gin (detail jsonb_path_ops);
    CREATE INDEX ON things (address);
    CREATE INDEX ON things (mood);
";

#[derive(Debug, SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(name = "mood"))]
pub struct MoodType;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, AsExpression, FromSqlRow, larder::Codec, larder::KeyPart)]
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
        match value.as_bytes() {
            b"glad" => Ok(Self::Glad),
            b"sad" => Ok(Self::Sad),
            _ => Err("no mood".into()),
        }
    }
}

/// What only JSON can say: an untagged enum, and a map of what the type does not name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Detail {
    pub(super) city: String,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    pub(super) size: Size,
    #[serde(flatten)]
    pub(super) rest: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Size {
    Number(i32),
    Word(String),
}

impl Document for Detail {
    const FORM: &'static str = "detail 1";
}

diesel::table! {
    use diesel::sql_types::{Array, BigInt, Cidr, Inet, Int4, Int4range, Jsonb, Nullable, Text, Tstzrange};
    use super::MoodType;

    things (id) {
        id -> BigInt,
        detail -> Jsonb,
        note -> Nullable<Jsonb>,
        tags -> Array<Text>,
        scores -> Array<Nullable<Int4>>,
        mood -> Nullable<MoodType>,
        span -> Int4range,
        during -> Tstzrange,
        address -> Inet,
        network -> Cidr,
    }
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Identifiable, Repository)]
#[diesel(table_name = things, check_for_backend(Pg))]
#[larder(index(address), index(mood))]
pub(super) struct Thing {
    pub(super) id: i64,
    pub(super) detail: Json<Detail>,
    pub(super) note: Option<Json<Value>>,
    pub(super) tags: Vec<String>,
    pub(super) scores: Vec<Option<i32>>,
    pub(super) mood: Option<Mood>,
    pub(super) span: (Bound<i32>, Bound<i32>),
    pub(super) during: (Bound<DateTime<Utc>>, Bound<DateTime<Utc>>),
    pub(super) address: IpNet,
    pub(super) network: IpNet,
}
