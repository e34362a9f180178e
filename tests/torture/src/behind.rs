//! What actors do with amounts that are written later, and what is compared with the ledger.

use diesel::{ExpressionMethods as _, pg::Pg};
use larder::{
    Error as Refused, Larder,
    behind::{Error, Flusher, Result},
};
use shop_core::{Order, schema::orders};
use tests::money;

use crate::{
    act::{Act, Place},
    history::State,
    ledger::{Asked, Ledger, Moment},
    plan::Statement,
    rows::{Cast, Key, N_ORDERS, Value, cents},
    stage::{Show, Stage},
    tally::Fault,
};

/// Something that has to do with changes that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Later {
    /// Changes amounts of orders, all of which are acknowledged together.
    Change(Vec<Change>),
    /// Writes what waits to the database.
    Flush,
    /// Reads an order as it will be when all that waits is written.
    Find(usize),
}

/// A change of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Adds to that of an order what no other change adds.
    Add(usize),
    /// Sets that of an order to what no other change sets it to.
    Set(usize),
}

/// What came of it.
pub enum Done {
    /// So were changes answered.
    Changed(Vec<Asked>, Result<()>),
    /// So was a flush.
    Flushed(Result<u64>),
    /// So was a reader who asked for an order at a moment.
    Found(usize, Moment, Result<Option<Order>>),
}

impl Done {
    /// Whether it went well.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Changed(_, Ok(())) | Self::Flushed(Ok(_)) | Self::Found(_, _, Ok(_)))
    }
}

/// Does it.
pub fn act(stage: &Stage, me: usize, larder: &Larder<Pg>, cast: &Cast, later: &Later) -> Done {
    let orders = Order::repository(larder).behind();
    match later {
        Later::Change(changes) => {
            let process = stage.show().act.process_of(me);
            // Whoever comes while another one sends would wait for him off the stage.
            stage.step(me, Place::Statement(Statement::Send(process)));
            let mut batch = orders.batch();
            let mut asked = Vec::new();
            for change in changes {
                let added = match *change {
                    Change::Add(n) => {
                        let (number, cents) = stage.show().act.ledger.adds(n);
                        asked.push(number);
                        batch.increment(cast.order(n), orders::total_amount, money(cents))
                    }
                    Change::Set(n) => {
                        let (number, cents) = stage.show().act.ledger.sets(n);
                        asked.push(number);
                        batch.update(cast.order(n), orders::total_amount.eq(money(cents)))
                    }
                };
                if let Err(error) = added.map(drop) {
                    return Done::Changed(asked, Err(error));
                }
            }
            Done::Changed(asked, batch.send())
        }
        Later::Flush => Done::Flushed(Flusher::run_once(larder)),
        Later::Find(n) => {
            let moment = stage.show().act.ledger.moment();
            Done::Found(*n, moment, orders.find(cast.order(*n)))
        }
    }
}

impl Act {
    /// Compares what came of it with what callers were told before, and with what the database was since.
    pub fn judge_later(&mut self, me: usize, begin: usize, done: Done) {
        let verdict = match done {
            Done::Changed(asked, result) => {
                self.note(me, |_| format!("has changed {asked:?}: {result:?}"));
                self.tally.changes += asked.len() as u64;
                match result {
                    Ok(()) => {
                        self.tally.written_through += u64::from(self.slots[me].is_direct);
                        self.tally.acknowledged += asked.len() as u64;
                        self.ledger.acknowledged(&asked);
                        Ok(())
                    }
                    Err(Error::Unknown(_)) if self.has_buffer_failed() => Ok(()),
                    Err(Error::Away(_) | Error::Full { .. }) => {
                        self.tally.refused += asked.len() as u64;
                        self.ledger.denied(&asked)
                    }
                    // Written through: it has happened, or will, or not.
                    Err(Error::Database(error)) if matches!(*error, Refused::CommitUnknown(_)) => {
                        self.failure_of_transaction(&error)
                    }
                    Err(Error::Database(error)) => {
                        self.ledger.denied(&asked).and_then(|()| self.failure_of_transaction(&error))
                    }
                    Err(error) => Err(format!("changes {asked:?} were not taken: {error:?}")),
                }
            }
            Done::Flushed(result) => {
                self.note(me, |_| format!("has flushed: {}", in_words(&result)));
                if result.is_ok() {
                    self.raise_committed(me);
                }
                self.failure_of(&result)
            }
            Done::Found(row, since, result) => {
                self.note(me, |_| format!("has found {}", in_words(&result)));
                match &result {
                    Ok(Some(order)) => self.judge_found(row, begin, since, order),
                    Ok(None) => Err(format!("order {row} is not found")),
                    Err(_) => self.failure_of(&result),
                }
            }
        };
        if let Err(what) = verdict {
            self.is_wrong(format!("actor {me}: {what}"));
        }
    }

    /// What is wrong with a failure, if anything is.
    fn failure_of<T>(&self, result: &Result<T>) -> std::result::Result<(), String> {
        match result {
            Ok(_) => Ok(()),
            Err(Error::Unread(_)) if self.has_buffer_failed() => Ok(()),
            Err(Error::Database(error)) => self.failure_of_transaction(error),
            Err(error) => Err(format!("the buffer failed, and nothing was wrong with it: {error:?}")),
        }
    }

    /// What is wrong with the failure of a transaction that nobody gave up, if anything is.
    pub fn failure_of_transaction(&self, error: &Refused) -> std::result::Result<(), String> {
        let is_store = matches!(error, Refused::Store { .. }) && self.tally.n_faults() > 0;
        let is_unknown = matches!(error, Refused::CommitUnknown(_)) && (self.plan.proxied || self.has_ended_sessions);
        let is_ended = matches!(error, Refused::Database(_)) && (self.has_ended_sessions || self.plan.proxied);
        if is_store || is_unknown || is_ended { Ok(()) } else { Err(format!("could not write: {error:?}")) }
    }

    /// Whether something happened on the way to the buffer, or to its server.
    fn has_buffer_failed(&self) -> bool {
        [Fault::Lost, Fault::NoAnswer, Fault::Delayed, Fault::RestartAsIs]
            .iter()
            .any(|fault| self.tally.faults.contains_key(fault))
    }

    /// A row with what waits is one that the database had, but for the amount; and that has all that was acknowledged.
    fn judge_found(
        &mut self,
        row: usize,
        begin: usize,
        since: Moment,
        order: &Order,
    ) -> std::result::Result<(), String> {
        let amount = cents(order);
        self.tally.found += 1;
        let is_from = |state: &State| match state.value(&Key::Order(order.id)) {
            Value::Order(Some(was)) => {
                let before = cents(&was);
                Order { total_amount: order.total_amount.clone(), ..was } == *order && Ledger::includes(amount, before)
            }
            _ => false,
        };
        if !self.history.any_since(begin, is_from) {
            return Err(format!("found order {row} as it was at no moment of the call: {order:?}"));
        }
        self.ledger.found(row, amount, since)
    }
}

impl Show {
    /// Compares the amounts that the database has with what callers were told.
    pub fn look_at_amounts(&mut self, is_end: bool) {
        for row in 0..N_ORDERS {
            let order = Key::Order(self.act.cast.order(row));
            let Value::Order(Some(order)) = self.act.history.now().value(&order) else { continue };
            let ledger = &mut self.act.ledger;
            let verdict = if is_end { ledger.close(row, cents(&order)) } else { ledger.look(row, cents(&order)) };
            if let Err(what) = verdict {
                self.act.is_wrong(what);
            }
        }
    }
}

/// How a client hears that its session has ended depends on which message is there first.
fn in_words<T: std::fmt::Debug>(result: &Result<T>) -> String {
    use diesel::result::{DatabaseErrorKind::ClosedConnection, Error::DatabaseError};
    match result {
        Err(Error::Database(error)) if matches!(**error, Refused::Database(DatabaseError(ClosedConnection, _))) => {
            "the session has ended".to_owned()
        }
        result => format!("{result:?}"),
    }
}
