//! Documents: a serde type in one column.

#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
mod column;
#[cfg(feature = "postgres")]
mod path;

use std::ops::{Deref, DerefMut};

use diesel::{deserialize::FromSqlRow, expression::AsExpression};
use serde::{Serialize, de::DeserializeOwned};

#[cfg(feature = "postgres")]
pub use self::path::{JsonMethods, Path, PathCondition, PathText};
use crate::codec::{Codec, Corrupt, Fingerprint, Input, put_bytes};

/// A type that is kept as a JSON document, and the name of its present form.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// struct Profile {
///     city: String,
///     #[serde(default)]
///     languages: Vec<String>,
/// }
///
/// impl larder::types::Document for Profile {
///     const FORM: &'static str = "profile 2";
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no document",
    note = "write `impl larder::types::Document for {Self} {{ const FORM: &'static str = \"name 1\"; }}`"
)]
pub trait Document: Serialize + DeserializeOwned {
    /// Tells this form of the type from earlier and other ones: a name and a number, to be counted up with every change of a field.
    ///
    /// Cells of another form are misses. Without a new number a process of the next release would take from a cell what one of this
    /// release had put there, which knows nothing of a field that has come.
    const FORM: &'static str;
}

impl Document for serde_json::Value {
    const FORM: &'static str = "value";
}

/// A document in a column of type `jsonb` or `json` (PostgreSQL), `JSON` (MySQL, MariaDB) or `JSON` as text (SQLite).
///
/// Read and written by the type's own `serde` implementation, in the database and in cells: whatever serde can do with JSON, such as `flatten` and
/// untagged enums, can be done here. What the column has and the type does not know is lost when a row is written back; keep it
/// by `#[serde(flatten)]` of a map where others write the column too.
///
/// ```
/// # #[cfg(feature = "postgres")] {
/// use diesel::prelude::*;
/// use larder::types::{Json, JsonMethods as _};
/// # use serde::{Deserialize, Serialize};
/// # diesel::table! { users (id) { id -> BigInt, profile -> Jsonb, } }
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// # struct Profile { city: String }
/// # impl larder::types::Document for Profile { const FORM: &'static str = "profile 1"; }
/// #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
/// #[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
/// struct User {
///     id: i64,
///     profile: Json<Profile>,
/// }
///
/// # fn example(larder: &larder::Larder<diesel::pg::Pg>) -> larder::Result<()> {
/// let viennese = User::repository(larder).query(|q| q.filter(users::profile.path(["city"]).is("Vienna")))?;
/// # Ok(())
/// # }
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, AsExpression, FromSqlRow)]
#[diesel(sql_type = diesel::sql_types::Json)]
#[diesel(sql_type = diesel::sql_types::Jsonb)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> From<T> for Json<T> {
    fn from(document: T) -> Self {
        Self(document)
    }
}

/// A document that its `serde` implementation refuses to write is left out, and reads as corrupt: a miss.
impl<T: Document> Codec for Json<T> {
    const FINGERPRINT: Fingerprint = Fingerprint::of("document").and(T::FORM);

    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(&serde_json::to_vec(&self.0).unwrap_or_default(), out);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        let length = input.length()?;
        serde_json::from_slice(input.take(length)?).map(Self).map_err(|_| Corrupt)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Price {
        Whole(i64),
        Text(String),
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Article {
        name: String,
        price: Price,
        #[serde(flatten)]
        rest: BTreeMap<String, serde_json::Value>,
    }

    impl Document for Article {
        const FORM: &'static str = "article 1";
    }

    fn article(price: Price) -> Json<Article> {
        let rest = [("tags".to_owned(), serde_json::json!(["a", null, 1.5]))].into();
        Json(Article { name: "Grüße \"\\\n".to_owned(), price, rest })
    }

    #[test]
    fn what_only_json_can_say_comes_back_and_what_is_cut_off_does_not() {
        for article in [article(Price::Whole(-7)), article(Price::Text(String::new()))] {
            let mut bytes = Vec::new();
            article.encode(&mut bytes);
            let mut input = Input::new(&bytes);
            assert_eq!(Json::decode(&mut input), Ok(article));
            assert_eq!(input.end(), Ok(()));
            for end in 0..bytes.len() {
                assert_eq!(Json::<Article>::decode(&mut Input::new(&bytes[..end])), Err(Corrupt));
            }
        }
    }

    #[test]
    fn bytes_that_are_no_document_are_a_miss_and_no_overflow() {
        // Deeper than any stack would bear.
        for text in ["", "{}", "null", "[1", &"[".repeat(1 << 20), &format!("{{\"name\":{}", "{\"a\":".repeat(1 << 18))]
        {
            let mut bytes = Vec::new();
            put_bytes(text.as_bytes(), &mut bytes);
            assert_eq!(Json::<Article>::decode(&mut Input::new(&bytes)), Err(Corrupt));
        }
    }

    #[test]
    fn another_form_is_another_layout() {
        #[derive(Serialize, Deserialize)]
        struct Next;
        impl Document for Next {
            const FORM: &'static str = "article 2";
        }
        assert_ne!(<Json<Article>>::FINGERPRINT, <Json<Next>>::FINGERPRINT);
    }
}
