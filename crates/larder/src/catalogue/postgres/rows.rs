//! The statements' rows.

use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, Oid, Text},
};

use crate::catalogue::{Action, Column, Index, IndexKey, IndexPart, Strictness, Use};

#[derive(QueryableByName)]
pub(super) struct ServerRow {
    #[diesel(sql_type = Text)]
    pub(super) version: String,
    #[diesel(sql_type = Array<Text>)]
    pub(super) search_path: Vec<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) counted_since: Option<String>,
}

#[derive(QueryableByName)]
pub(super) struct TableRow {
    #[diesel(sql_type = Oid)]
    pub(super) oid: u32,
    #[diesel(sql_type = Text)]
    pub(super) schema: String,
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Text)]
    pub(super) kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) parent_schema: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) parent: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) n_rows: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) n_reads: Option<i64>,
}

#[derive(QueryableByName)]
pub(super) struct ColumnRow {
    #[diesel(sql_type = Oid)]
    pub(super) table: u32,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql_type: String,
    #[diesel(sql_type = Nullable<Oid>)]
    type_id: Option<u32>,
    #[diesel(sql_type = Bool)]
    is_nullable: bool,
    #[diesel(sql_type = Nullable<Text>)]
    default: Option<String>,
    #[diesel(sql_type = Bool)]
    is_generated: bool,
    #[diesel(sql_type = Bool)]
    is_lenient: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    n_distinct: Option<i64>,
}

impl ColumnRow {
    pub(super) fn column(self) -> Column {
        let Self { name, sql_type, type_id, is_nullable, default, is_generated, is_lenient, n_distinct, .. } = self;
        let n_distinct = n_distinct.and_then(|n| u64::try_from(n).ok());
        let strictness = if is_lenient { Strictness::Lenient } else { Strictness::Exact };
        Column { name, sql_type, type_id, is_nullable, default, is_generated, strictness, counter: None, n_distinct }
    }
}

#[derive(QueryableByName)]
pub(super) struct IndexRow {
    #[diesel(sql_type = Oid)]
    pub(super) oid: u32,
    #[diesel(sql_type = Oid)]
    pub(super) table: u32,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    method: String,
    #[diesel(sql_type = Array<Text>)]
    columns: Vec<String>,
    #[diesel(sql_type = Array<Text>)]
    texts: Vec<String>,
    #[diesel(sql_type = Array<Integer>)]
    options: Vec<i32>,
    #[diesel(sql_type = Array<Bool>)]
    collations: Vec<bool>,
    #[diesel(sql_type = Array<Bool>)]
    orders: Vec<bool>,
    #[diesel(sql_type = Integer)]
    n_parts: i32,
    #[diesel(sql_type = Bool)]
    is_unique: bool,
    #[diesel(sql_type = Bool)]
    is_primary: bool,
    #[diesel(sql_type = Bool)]
    is_constraint: bool,
    #[diesel(sql_type = Bool)]
    is_deferrable: bool,
    #[diesel(sql_type = Bool)]
    is_valid: bool,
    #[diesel(sql_type = Bool)]
    nulls_are_equal: bool,
    #[diesel(sql_type = Bool)]
    is_replica_identity: bool,
    #[diesel(sql_type = Bool)]
    is_inherited: bool,
    #[diesel(sql_type = Nullable<Text>)]
    predicate: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    definition: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    scans: Option<i64>,
}

impl IndexRow {
    /// `None` if it was dropped since the statement began: then the server has nothing to tell of it.
    pub(super) fn index(mut self, bytes: Option<u64>) -> Option<Index> {
        let definition = self.definition?;
        let n_parts = usize::try_from(self.n_parts).unwrap_or(self.columns.len()).min(self.columns.len());
        let included = self.columns.split_off(n_parts);
        let parts = self.columns.into_iter().enumerate().map(|(at, column)| {
            let option = self.options.get(at).copied().unwrap_or_default();
            IndexPart {
                key: if column.is_empty() {
                    IndexKey::Expression(self.texts.get(at).cloned().unwrap_or_default())
                } else {
                    IndexKey::Column(column)
                },
                descending: option & 1 != 0,
                nulls_first: option & 2 != 0,
                prefix: None,
                has_other_collation: self.collations.get(at).copied().unwrap_or_default(),
                has_other_order: self.orders.get(at).copied().unwrap_or_default(),
            }
        });
        Some(Index {
            name: self.name,
            method: self.method,
            parts: parts.collect(),
            included,
            is_unique: self.is_unique,
            is_primary: self.is_primary,
            is_constraint: self.is_constraint,
            is_deferrable: self.is_deferrable,
            is_valid: self.is_valid,
            nulls_are_equal: self.nulls_are_equal,
            is_replica_identity: self.is_replica_identity,
            is_inherited: self.is_inherited,
            predicate: self.predicate,
            definition: Some(definition),
            bytes,
            used: self.scans.and_then(|n| u64::try_from(n).ok()).map_or(Use::Unknown, Use::Scans),
        })
    }
}

#[derive(QueryableByName)]
pub(super) struct ConstraintRow {
    #[diesel(sql_type = Oid)]
    pub(super) table: u32,
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Bool)]
    pub(super) is_check: bool,
    #[diesel(sql_type = Oid)]
    pub(super) target: u32,
    #[diesel(sql_type = Array<Text>)]
    pub(super) columns: Vec<String>,
    #[diesel(sql_type = Array<Text>)]
    pub(super) target_columns: Vec<String>,
    #[diesel(sql_type = Text)]
    pub(super) on_delete: String,
    #[diesel(sql_type = Text)]
    pub(super) on_update: String,
    #[diesel(sql_type = Bool)]
    pub(super) is_valid: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) expression: Option<String>,
}

pub(super) fn action(code: &str) -> Action {
    match code {
        "c" => Action::Cascade,
        "n" => Action::SetNull,
        "d" => Action::SetDefault,
        _ => Action::Refuse,
    }
}

#[derive(QueryableByName)]
pub(super) struct SequenceRow {
    #[diesel(sql_type = Oid)]
    pub(super) table: u32,
    #[diesel(sql_type = Text)]
    pub(super) column: String,
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) last: Option<i64>,
    #[diesel(sql_type = BigInt)]
    pub(super) largest: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_dropped_meanwhile_is_none() {
        let row = |definition: Option<&str>| IndexRow {
            oid: 2,
            table: 1,
            name: "i".to_owned(),
            method: "btree".to_owned(),
            columns: vec!["a".to_owned()],
            texts: vec![String::new()],
            options: vec![0],
            collations: vec![false],
            orders: vec![false],
            n_parts: 1,
            is_unique: false,
            is_primary: false,
            is_constraint: false,
            is_deferrable: false,
            is_valid: true,
            nulls_are_equal: false,
            is_replica_identity: false,
            is_inherited: false,
            predicate: None,
            definition: definition.map(str::to_owned),
            scans: None,
        };
        assert_eq!(row(None).index(None), None);
        let index = row(Some("CREATE INDEX i ON t (a)")).index(Some(1));
        assert_eq!(index.map(|index| (index.name, index.bytes)), Some(("i".to_owned(), Some(1))));
    }
}
