use std::{fmt, str::FromStr};

use diesel::{deserialize::FromSqlRow, expression::AsExpression};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::sql;
use crate::{
    codec::{Codec, Corrupt, Fingerprint, Input},
    key::KeyPart,
};

/// A UUID, in a column of any back end.
///
/// Ordered as its 16 bytes are, by Rust and by each database.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, AsExpression, FromSqlRow,
)]
#[diesel(sql_type = sql::Id)]
#[serde(transparent)]
pub struct Id(Uuid);

impl Id {
    /// A random one (version 4).
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// One that is made of 128 bits as they are.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }

    /// The UUID.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for Id {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl From<Id> for Uuid {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Id {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

impl KeyPart for Id {
    fn write_part(&self, out: &mut Vec<u8>) {
        self.0.write_part(out);
    }
}

impl Codec for Id {
    const FINGERPRINT: Fingerprint = Uuid::FINGERPRINT;

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        Uuid::decode(input).map(Self)
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::io::Write as _;

    use diesel::{
        deserialize::{self, FromSql},
        pg::{Pg, PgValue},
        serialize::{self, IsNull, Output, ToSql},
    };

    use super::{Id, Uuid, sql};

    impl ToSql<sql::Id, Pg> for Id {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            out.write_all(self.0.as_bytes())?;
            Ok(IsNull::No)
        }
    }

    impl FromSql<sql::Id, Pg> for Id {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            Ok(Self(Uuid::from_slice(value.as_bytes())?))
        }
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use std::io::Write as _;

    use diesel::{
        deserialize::{self, FromSql},
        mysql::{Mysql, MysqlValue},
        serialize::{self, IsNull, Output, ToSql},
    };

    use super::{Id, Uuid, sql};

    impl ToSql<sql::Id, Mysql> for Id {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Mysql>) -> serialize::Result {
            out.write_all(self.0.as_bytes())?;
            Ok(IsNull::No)
        }
    }

    impl FromSql<sql::Id, Mysql> for Id {
        fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
            Ok(Self(Uuid::from_slice(value.as_bytes())?))
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use diesel::{
        deserialize::{self, FromSql},
        serialize::{self, IsNull, Output, ToSql},
        sqlite::{Sqlite, SqliteValue},
    };

    use super::{Id, Uuid, sql};

    impl ToSql<sql::Id, Sqlite> for Id {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(self.0.as_bytes().as_slice());
            Ok(IsNull::No)
        }
    }

    impl FromSql<sql::Id, Sqlite> for Id {
        fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
            Ok(Self(Uuid::from_slice(value.read_blob())?))
        }
    }
}
