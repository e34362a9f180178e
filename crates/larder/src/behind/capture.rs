//! What Diesel would send, taken down instead of sent.

use std::collections::BTreeMap;

use diesel::{
    pg::{Pg, PgMetadataLookup, PgTypeMetadata},
    query_builder::{QueryBuilder as _, QueryFragment, bind_collector::RawBytesBindCollector},
};

use super::{
    change::{Assignment, SqlType, Value},
    error::{Error, Result},
};
use crate::{
    entity::{PatternOn, Table},
    models::quoted,
    statement::Statement,
};

/// The values of a row's primary key.
pub(super) fn key<E: Table<Pg>>(key: &E::Key) -> Result<Vec<Value>> {
    let mut statement = Statement::<Pg>::new();
    E::ByKey::matching(vec![key.clone()], &mut statement);
    values(&statement)
}

/// The columns that a changeset assigns plain values to, by their names.
pub(super) fn columns(changes: &impl QueryFragment<Pg>) -> Result<BTreeMap<String, Assignment>> {
    let mut sql = <Pg as diesel::backend::Backend>::QueryBuilder::default();
    changes.to_sql(&mut sql, &Pg)?;
    let sql = sql.finish();
    let names = assigned(&sql).ok_or(Error::NotPlain)?;
    let values = values(changes)?;
    if names.len() != values.len() {
        return Err(Error::NotPlain);
    }
    Ok(names
        .into_iter()
        .zip(values)
        .map(|(name, value)| (name, Assignment { value: Some(value), plus: None }))
        .collect())
}

/// Everything that a piece of SQL binds, in order.
fn values(fragment: &impl QueryFragment<Pg>) -> Result<Vec<Value>> {
    let (mut collected, mut lookup) = (RawBytesBindCollector::<Pg>::new(), Names::default());
    fragment.collect_binds(&mut collected, &mut lookup, &Pg)?;
    let values = collected.metadata.into_iter().zip(collected.binds);
    values
        .map(|(metadata, bytes)| {
            // An array has no array type, and so many of them can't go into one statement.
            let is_array = metadata.array_oid().unwrap_or(0) == 0;
            if is_array { Err(Error::Array) } else { Ok(Value { sql_type: lookup.sql_type(&metadata), bytes }) }
        })
        .collect()
}

/// Types that have no number of their own are given one from the upper end, where no server has come to.
#[derive(Default)]
struct Names(Vec<SqlType>);

impl PgMetadataLookup for Names {
    fn lookup_type(&mut self, name: &str, schema: Option<&str>) -> PgTypeMetadata {
        self.0.push(SqlType::Named { schema: schema.map(str::to_owned), name: name.to_owned() });
        let number = u32::MAX - u32::try_from(self.0.len()).unwrap_or(u32::MAX / 2);
        PgTypeMetadata::new(number, number)
    }
}

impl Names {
    fn sql_type(&self, metadata: &PgTypeMetadata) -> SqlType {
        let oid = metadata.oid().unwrap_or(0);
        let named = (u32::MAX - oid).checked_sub(1).and_then(|at| self.0.get(usize::try_from(at).ok()?));
        named.cloned().unwrap_or(SqlType::BuiltIn(oid))
    }
}

/// The names in `"a" = $1, "b" = $2`: `None` if there is anything else.
fn assigned(sql: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = sql.trim();
    loop {
        let (name, after) = quoted(rest)?;
        let place = format!(" = ${}", names.len() + 1);
        rest = after.strip_prefix(&place)?.trim_start();
        names.push(name);
        match rest.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None if rest.is_empty() => return Some(names),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::{
        AsChangeset, ExpressionMethods as _, deserialize::FromSqlRow, expression::AsExpression, serialize, sql_types,
    };

    use super::*;

    diesel::table! {
        boxes (id) { id -> BigInt, a -> Nullable<Integer>, #[sql_name = "b \" x"] b -> Text, c -> Array<Integer>, }
    }

    #[derive(AsChangeset)]
    #[diesel(table_name = boxes)]
    struct Changes {
        a: Option<Option<i32>>,
        b: Option<String>,
    }

    fn named(changes: Changes) -> Vec<(String, Option<Vec<u8>>)> {
        let columns = columns(&changes.as_changeset()).unwrap();
        columns.into_iter().map(|(name, assignment)| (name, assignment.value.unwrap().bytes)).collect()
    }

    #[test]
    fn a_changeset_is_its_columns_and_values() {
        assert_eq!(named(Changes { a: Some(Some(7)), b: None }), [("a".to_owned(), Some(vec![0, 0, 0, 7]))]);
        let both = named(Changes { a: Some(None), b: Some("x".to_owned()) });
        assert_eq!(both, [("a".to_owned(), None), ("b \" x".to_owned(), Some(b"x".to_vec()))]);
    }

    #[test]
    fn what_is_computed_is_no_plain_value() {
        let computed = boxes::a.eq(boxes::a + 1).as_changeset();
        assert!(matches!(columns(&computed), Err(Error::NotPlain)));
        let other = boxes::a.eq(diesel::dsl::sql::<sql_types::Nullable<sql_types::Integer>>("1")).as_changeset();
        assert!(matches!(columns(&other), Err(Error::NotPlain)));
    }

    #[test]
    fn an_array_is_refused() {
        assert!(matches!(columns(&boxes::c.eq(vec![1, 2]).as_changeset()), Err(Error::Array)));
    }

    #[derive(Debug, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "mood", schema = "shop"))]
    pub struct MoodType;

    #[derive(Debug, AsExpression, FromSqlRow)]
    #[diesel(sql_type = MoodType)]
    struct Mood;

    impl serialize::ToSql<MoodType, Pg> for Mood {
        fn to_sql<'b>(&'b self, out: &mut serialize::Output<'b, '_, Pg>) -> serialize::Result {
            std::io::Write::write_all(out, b"glad")?;
            Ok(serialize::IsNull::No)
        }
    }

    diesel::table! {
        use diesel::sql_types::*;
        use super::MoodType;
        moods (id) { id -> BigInt, mood -> MoodType, n -> Integer, }
    }

    #[test]
    fn a_type_of_ones_own_goes_by_its_name() {
        let changes = (moods::n.eq(1), moods::mood.eq(Mood)).as_changeset();
        let columns = columns(&changes).unwrap();
        let sql_type = |name: &str| columns[name].value.clone().unwrap().sql_type;
        assert_eq!(sql_type("n"), SqlType::BuiltIn(23));
        let mood = SqlType::Named { schema: Some("shop".to_owned()), name: "mood".to_owned() };
        assert_eq!(sql_type("mood"), mood);
    }
}
