use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    serialize::{self, Output, ToSql},
    sql_types::Text,
};
use larder::{Codec, KeyPart};

/// How far an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow, Codec, KeyPart)]
#[diesel(sql_type = Text)]
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

impl<DB: Backend> ToSql<Text, DB> for Status
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.as_str().to_sql(out)
    }
}

impl<DB: Backend> FromSql<Text, DB> for Status
where
    String: FromSql<Text, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let word = String::from_sql(value)?;
        let status = Self::ALL.into_iter().find(|status| status.as_str() == word);
        status.ok_or_else(|| format!("{word:?} is no order status").into())
    }
}
