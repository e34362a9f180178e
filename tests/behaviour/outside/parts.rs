//! A table with a key column of every type that can be part of a key, under names that have to be quoted.

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use diesel::{
    connection::SimpleConnection as _,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::{Pg, PgValue},
    prelude::*,
    serialize::{self, IsNull, Output, ToSql},
};
use larder::{Codec, KeyPart, Repository};
use tests::Template;
use uuid::Uuid;

/// The tables of this file.
pub(crate) static PARTS: Template = Template::new("parts", |connection| {
    connection.batch_execute(TABLES).expect("the tables can be made");
});

const TABLES: &str = r#"
    CREATE SCHEMA "Odd";
    CREATE TYPE "Odd".mood AS ENUM ('fine', 'not so "fine"');
    CREATE TABLE "Odd"."All 'Parts'" (
        id uuid NOT NULL,
        line integer NOT NULL,
        "select" text UNIQUE NOT NULL,
        "Big ""Number""" bigint UNIQUE,
        small smallint NOT NULL,
        flag boolean,
        price numeric UNIQUE NOT NULL,
        raw bytea UNIQUE NOT NULL,
        day date NOT NULL,
        plain timestamp NOT NULL,
        instant timestamptz UNIQUE NOT NULL,
        mood "Odd".mood NOT NULL,
        letters varchar(200) NOT NULL,
        note text DEFAULT '' NOT NULL,
        unseen json,
        PRIMARY KEY (id, line)
    );
    CREATE TABLE path (id bigint PRIMARY KEY, larder_row text);
"#;

/// What PostgreSQL calls the enum.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(name = "mood", schema = "Odd"))]
pub struct MoodType;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, AsExpression, FromSqlRow, Codec, KeyPart)]
#[diesel(sql_type = MoodType)]
pub(crate) enum Mood {
    Fine,
    NotSoFine,
}

impl ToSql<MoodType, Pg> for Mood {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        use std::io::Write as _;
        out.write_all(match self {
            Self::Fine => b"fine",
            Self::NotSoFine => b"not so \"fine\"",
        })?;
        Ok(IsNull::No)
    }
}

impl FromSql<MoodType, Pg> for Mood {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes() {
            b"fine" => Ok(Self::Fine),
            b"not so \"fine\"" => Ok(Self::NotSoFine),
            _ => Err("another mood".into()),
        }
    }
}

mod schema {
    diesel::table! {
        use diesel::sql_types::*;
        use crate::outside::parts::MoodType;
        #[sql_name = "All 'Parts'"]
        Odd.parts (id, line) {
            id -> Uuid,
            line -> Integer,
            #[sql_name = "select"]
            word -> Text,
            #[sql_name = "Big \"Number\""]
            big -> Nullable<BigInt>,
            small -> SmallInt,
            flag -> Nullable<Bool>,
            price -> Numeric,
            raw -> Bytea,
            day -> Date,
            plain -> Timestamp,
            instant -> Timestamptz,
            mood -> MoodType,
            letters -> Text,
            note -> Text,
            unseen -> Nullable<Json>,
        }
    }
}

pub(crate) use schema::parts;

diesel::table! { path (id) { id -> BigInt, larder_row -> Nullable<Text>, } }

/// PostgreSQL has a type of the table's name, too.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = path, check_for_backend(Pg))]
pub(crate) struct Path {
    pub(crate) id: i64,
    pub(crate) larder_row: Option<String>,
}

/// A row whose every column but `note` is in a key. `unseen` is no column of the model.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset, Repository)]
#[diesel(table_name = parts, primary_key(id, line), check_for_backend(Pg), treat_none_as_null = true)]
#[larder(
    unique(word),
    unique(big),
    unique(price),
    unique(raw),
    unique(instant),
    index(day, mood),
    index(plain, flag, small),
    index(letters)
)]
pub(crate) struct Part {
    pub(crate) id: Uuid,
    pub(crate) line: i32,
    pub(crate) word: String,
    pub(crate) big: Option<i64>,
    pub(crate) small: i16,
    pub(crate) flag: Option<bool>,
    pub(crate) price: BigDecimal,
    pub(crate) raw: Vec<u8>,
    pub(crate) day: NaiveDate,
    pub(crate) plain: NaiveDateTime,
    pub(crate) instant: DateTime<Utc>,
    pub(crate) mood: Mood,
    pub(crate) letters: String,
    pub(crate) note: String,
}

impl Part {
    /// A row of that seed, often at the edges of what a column can hold.
    pub(crate) fn drawn(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let text = |dice: &mut fastrand::Rng, n_chars: usize| -> String {
            let odd = ['"', '\'', '\\', '\n', '\t', '\u{1}', '{', ',', '%', ':', 'ä', '漢', '🦀', ' ', '$', '/', '~'];
            (0..n_chars).map(|_| if dice.bool() { dice.alphanumeric() } else { odd[dice.usize(..odd.len())] }).collect()
        };
        let n_chars = dice.usize(0..100);
        let microseconds = TimeDelta::microseconds(dice.i64(-80_000_000_000_000_000..250_000_000_000_000_000));
        let instant = DateTime::<Utc>::UNIX_EPOCH + microseconds;
        Self {
            id: Uuid::from_u128(dice.u128(..)),
            line: *dice.choice(&[i32::MIN, -1, 0, 7, i32::MAX]).expect("there are some"),
            word: format!("{seed} {}", text(&mut dice, n_chars)),
            big: dice.bool().then(|| dice.i64(..)),
            small: *dice.choice(&[i16::MIN, 0, i16::MAX]).expect("there are some"),
            flag: *dice.choice(&[None, Some(true), Some(false)]).expect("there are some"),
            price: BigDecimal::new(dice.i128(..).into(), dice.i64(-4..30)),
            raw: (0..dice.usize(0..90)).map(|_| dice.u8(..)).chain(seed.to_be_bytes()).collect(),
            day: instant.date_naive(),
            plain: instant.naive_utc(),
            instant,
            mood: if dice.bool() { Mood::Fine } else { Mood::NotSoFine },
            letters: text(&mut dice, 20),
            note: String::new(),
        }
    }
}
