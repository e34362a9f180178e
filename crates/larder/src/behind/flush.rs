//! Frames as rows of the database, in one transaction.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU32},
};

use diesel::{
    pg::Pg,
    result::{DatabaseErrorKind as Kind, Error as Diesel},
};

use super::{
    apply::{Shape, Types},
    change::{Change, Merged},
    dead::{self, Rejected},
    frame::Frame,
    ledger,
    models::Model,
};
use crate::{
    error::{Error, Result},
    failpoints::{Point, reach},
    handle::{Larder, TransactionOptions},
    store::Nonce,
    transaction::Tx,
};

/// How often a flush is tried again at once that failed only because of others.
const RETRIES: u32 = 3;

/// Writes frames of one buffer.
#[derive(Debug)]
pub(super) struct Press {
    pub(super) buffer: String,
    pub(super) models: Vec<Model>,
    /// How much the size of a batch is doubted.
    pub(super) doubt: AtomicU32,
    /// What was found out about types so far.
    types: Mutex<Types>,
}

/// Where frames come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the buffer: all of the producer's that are before them are among them, or applied.
    Buffered,
    /// From the producer himself, past what he has buffered before.
    Direct,
}

/// What a flush has written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Frames that were applied, and such that had been already.
    pub(super) n_frames: u64,
    pub(super) n_repeated: u64,
    /// Calls that were acknowledged, and rows that they have changed.
    pub(super) n_calls: u64,
    pub(super) n_rows: u64,
    /// Changes that the database has rejected.
    pub(super) n_dead: u64,
}

impl Press {
    pub(super) fn new(buffer: &str, models: Vec<Model>) -> Self {
        Self { buffer: buffer.to_owned(), models, doubt: AtomicU32::new(0), types: Mutex::default() }
    }

    /// Applies frames, in their order, each that is not yet applied: `None` if it is another flusher's turn.
    ///
    /// The frames' numbers are written in the transaction of the rows, so that a frame is applied once, whatever dies when.
    pub(super) fn write(
        &self,
        larder: &Larder<Pg>,
        frames: &[Frame],
        unread: &[Rejected],
        (way, waits): (Way, bool),
    ) -> Result<Option<Written>> {
        self.in_turn(larder, waits, |tx| self.write_in(tx, frames, unread, way))
    }

    /// Does something in a transaction that has the turn of the buffer's flushers: `None` if it is another one's.
    pub(super) fn in_turn<T>(
        &self,
        larder: &Larder<Pg>,
        waits: bool,
        mut work: impl FnMut(&Tx<Pg>) -> Result<T>,
    ) -> Result<Option<T>> {
        let options = TransactionOptions { retries: RETRIES, ..TransactionOptions::default() };
        larder.transaction_with(options, |tx| {
            if !tx.run(|connection| ledger::begin(connection, &self.buffer, waits))? {
                return Ok(None);
            }
            work(tx).map(Some)
        })
    }

    /// The same, in a transaction that has the turn.
    pub(super) fn write_in(&self, tx: &Tx<Pg>, frames: &[Frame], unread: &[Rejected], way: Way) -> Result<Written> {
        let mut producers: Vec<Nonce> = frames.iter().map(|frame| frame.producer).collect();
        producers.sort_unstable_by_key(|producer| *producer.as_bytes());
        producers.dedup();
        let marks = tx.run(|connection| ledger::marks(connection, &producers))?;
        reach(Point::FlushLocked);

        let mut written = Written::default();
        let mut last: HashMap<Nonce, u64> = HashMap::new();
        let mut fresh = Vec::with_capacity(frames.len());
        for frame in frames {
            let before = last.insert(frame.producer, frame.number).unwrap_or(0);
            let is_applied = marks.get(&frame.producer).is_some_and(|marks| marks.has(frame.number));
            // What was sent twice is twice in the buffer.
            if is_applied || (way == Way::Buffered && frame.number <= before) {
                last.insert(frame.producer, before.max(frame.number));
                written.n_repeated += 1;
            } else {
                fresh.push(frame);
            }
        }
        written.n_frames = fresh.len() as u64;
        let changes: Vec<&Change> = fresh.iter().flat_map(|frame| &frame.changes).collect();
        written.n_calls = changes.iter().map(|change| change.n_calls).sum();

        let mut rejected: Vec<Rejected> = unread.to_vec();
        self.write_changes(tx, &changes, &mut written, &mut rejected)?;
        reach(Point::FlushWritten);
        written.n_dead = rejected.len() as u64;
        tx.run(|connection| {
            dead::add(connection, &self.buffer, &rejected)?;
            match way {
                Way::Buffered => ledger::mark(connection, &last),
                Way::Direct => fresh.first().map_or(Ok(()), |first| {
                    let numbers: Vec<u64> = fresh.iter().map(|frame| frame.number).collect();
                    ledger::mark_direct(connection, &first.producer, &numbers)
                }),
            }
        })?;
        reach(Point::FlushMarked);
        Ok(written)
    }

    /// Writes changes, in their order, those of one row as one.
    pub(super) fn write_changes(
        &self,
        tx: &Tx<Pg>,
        changes: &[&Change],
        written: &mut Written,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let mut merged = Merged::default();
        let mut parts: Vec<Vec<&Change>> = Vec::new();
        for &change in changes {
            let place = merged.add(change);
            if place == parts.len() {
                parts.push(Vec::new());
            }
            parts[place].push(change);
        }
        let merged = merged.into_changes();
        let rows = merged.iter().zip(&parts).map(|(change, parts)| Row { change, parts });
        let mut groups: BTreeMap<Shape, Vec<Row<'_>>> = BTreeMap::new();
        for row in rows {
            groups.entry(Shape::of(row.change)).or_default().push(row);
        }
        for (shape, rows) in &groups {
            match self.model_of(shape) {
                Ok(model) => self.write_rows(tx, &Statement { model, shape }, rows, written, rejected)?,
                Err(reason) => {
                    rejected.extend(rows.iter().map(|row| Rejected::of(row.change, reason)));
                }
            }
        }
        Ok(())
    }

    fn model_of(&self, shape: &Shape) -> Result<&Model, &'static str> {
        let model =
            self.models.iter().find(|model| model.name == shape.model).ok_or("the flusher has no such model")?;
        let has_all = shape.columns().all(|column| model.has(column));
        if has_all { Ok(model) } else { Err("the model has no such column to be written") }
    }

    /// Writes rows of one shape. If the database rejects some, it is told of the others again, in halves.
    fn write_rows(
        &self,
        tx: &Tx<Pg>,
        statement: &Statement<'_>,
        rows: &[Row<'_>],
        written: &mut Written,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let changes: Vec<&Change> = rows.iter().map(|row| row.change).collect();
        let error = match self.attempt(tx, statement, &changes) {
            Ok(found) => {
                written.n_rows += found.len() as u64;
                rejected.extend(missing(&changes, &found));
                return Ok(());
            }
            Err(error) if self.is_of_the_rows(tx, statement, &error)? => error,
            Err(error) => return Err(error),
        };
        match rows {
            [Row { change, parts: [_] }] => match self.attempt(tx, statement, &changes) {
                // Somebody has cancelled the statement, and not the database the row.
                Ok(found) => {
                    written.n_rows += found.len() as u64;
                    rejected.extend(missing(&changes, &found));
                }
                Err(error) if self.is_of_the_rows(tx, statement, &error)? => {
                    rejected.push(Rejected::of(change, &reason(&error)));
                }
                Err(error) => return Err(error),
            },
            // Of several calls some may be good.
            [Row { parts, .. }] => {
                for &change in *parts {
                    let alone = [Row { change, parts: &[change] }];
                    let shape = Shape::of(change);
                    self.write_rows(tx, &Statement { shape: &shape, ..*statement }, &alone, written, rejected)?;
                }
            }
            _ => {
                tracing::debug!(n_rows = rows.len(), %error, "the database rejects some of these rows");
                let (first, second) = rows.split_at(rows.len() / 2);
                self.write_rows(tx, statement, first, written, rejected)?;
                self.write_rows(tx, statement, second, written, rejected)?;
            }
        }
        Ok(())
    }

    /// Sends a statement, and takes it back if it fails.
    fn attempt(&self, tx: &Tx<Pg>, statement: &Statement<'_>, changes: &[&Change]) -> Result<Vec<i64>> {
        let types = self.types(tx, statement.shape)?;
        let found = tx.savepoint(|tx| (statement.model.apply)(tx, statement.shape, &types, changes));
        if found.is_err() {
            // A type that was made anew has another number.
            self.known_types().clear();
        }
        found
    }

    /// Whether it is the rows that the database rejects, and not the statement: then the same goes well for no rows.
    fn is_of_the_rows(&self, tx: &Tx<Pg>, statement: &Statement<'_>, error: &Error) -> Result<bool> {
        let Error::Database(Diesel::DatabaseError(kind, _)) = error else { return Ok(false) };
        Ok(match kind {
            Kind::UniqueViolation
            | Kind::ForeignKeyViolation
            | Kind::NotNullViolation
            | Kind::CheckViolation
            | Kind::RestrictViolation
            | Kind::ExclusionViolation => true,
            Kind::Unknown if !error.is_retryable() => self.attempt(tx, statement, &[]).is_ok(),
            _ => false,
        })
    }

    /// The types of a shape. What is not known yet costs a statement each, once.
    pub(super) fn types(&self, tx: &Tx<Pg>, shape: &Shape) -> Result<Types> {
        let mut types = Types::new();
        for sql_type in shape.types() {
            let known = self.known_types().get(sql_type).cloned();
            let named = match known {
                Some(named) => named,
                None => tx.run(|connection| ledger::sql_type(connection, sql_type))?,
            };
            types.insert(sql_type.clone(), named);
        }
        self.known_types().extend(types.clone());
        Ok(types)
    }

    fn known_types(&self) -> MutexGuard<'_, Types> {
        self.types.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A model, and what changes of it have in common.
#[derive(Clone, Copy)]
struct Statement<'a> {
    model: &'a Model,
    shape: &'a Shape,
}

/// A row's change, and the changes that it was made of.
#[derive(Clone, Copy)]
struct Row<'a> {
    change: &'a Change,
    parts: &'a [&'a Change],
}

/// Those that have found no row. Numbers count from 1.
fn missing<'c>(changes: &'c [&Change], found: &[i64]) -> impl Iterator<Item = Rejected> + use<'c> {
    let mut is_found = vec![false; changes.len()];
    for number in found {
        if let Some(place) = usize::try_from(number - 1).ok().and_then(|at| is_found.get_mut(at)) {
            *place = true;
        }
    }
    let lost = changes.iter().zip(is_found).filter(|(_, is_found)| !is_found);
    lost.map(|(change, _)| Rejected::of(change, "no row has this key"))
}

/// What the database said.
fn reason(error: &Error) -> String {
    match error {
        Error::Database(error) => error.to_string(),
        error => error.to_string(),
    }
}
