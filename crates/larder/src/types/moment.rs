use std::{fmt, str::FromStr};

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::{deserialize::FromSqlRow, expression::AsExpression};
use serde::{Deserialize, Serialize};

use super::sql;
use crate::{
    codec::{Codec, Corrupt, Fingerprint, Input},
    key::KeyPart,
};

/// An instant, in microseconds, in a column of any back end.
///
/// What is finer is cut off when one is made, so that what was written is what is read. MySQL has the years 1000 to 9999; others fail there
/// when they are sent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, AsExpression, FromSqlRow,
)]
#[diesel(sql_type = sql::Moment)]
#[serde(from = "DateTime<Utc>", into = "DateTime<Utc>")]
pub struct Moment(DateTime<Utc>);

impl Moment {
    /// This one.
    #[must_use]
    pub fn now() -> Self {
        Utc::now().into()
    }

    /// So many microseconds after 1970, or before: `None` if chrono does not go that far (some 262,000 years).
    #[must_use]
    pub fn from_micros(micros: i64) -> Option<Self> {
        DateTime::from_timestamp_micros(micros).map(Self)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn micros(self) -> i64 {
        self.0.timestamp_micros()
    }

    /// The instant.
    #[must_use]
    pub const fn utc(self) -> DateTime<Utc> {
        self.0
    }
}

impl From<DateTime<Utc>> for Moment {
    fn from(instant: DateTime<Utc>) -> Self {
        Self(DateTime::from_timestamp_micros(instant.timestamp_micros()).unwrap_or(instant))
    }
}

impl From<Moment> for DateTime<Utc> {
    fn from(moment: Moment) -> Self {
        moment.0
    }
}

/// As RFC 3339 has it, with six places of the second.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

/// Of RFC 3339, with any offset.
impl FromStr for Moment {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, chrono::ParseError> {
        DateTime::parse_from_rfc3339(text).map(|instant| instant.to_utc().into())
    }
}

impl KeyPart for Moment {
    fn write_part(&self, out: &mut Vec<u8>) {
        self.micros().write_part(out);
    }
}

impl Codec for Moment {
    const FINGERPRINT: Fingerprint = Fingerprint::of("moment");

    fn encode(&self, out: &mut Vec<u8>) {
        self.micros().encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        Self::from_micros(i64::decode(input)?).ok_or(Corrupt)
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use diesel::{
        data_types::PgTimestamp,
        deserialize::{self, FromSql},
        pg::{Pg, PgValue},
        serialize::{self, Output, ToSql},
        sql_types::Timestamptz,
    };

    use super::{Moment, sql};

    /// Microseconds from 1970 to 2000, where PostgreSQL's time begins.
    const EPOCH: i64 = 946_684_800_000_000;

    impl ToSql<sql::Moment, Pg> for Moment {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            let micros = self.micros().checked_sub(EPOCH).ok_or("PostgreSQL has no such instant")?;
            ToSql::<Timestamptz, Pg>::to_sql(&PgTimestamp(micros), &mut out.reborrow())
        }
    }

    impl FromSql<sql::Moment, Pg> for Moment {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            let PgTimestamp(micros) = FromSql::<Timestamptz, Pg>::from_sql(value)?;
            let moment = micros.checked_add(EPOCH).and_then(Self::from_micros);
            moment.ok_or_else(|| "an infinite instant, or one too far away, is no `Moment`".into())
        }
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use chrono::{Datelike, NaiveDate, Timelike};
    use diesel::{
        data_types::{MysqlTime, MysqlTimestampType},
        deserialize::{self, FromSql},
        mysql::{Mysql, MysqlValue},
        serialize::{self, Output, ToSql},
        sql_types::Datetime,
    };

    use super::{Moment, sql};

    impl ToSql<sql::Moment, Mysql> for Moment {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Mysql>) -> serialize::Result {
            let year = u32::try_from(self.0.year()).ok().filter(|year| (1000..=9999).contains(year));
            let time = MysqlTime::new(
                year.ok_or("MySQL has the years 1000 to 9999 only")?,
                self.0.month(),
                self.0.day(),
                self.0.hour(),
                self.0.minute(),
                self.0.second(),
                self.0.timestamp_subsec_micros().into(),
                false,
                MysqlTimestampType::MYSQL_TIMESTAMP_DATETIME,
                0,
            );
            ToSql::<Datetime, Mysql>::to_sql(&time, &mut out.reborrow())
        }
    }

    impl FromSql<sql::Moment, Mysql> for Moment {
        fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
            let time = <MysqlTime as FromSql<Datetime, Mysql>>::from_sql(value)?;
            let micros = time.second_part.try_into()?;
            NaiveDate::from_ymd_opt(time.year.try_into()?, time.month, time.day)
                .and_then(|date| date.and_hms_micro_opt(time.hour, time.minute, time.second, micros))
                .map(|instant| Self(instant.and_utc()))
                .ok_or_else(|| "a date that is no day of the calendar is no `Moment`".into())
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use diesel::{
        deserialize::{self, FromSql},
        serialize::{self, IsNull, Output, ToSql},
        sqlite::{Sqlite, SqliteType, SqliteValue},
    };

    use super::{Moment, sql};

    impl ToSql<sql::Moment, Sqlite> for Moment {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(self.micros());
            Ok(IsNull::No)
        }
    }

    impl FromSql<sql::Moment, Sqlite> for Moment {
        fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
            if value.value_type() != Some(SqliteType::Long) {
                return Err("the column of a `Moment` holds an integer, of microseconds since 1970".into());
            }
            Self::from_micros(value.read_long()).ok_or_else(|| "an instant too far away is no `Moment`".into())
        }
    }
}
