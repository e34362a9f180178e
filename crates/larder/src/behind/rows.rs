//! The rows of a flush: each is written, rejected, or held until it can be written.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use diesel::{
    pg::Pg,
    result::{DatabaseErrorKind as Kind, Error as Diesel},
};

use super::{
    apply::{Shape, sources},
    change::{Change, Merged},
    dead::Rejected,
    flush::Press,
    ledger::{self, LockWait},
    models::Model,
    verdict::{self, Answer, Verdict},
};
use crate::{
    error::{Error, Result},
    transaction::Tx,
};

/// So long a statement waits for rows of which it is known that somebody has locked some.
const SHORT: Duration = Duration::from_millis(20);

/// What a flush may do with a change that can't be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// Whether it may wait in the buffer: else it is an error of the whole flush.
    pub(super) holds: bool,
    /// Whether to try what could not be written before.
    pub(super) tries_held: bool,
    /// So old is a change that nothing here can write when it is rejected.
    pub(super) gives_up_after: Duration,
    /// How long to wait for what others have locked, for each statement.
    pub(super) lock_wait: Duration,
    /// How long each statement waits as it is, if that is known.
    pub(super) lock_wait_of_turn: Option<Duration>,
    /// When to look no further which of some rows it is that can't be written.
    pub(super) end: Instant,
}

/// A change as it was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) change: &'a Change,
    /// The place of its frame.
    pub(super) frame: usize,
    pub(super) waited: Duration,
    /// Whether it could not be written before.
    pub(super) was_held: bool,
}

/// What became of them.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) n_rows: u64,
    pub(super) rejected: Vec<Rejected>,
    /// The frames and the cells of those that are held, and why the last of them is.
    pub(super) held: Vec<(usize, Vec<u8>)>,
    pub(super) reason: Option<String>,
}

/// A flush that is under way.
pub(super) struct Rows<'p> {
    press: &'p Press,
    tx: &'p Tx<Pg>,
    terms: Terms,
    lock_wait: Option<Duration>,
    /// Whether a row's lock was waited for in vain.
    is_short: bool,
    outcome: Outcome,
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
    parts: &'a [Part<'a>],
}

/// What was refused.
enum Refused {
    /// Some of the rows.
    Rows,
    /// The statement, whatever rows it has.
    Statement(Verdict),
    /// Neither: the transaction is lost, or may go well when it is tried again.
    Nothing,
}

impl<'p> Rows<'p> {
    /// Writes changes, in their order, those of one row as one.
    pub(super) fn write(press: &'p Press, tx: &'p Tx<Pg>, terms: Terms, changes: &[Part<'_>]) -> Result<Outcome> {
        let mut merged = Merged::default();
        let mut parts: Vec<Vec<Part<'_>>> = Vec::new();
        let mut outcome = Outcome::default();
        for part in changes {
            let model = press.models.iter().find(|model| model.name == part.change.model);
            if model.is_some_and(|model| model.counter_set_by(part.change).is_some()) {
                // By a handle that does not know it: an increment that came later may have been written before.
                let reason = "a column that it sets is a counter, which is only added to";
                outcome.rejected.push(Rejected::of(part.change, reason));
                continue;
            }
            let place = merged.add(part.change);
            if place == parts.len() {
                parts.push(Vec::new());
            }
            parts[place].push(*part);
        }
        let merged = merged.into_changes();
        let mut groups: BTreeMap<(bool, Shape), Vec<Row<'_>>> = BTreeMap::new();
        for (change, parts) in merged.iter().zip(&parts) {
            // What could not be written before is tried when all others are.
            let was_held = parts.iter().any(|part| part.was_held);
            groups.entry((was_held, Shape::of(change))).or_default().push(Row { change, parts });
        }
        let lock_wait = terms.lock_wait_of_turn;
        let mut all = Self { press, tx, terms, lock_wait, is_short: false, outcome };
        for ((was_held, shape), rows) in &groups {
            if *was_held && !terms.tries_held {
                rows.iter().for_each(|row| all.hold(row.parts));
                continue;
            }
            all.is_short |= *was_held;
            all.write_group(shape, rows)?;
        }
        if all.lock_wait == Some(SHORT) {
            // Columns of other rows are maintained before COMMIT, and nobody has locked those as far as is known.
            all.is_short = false;
            all.bound_locks()?;
        }
        Ok(all.outcome)
    }

    fn write_group(&mut self, shape: &Shape, rows: &[Row<'_>]) -> Result<()> {
        let model = match self.press.model_of(shape) {
            Ok(model) => model,
            Err(reason) => {
                return rows.iter().try_for_each(|row| self.set_aside(row, Verdict::Unfit, reason, None));
            }
        };
        if shape.key.len() != model.key.len() {
            let reason = "the model's key has another number of columns";
            return rows.iter().try_for_each(|row| self.set_aside(row, Verdict::Rejected, reason, None));
        }
        self.write_rows(Statement { model, shape }, rows)
    }

    /// Writes rows of one shape. If the database refuses some, it is told of the others again, in halves.
    fn write_rows(&mut self, statement: Statement<'_>, rows: &[Row<'_>]) -> Result<()> {
        let changes: Vec<&Change> = rows.iter().map(|row| row.change).collect();
        let error = match self.attempt(statement, &changes) {
            Ok(found) => {
                self.written(&changes, &found);
                return Ok(());
            }
            Err(error) => error,
        };
        // The next who waits for a lock does so beside rows that are changed already.
        self.is_short = true;
        match self.refused(statement, &error)? {
            Refused::Rows => self.tell_apart(statement, rows, error),
            Refused::Statement(verdict) => self.set_all_aside(rows, verdict, error),
            Refused::Nothing => Err(error),
        }
    }

    /// Finds those of some rows that the database refuses, and writes the others.
    fn tell_apart(&mut self, statement: Statement<'_>, rows: &[Row<'_>], error: Error) -> Result<()> {
        match rows {
            [Row { change, parts: [part] }] => {
                let row = Row { change, parts: std::slice::from_ref(part) };
                self.judge(statement, &row, error)
            }
            _ if Instant::now() >= self.terms.end => self.set_all_aside(rows, Verdict::Waits, error),
            // Of several calls some may be good. What comes behind one that is held is held too.
            [Row { parts, .. }] => {
                for (at, part) in parts.iter().enumerate() {
                    let n_held = self.outcome.held.len();
                    let shape = Shape::of(part.change);
                    let alone = [Row { change: part.change, parts: std::slice::from_ref(part) }];
                    self.write_rows(Statement { shape: &shape, ..statement }, &alone)?;
                    if self.outcome.held.len() > n_held {
                        self.hold(&parts[at + 1..]);
                        break;
                    }
                }
                Ok(())
            }
            _ => {
                tracing::debug!(n_rows = rows.len(), %error, "the database refuses some of these rows");
                let (first, second) = rows.split_at(rows.len() / 2);
                self.write_rows(statement, first)?;
                self.write_rows(statement, second)
            }
        }
    }

    /// Finds out whether it is on one call's change of a row that it was refused.
    fn judge(&mut self, statement: Statement<'_>, row: &Row<'_>, error: Error) -> Result<()> {
        if matches!(&error, Error::Database(Diesel::DatabaseError(kind, _)) if verdict::is_of_the_rows(kind)) {
            return self.set_aside(row, Verdict::Rejected, &reason(&error), Some(error));
        }
        // Its row can't be read back, and that of no other.
        if !matches!(&error, Error::Database(Diesel::DatabaseError(..))) {
            return self.set_aside(row, Verdict::Unfit, &reason(&error), Some(error));
        }
        let mut answer = self.ask(statement, &[row.change])?;
        if matches!(answer, Answer::NoValue(_)) {
            // Once may be by chance, as when somebody cancels what runs.
            answer = self.ask(statement, &[row.change])?;
        }
        match answer {
            // It goes well by now.
            Answer::Code(code, _) if code == "00000" => match self.attempt(statement, &[row.change]) {
                Ok(found) => {
                    self.written(&[row.change], &found);
                    Ok(())
                }
                Err(error) => self.set_aside(row, Verdict::Waits, &reason(&error), Some(error)),
            },
            Answer::Code(code, message) => self.set_aside(row, verdict::on_row(&code), &message, Some(error)),
            Answer::NoValue(error) => self.set_aside(row, Verdict::Rejected, &reason(&error), Some(error)),
            Answer::Nothing(error) => self.set_aside(row, Verdict::Waits, &reason(&error), Some(error)),
        }
    }

    /// Whether it is the rows that the database refuses, or the statement: then the same fails for no rows. An error if it is neither.
    fn refused(&mut self, statement: Statement<'_>, error: &Error) -> Result<Refused> {
        match error {
            Error::Database(Diesel::NotFound) => return Ok(Refused::Statement(Verdict::Unfit)),
            Error::Database(Diesel::DeserializationError(_)) => return Ok(Refused::Rows),
            Error::Database(Diesel::DatabaseError(kind, _)) if verdict::is_of_the_rows(kind) => {
                return Ok(Refused::Rows);
            }
            Error::Database(Diesel::DatabaseError(Kind::Unknown, _)) if !error.is_retryable() => {}
            _ => return Ok(Refused::Nothing),
        }
        match self.attempt(statement, &[]) {
            Ok(_) => Ok(Refused::Rows),
            Err(Error::Database(Diesel::DatabaseError(Kind::Unknown, _))) => {
                Ok(Refused::Statement(match self.ask(statement, &[])? {
                    Answer::Code(code, _) => verdict::on_statement(&code),
                    Answer::NoValue(_) => Verdict::Unfit,
                    Answer::Nothing(_) => Verdict::Waits,
                }))
            }
            Err(error) => Err(error),
        }
    }

    fn set_all_aside(&mut self, rows: &[Row<'_>], verdict: Verdict, error: Error) -> Result<()> {
        let (reason, mut error) = (reason(&error), Some(error));
        rows.iter().try_for_each(|row| self.set_aside(row, verdict, &reason, error.take()))
    }

    /// Does with a row's change what is to be done with it, each call's by itself. `error` is what a flush fails with that holds nothing.
    fn set_aside(&mut self, row: &Row<'_>, verdict: Verdict, reason: &str, error: Option<Error>) -> Result<()> {
        for (at, part) in row.parts.iter().enumerate() {
            let is_dead = match verdict {
                Verdict::Rejected => true,
                Verdict::Unfit => part.waited >= self.terms.gives_up_after,
                Verdict::Waits => false,
            };
            if is_dead {
                self.outcome.rejected.push(Rejected::of(part.change, reason));
                continue;
            }
            if !self.terms.holds {
                return Err(error.unwrap_or_else(|| Error::other(reason.to_owned())));
            }
            self.outcome.reason = Some(reason.to_owned());
            self.hold(&row.parts[at..]);
            break;
        }
        Ok(())
    }

    fn hold(&mut self, parts: &[Part<'_>]) {
        self.outcome.held.extend(parts.iter().map(|part| (part.frame, part.change.cell.clone())));
    }

    fn written(&mut self, changes: &[&Change], found: &[i64]) {
        self.outcome.n_rows += found.len() as u64;
        self.outcome.rejected.extend(missing(changes, found));
    }

    /// Sends a statement, and takes it back if it fails.
    fn attempt(&mut self, statement: Statement<'_>, changes: &[&Change]) -> Result<Vec<i64>> {
        self.bound_locks()?;
        let found = self.tx.savepoint(|tx| {
            let types = self.press.types(tx, statement.shape)?;
            let arrays = sources(statement.shape, &types, changes)?.into_iter().map(|source| source.array);
            let found = (statement.model.apply)(tx, statement.shape, arrays.collect())?;
            // What depends on these rows, too: at COMMIT it would fail for all.
            tx.apply_pending()?;
            Ok(found)
        });
        if found.is_err() {
            // A type that was made anew has another number.
            self.press.known_types().clear();
        }
        found
    }

    fn ask(&mut self, statement: Statement<'_>, changes: &[&Change]) -> Result<Answer> {
        self.bound_locks()?;
        let types = match self.tx.savepoint(|tx| self.press.types(tx, statement.shape)) {
            Ok(types) => types,
            Err(error @ Error::Database(Diesel::NotFound | Diesel::DatabaseError(Kind::Unknown, _))) => {
                return Ok(Answer::NoValue(error));
            }
            Err(error) => return Err(error),
        };
        verdict::ask(self.tx, (statement.model, statement.shape, &types), changes)
    }

    /// Has the next statement wait for locks as long as it may.
    fn bound_locks(&mut self) -> Result<()> {
        let at_most = if self.is_short { SHORT.min(self.terms.lock_wait) } else { self.terms.lock_wait };
        if self.lock_wait != Some(at_most) {
            self.tx.run(|connection| ledger::wait_for(connection, LockWait::AtMost(at_most)))?;
            self.lock_wait = Some(at_most);
        }
        Ok(())
    }
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
    lost.map(|(change, _)| {
        Rejected::of(change, "no row was changed: none has this key, or a trigger or policy keeps it")
    })
}

/// What the database said.
fn reason(error: &Error) -> String {
    match error {
        Error::Database(Diesel::NotFound) => "the database has no type that it is of".to_owned(),
        Error::Database(error) => error.to_string(),
        error => error.to_string(),
    }
}
