//! The primary keys that an INSERT gives its rows, read from what it would send: MySQL returns none.

use std::ops::Range;

use diesel::{
    mysql::{Mysql, MysqlType, MysqlValue},
    query_builder::{QueryBuilder as _, QueryFragment as _, bind_collector::RawBytesBindCollector},
    result::{Error, QueryResult},
    row::{Field, PartialRow, Row, RowIndex, RowSealed},
};

use crate::{
    backend::GivenKey,
    entity::{Pattern, PatternOn, Table},
    key::Key as _,
    row::RowReader,
    statement::Fragment,
};

/// What each row says of its key.
pub(super) fn keys<E: Table<Mysql>>(values: &Fragment<'_, Mysql>) -> QueryResult<Vec<GivenKey<E::Key>>> {
    let mut sql = <Mysql as diesel::backend::Backend>::QueryBuilder::default();
    values.to_sql(&mut sql, &Mysql)?;
    let sql = sql.finish();
    let mut bound = RawBytesBindCollector::<Mysql>::new();
    values.collect_binds(&mut bound, &mut (), &Mysql)?;
    let unclear =
        || Error::QueryBuilderError("MySQL can insert plain rows only, since their keys must be known".into());
    let (columns, rows) = parsed(&sql).ok_or_else(unclear)?;
    if rows.iter().flatten().map(Given::n_binds).sum::<usize>() != bound.binds.len() {
        return Err(unclear());
    }
    let mut n_before = 0;
    let mut keys = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut parts = Vec::with_capacity(E::ByKey::COLUMNS.len());
        for name in E::ByKey::COLUMNS {
            let at = columns.iter().position(|column| column == name);
            let n = n_before + at.map_or(0, |at| row[..at].iter().map(Given::n_binds).sum());
            parts.push(match at.map(|at| &row[at]) {
                Some(Given::Value) => (bound.metadata[n], bound.binds[n].as_deref()),
                // No value is what NULL is: the database's own.
                Some(Given::Default) | None => (MysqlType::String, None),
                Some(Given::Computed { .. }) => {
                    let reason = format!("MySQL does not give back what it computes: `{name}` must be a value");
                    return Err(Error::QueryBuilderError(reason.into()));
                }
            });
        }
        n_before += row.iter().map(Given::n_binds).sum::<usize>();
        let n_missing = parts.iter().filter(|(_, bytes)| bytes.is_none()).count();
        if n_missing > 0 && n_missing < parts.len() {
            return Err(Error::QueryBuilderError("every column of a primary key must be given, or none".into()));
        }
        let key = E::ByKey::read(&mut RowReader::new(&Sent(&parts))).map_err(Error::DeserializationError)?;
        keys.push(match key.map(|key| key.canonical(false)) {
            None => GivenKey::Counted,
            Some(key) if matches!(parts[..], [(sql_type, Some(bytes))] if is_zero(sql_type, bytes)) => {
                GivenKey::Zero(key)
            }
            Some(key) => GivenKey::Known(key),
        });
    }
    Ok(keys)
}

/// Whether an AUTO_INCREMENT column takes that for the next number, unless `sql_mode` has NO_AUTO_VALUE_ON_ZERO.
fn is_zero(sql_type: MysqlType, bytes: &[u8]) -> bool {
    use MysqlType::{Long, LongLong, Short, Tiny, UnsignedLong, UnsignedLongLong, UnsignedShort, UnsignedTiny};
    let is_integer = matches!(
        sql_type,
        Tiny | Short | Long | LongLong | UnsignedTiny | UnsignedShort | UnsignedLong | UnsignedLongLong
    );
    is_integer && bytes.iter().all(|byte| *byte == 0)
}

/// What stands for one column of one row.
#[derive(Debug, PartialEq, Eq)]
enum Given {
    Value,
    Default,
    Computed { n_binds: usize },
}

impl Given {
    fn n_binds(&self) -> usize {
        match self {
            Self::Value => 1,
            Self::Default => 0,
            Self::Computed { n_binds } => *n_binds,
        }
    }
}

/// The columns' names, and what each row gives them, of ``(`a`, `b`) VALUES (?, DEFAULT), ..``: `None` if there is anything else.
fn parsed(sql: &str) -> Option<(Vec<String>, Vec<Vec<Given>>)> {
    let sql = sql.trim();
    let (columns, rest) = list(sql)?;
    let columns =
        columns.map(|name| name.trim().strip_prefix('`')?.strip_suffix('`').map(|name| name.replace("``", "`")));
    let columns: Vec<String> = columns.collect::<Option<_>>()?;
    let mut rest = rest.trim_start().strip_prefix("VALUES")?.trim_start();
    let mut rows = Vec::new();
    loop {
        let (values, after) = list(rest)?;
        let row: Vec<Given> = values
            .map(|value| match value.trim() {
                "?" => Given::Value,
                "DEFAULT" => Given::Default,
                other => Given::Computed { n_binds: marks(other, |byte| byte == b'?').count() },
            })
            .collect();
        if row.len() != columns.len() {
            return None;
        }
        rows.push(row);
        rest = after.trim();
        match rest.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None if rest.is_empty() => return Some((columns, rows)),
            None => return None,
        }
    }
}

/// The pieces of a list in parentheses, and what stands behind it.
fn list(sql: &str) -> Option<(impl Iterator<Item = &str>, &str)> {
    sql.strip_prefix('(')?;
    let mut depth = 0_usize;
    let (mut pieces, mut from): (Vec<Range<usize>>, _) = (Vec::new(), 1);
    for at in marks(sql, |byte| b"(,)".contains(&byte)) {
        match sql.as_bytes()[at] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ if depth > 1 => {}
            _ => {
                pieces.push(from..at);
                from = at + 1;
            }
        }
        if depth == 0 {
            if from > 1 || !sql[from..at].trim().is_empty() {
                pieces.push(from..at);
            }
            return Some((pieces.into_iter().map(|piece| &sql[piece]), &sql[at + 1..]));
        }
    }
    None
}

/// Where such bytes stand outside of quotes.
fn marks(sql: &str, is_one: impl Fn(u8) -> bool) -> impl Iterator<Item = usize> {
    let mut quote = None;
    let mut is_escaped = false;
    sql.bytes().enumerate().filter_map(move |(at, byte)| {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(quote) if byte == b'\\' && quote != b'`' => is_escaped = true,
            // A quote that is doubled closes and opens again.
            Some(open) if byte == open => quote = None,
            None if b"'\"`".contains(&byte) => quote = Some(byte),
            None if is_one(byte) => return Some(at),
            _ => {}
        }
        None
    })
}

/// Values on their way to the database, read as if they came from it.
struct Sent<'v>(&'v [(MysqlType, Option<&'v [u8]>)]);

struct SentField<'v>(MysqlType, Option<&'v [u8]>);

impl RowSealed for Sent<'_> {}

impl RowIndex<usize> for Sent<'_> {
    fn idx(&self, at: usize) -> Option<usize> {
        (at < self.0.len()).then_some(at)
    }
}

impl RowIndex<&str> for Sent<'_> {
    fn idx(&self, _name: &str) -> Option<usize> {
        None
    }
}

impl<'v> Row<'v, Mysql> for Sent<'v> {
    type Field<'f>
        = SentField<'f>
    where
        'v: 'f,
        Self: 'f;
    type InnerPartialRow = Self;

    fn field_count(&self) -> usize {
        self.0.len()
    }

    fn get<'f, I>(&'f self, at: I) -> Option<SentField<'f>>
    where
        'v: 'f,
        Self: RowIndex<I>,
    {
        let (sql_type, bytes) = self.0[self.idx(at)?];
        Some(SentField(sql_type, bytes))
    }

    fn partial_row(&self, range: Range<usize>) -> PartialRow<'_, Self> {
        PartialRow::new(self, range)
    }
}

impl<'f> Field<'f, Mysql> for SentField<'f> {
    fn field_name(&self) -> Option<&str> {
        None
    }

    fn value(&self) -> Option<MysqlValue<'_>> {
        self.1.map(|bytes| MysqlValue::new(bytes, self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_rows_are_taken_apart() {
        let (columns, rows) = parsed("(`a`, `b ``, c`) VALUES (?, DEFAULT), (lower(concat(?, '?, )')), ?)").unwrap();
        assert_eq!(columns, ["a", "b `, c"]);
        assert_eq!(rows[0], [Given::Value, Given::Default]);
        assert_eq!(rows[1], [Given::Computed { n_binds: 1 }, Given::Value]);
        assert_eq!(parsed("() VALUES ()"), Some((Vec::new(), vec![Vec::new()])));
        assert_eq!(parsed(r#"(`a`) VALUES (concat('it''s \'?', "?", ?))"#).unwrap().1[0][0].n_binds(), 1);
    }

    #[test]
    fn anything_else_is_refused() {
        for sql in [
            "",
            "(`a`) SELECT 1",
            "(`a`) VALUES (?",
            "(`a`) VALUES (?, ?)",
            "(`a`) VALUES (?) ON DUPLICATE KEY",
            "(a) VALUES (?)",
        ] {
            assert_eq!(parsed(sql), None, "{sql}");
        }
    }
}
