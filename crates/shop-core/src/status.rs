use std::{error, fmt, str::FromStr};

use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::{Pg, PgValue},
    serialize::{self, Output, ToSql},
    sql_types::Text,
};
use larder::{Codec, KeyPart};
use serde::{Deserialize, Serialize};

/// How far an order has come, in the order in which it comes there.
///
/// The database, JSON, `Display` and `FromStr` have it as the same lower-case word.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    AsExpression,
    FromSqlRow,
    Serialize,
    Deserialize,
    Codec,
    KeyPart,
)]
#[diesel(sql_type = Text)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Placed, and not paid.
    Pending,
    /// Paid, and not sent.
    Paid,
    /// Sent.
    Shipped,
}

impl Status {
    /// Every status, in their order.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Paid, Self::Shipped];

    /// The word that the database has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Shipped => "shipped",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| UnknownStatus(text.into()))
    }
}

impl ToSql<Text, Pg> for Status {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<Text, Pg>::to_sql(self.as_str(), out)
    }
}

impl FromSql<Text, Pg> for Status {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(str::from_utf8(value.as_bytes())?.parse()?)
    }
}

/// A word that is no [`Status`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownStatus(String);

impl UnknownStatus {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UnknownStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no order status: expected pending, paid or shipped", self.0)
    }
}

impl error::Error for UnknownStatus {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_back_from_its_word() {
        for status in Status::ALL {
            assert_eq!(status.to_string().parse(), Ok(status));
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(json, format!("\"{status}\""));
            assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
        }
    }

    #[test]
    fn an_unknown_word_is_named() {
        let unknown = "Paid".parse::<Status>().unwrap_err();
        assert_eq!(unknown.as_str(), "Paid");
        assert_eq!(unknown.to_string(), r#""Paid" is no order status: expected pending, paid or shipped"#);
    }

    #[test]
    fn a_status_pads_like_a_word() {
        assert_eq!(format!("{:>8}", Status::Paid), "    paid");
    }

    #[test]
    fn statuses_are_ordered_by_progress() {
        assert!(Status::ALL.is_sorted());
    }
}
