//! What a model says of its columns.

use std::any::{TypeId, type_name};

use diesel::{
    Column,
    sql_types::{HasSqlType, SqlType, TypeMetadata, is_nullable::IsNullable},
};

use crate::backend::Backend;

/// A column, as Diesel's table has it.
pub(crate) struct Declared<DB: Backend> {
    pub(crate) name: &'static str,
    pub(crate) is_nullable: bool,
    /// What Diesel calls the type of its values.
    pub(crate) type_name: String,
    /// Whether it is one of Diesel's own types.
    #[cfg(feature = "mysql")]
    pub(crate) is_of_diesel: bool,
    /// As what they are sent.
    pub(crate) sent_as: fn(&mut <DB as TypeMetadata>::MetadataLookup) -> <DB as TypeMetadata>::TypeMetadata,
}

impl<DB: Backend> Declared<DB> {
    pub(crate) fn of<C>() -> Self
    where
        C: Column + 'static,
        C::SqlType: SqlType,
        DB: HasSqlType<C::SqlType>,
    {
        Self {
            name: C::NAME,
            is_nullable: TypeId::of::<<C::SqlType as SqlType>::IsNull>() == TypeId::of::<IsNullable>(),
            type_name: plain(type_name::<C::SqlType>()),
            #[cfg(feature = "mysql")]
            is_of_diesel: type_name::<C::SqlType>().rsplit('<').next().is_some_and(|name| name.starts_with("diesel::")),
            sent_as: <DB as HasSqlType<C::SqlType>>::metadata,
        }
    }
}

/// A type's name without modules, and without what says that it may be NULL.
fn plain(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    let mut word = String::new();
    for c in path.chars() {
        match c {
            ':' => word.clear(),
            '<' | '>' | ',' | ' ' => {
                name.push_str(&word);
                name.push(c);
                word.clear();
            }
            c => word.push(c),
        }
    }
    name.push_str(&word);
    name.strip_prefix("Nullable<").and_then(|inner| inner.strip_suffix('>')).map(str::to_owned).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_are_those_that_are_written() {
        for (path, name) in [
            ("diesel::sql_types::Text", "Text"),
            ("diesel::sql_types::Nullable<diesel::pg::types::sql_types::Timestamptz>", "Timestamptz"),
            ("diesel::sql_types::Nullable<diesel::Array<diesel::sql_types::Nullable<a::B>>>", "Array<Nullable<B>>"),
            ("mine::Kind", "Kind"),
        ] {
            assert_eq!(plain(path), name);
        }
    }
}
