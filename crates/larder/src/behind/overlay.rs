//! A row as it will be when all that waits is written.

use std::collections::{HashMap, HashSet};

use diesel::{
    pg::Pg,
    sql_types::{BigInt, Nullable, Text},
};

use super::{
    apply::{Shape, Types, quoted},
    change::{Amount, Assignment, Change, Merged, SqlType},
    error::Result,
    flusher,
    frame::Frame,
    lane::Lane,
    ledger,
    raw::{Raw, RawValue},
};
use crate::{
    backend::Isolation,
    entity::{PatternOn, Table},
    failpoints::{Point, reach},
    handle::{Larder, TransactionOptions},
    load,
    lookout::{Sent, text_of},
    payload,
    row::{SelectList, WholeRow},
    session::Access,
    statement::Statement,
    transaction::Tx,
};

/// The row of a key as the database has it at one moment, with what was acknowledged before and is not yet in it.
///
/// The buffer is read first: what a flusher takes out of it after that is in the snapshot that is taken then, or counts as not yet
/// written there.
pub(super) fn find<E: Table<Pg>>(larder: &Larder<Pg>, lane: &Lane, key: &E::Key) -> Result<Option<E>> {
    let cell = payload::cell_key::<E::ByKey>(key);
    let (mut frames, mut last) = (Vec::new(), HashMap::new());
    reach(Point::BeforeRead);
    flusher::visit(lane, |mut frame| {
        // What was sent twice, or came late, is passed over by flushers too.
        let before = last.entry(frame.producer).or_insert(0);
        let is_new = frame.number > *before;
        *before = frame.number.max(*before);
        frame.changes.retain(|change| change.cell == cell.as_bytes());
        if is_new && !frame.changes.is_empty() {
            frames.push(frame);
        }
    })?;
    reach(Point::AfterRead);
    let options = TransactionOptions { isolation: Isolation::RepeatableRead, ..TransactionOptions::default() };
    Ok(larder.transaction_with(options, |tx| {
        let change = waiting(tx, &frames)?;
        let types = match &change {
            Some(change) => lane.press.types(tx, &Shape::of(change))?,
            None => Types::new(),
        };
        let statement = select::<E>(key, change.as_ref(), &types);
        reach(Point::BeforeSelect);
        let sent = Sent { operation: "SELECT", is_own: true, is_call: true };
        let rows: Vec<WholeRow<E>> = Access::transaction(tx).select::<E, _>(sent, statement)?;
        reach(Point::AfterSelect);
        Ok(rows.into_iter().next().map(|WholeRow(row)| row))
    })?)
}

/// What the frames that are not yet applied do to their one row.
fn waiting(tx: &Tx<Pg>, frames: &[Frame]) -> crate::Result<Option<Change>> {
    if frames.is_empty() {
        return Ok(None);
    }
    let producers: HashSet<_> = frames.iter().map(|frame| frame.producer).collect();
    let producers: Vec<_> = producers.into_iter().collect();
    let marks = tx.run(|connection| ledger::marks_unlocked(connection, &producers))?;
    let is_written = |frame: &Frame, change: &Change| {
        marks.get(&frame.producer).is_some_and(|marks| marks.has(frame.number, &change.cell))
    };
    let mut merged = Merged::default();
    for frame in frames {
        frame.changes.iter().filter(|change| !is_written(frame, change)).for_each(|change| _ = merged.add(change));
    }
    Ok(merged.into_changes().into_iter().next())
}

/// `SELECT .. FROM t CROSS JOIN LATERAL jsonb_populate_record(t.*, ..) AS larder_new WHERE key`: the record gives each value the type of
/// its column, as an UPDATE does. What is JSON itself goes by its side.
fn select<'q, E: Table<Pg>>(key: &E::Key, change: Option<&'q Change>, types: &Types) -> Statement<'q, Pg> {
    let mut list = SelectList::<Pg>::new();
    E::columns(&mut list);
    let columns = change.iter().flat_map(|change| &change.columns);
    let (whole, typed): (Vec<_>, Vec<_>) = columns.partition(|(_, assignment)| is_json(assignment));
    let from = |columns: &[(&String, &Assignment)], source: &str| {
        let from = |(name, _): &(&String, &Assignment)| (qualified::<E>(name), format!("{source}.{}", quoted(name)));
        columns.iter().map(from).collect::<Vec<_>>()
    };
    let replaced = [from(&typed, "larder_new"), from(&whole, "larder_json")].concat();
    let mut statement = Statement::new();
    statement.sql("SELECT ").separated(", ", list.items, |statement, item| {
        let mut text = Statement::<Pg>::new();
        text.fragment(item);
        let written = text_of(&text).unwrap_or_default();
        let changed = replaced.iter().fold(written.clone(), |text, (old, new)| text.replace(old, new));
        if changed == written {
            statement.fragment(Box::new(text));
        } else {
            statement.sql(changed);
        }
    });
    statement.sql(" FROM ").fragment(load::table::<Pg, E>());
    if !typed.is_empty() {
        statement.sql(" CROSS JOIN LATERAL jsonb_populate_record(").fragment(load::table::<Pg, E>());
        statement.sql(".*, jsonb_build_object(").separated(", ", typed, |statement, (name, assignment)| {
            statement.sql("CAST(").bind::<Text, &str>(name).sql(" AS text), ");
            push_value(&qualified::<E>(name), assignment, types, statement);
        });
        statement.sql(")) AS larder_new");
    }
    if !whole.is_empty() {
        statement.sql(" CROSS JOIN LATERAL (SELECT ").separated(", ", whole, |statement, (name, assignment)| {
            push_value(&qualified::<E>(name), assignment, types, statement);
            statement.sql(format!(" AS {}", quoted(name)));
        });
        statement.sql(") AS larder_json");
    }
    statement.sql(" WHERE ");
    E::ByKey::matching(vec![key.clone()], &mut statement);
    load::and_live::<Pg, E>(&mut statement);
    statement
}

/// Whether a value is JSON itself: in a record of JSON its null would be that of SQL, and its text another one.
fn is_json(assignment: &Assignment) -> bool {
    const JSON: [SqlType; 2] = [SqlType::BuiltIn(114), SqlType::BuiltIn(3_802)];
    assignment.value.as_ref().is_some_and(|value| JSON.contains(&value.sql_type))
}

fn push_value<'q>(column: &str, assignment: &'q Assignment, types: &Types, statement: &mut Statement<'q, Pg>) {
    match &assignment.value {
        None => statement.sql(column.to_owned()),
        Some(value) => {
            let name = types.get(&value.sql_type).map_or("text", |(_, name)| name);
            statement.sql("CAST(").bind::<Raw, _>(RawValue(value.bytes.as_deref())).sql(format!(" AS {name})"))
        }
    };
    match &assignment.plus {
        None => {}
        Some(Amount::Whole(n)) => _ = statement.sql(" + ").bind::<BigInt, i64>(*n),
        Some(Amount::Decimal(n)) => {
            statement.sql(" + CAST(").bind::<Nullable<Text>, _>(Some(n.to_string())).sql(" AS numeric)");
        }
    }
}

fn qualified<E: Table<Pg>>(column: &str) -> String {
    let mut table = Statement::<Pg>::new();
    table.fragment(load::table::<Pg, E>());
    format!("{}.{}", text_of(&table).unwrap_or_default(), quoted(column))
}
