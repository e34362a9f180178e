//! Documents as databases have them.

use diesel::{
    deserialize::{self, FromSql},
    serialize::{self, IsNull, Output, ToSql},
    sql_types,
};

use super::{Document, Json};

#[cfg(feature = "postgres")]
mod postgres {
    use std::io::Write as _;

    use diesel::pg::{Pg, PgValue};

    use super::*;

    /// The only version of the binary form of `jsonb` that there is.
    const VERSION: u8 = 1;

    impl<T: Document> FromSql<sql_types::Jsonb, Pg> for Json<T> {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            match value.as_bytes() {
                [VERSION, text @ ..] => Ok(Self(serde_json::from_slice(text)?)),
                _ => Err("a jsonb value of an unknown version".into()),
            }
        }
    }

    impl<T: Document + std::fmt::Debug> ToSql<sql_types::Jsonb, Pg> for Json<T> {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            out.write_all(&[VERSION])?;
            serde_json::to_writer(out, &self.0)?;
            Ok(IsNull::No)
        }
    }

    impl<T: Document> FromSql<sql_types::Json, Pg> for Json<T> {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            Ok(Self(serde_json::from_slice(value.as_bytes())?))
        }
    }

    impl<T: Document + std::fmt::Debug> ToSql<sql_types::Json, Pg> for Json<T> {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            serde_json::to_writer(out, &self.0)?;
            Ok(IsNull::No)
        }
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use diesel::mysql::{Mysql, MysqlValue};

    use super::*;

    impl<T: Document> FromSql<sql_types::Json, Mysql> for Json<T> {
        fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
            Ok(Self(serde_json::from_slice(value.as_bytes())?))
        }
    }

    impl<T: Document + std::fmt::Debug> ToSql<sql_types::Json, Mysql> for Json<T> {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Mysql>) -> serialize::Result {
            serde_json::to_writer(out, &self.0)?;
            Ok(IsNull::No)
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use diesel::sqlite::{Sqlite, SqliteValue};

    use super::*;

    impl<T: Document> FromSql<sql_types::Json, Sqlite> for Json<T> {
        fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
            let text = <String as FromSql<sql_types::Text, Sqlite>>::from_sql(value)?;
            Ok(Self(serde_json::from_str(&text)?))
        }
    }

    impl<T: Document + std::fmt::Debug> ToSql<sql_types::Json, Sqlite> for Json<T> {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(serde_json::to_string(&self.0)?);
            Ok(IsNull::No)
        }
    }
}
