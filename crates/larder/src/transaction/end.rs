//! How a transaction ends: by its COMMIT, by a ROLLBACK, or by the database itself.
//!
//! | what happens | what is certain | what the caller is told |
//! | --- | --- | --- |
//! | COMMIT succeeds | committed | the value of `work` |
//! | COMMIT is refused (a deferred foreign key), and the transaction is still the one that was begun | rolled back | `Database` |
//! | COMMIT's answer is lost | nothing | `CommitUnknown` |
//! | COMMIT finds another transaction than was begun, or none: a statement in `Tx::run` had committed it or rolled it back | nothing: what came after that statement was committed by itself | `CommitUnknown` |
//! | a statement of larder's own makes the database end it: a deadlock, `RAISE(ROLLBACK)`, a full disk | rolled back: nothing is sent any more | that error, or `Doomed` if `work` swallows it |
//! | a statement in `Tx::run` ends or commits it, and it is seen when that returns | nothing, since more may have been sent in it; nothing is sent any more | `CommitUnknown` |
//! | a savepoint is gone when it is to be released or rolled back to | nothing; nothing is sent any more | the same |
//! | `work` returns an error, or panics | rolled back, unless it was over before | that error; but `CommitUnknown` where it was over, and the error would invite to repeat it all. `tracing` is told of the other thing |
//!
//! MySQL and SQLite, where this can happen, set a savepoint when they begin; only where it is still there the transaction is the one that was begun. Whatever
//! may have been committed by itself is taken out of the caches, and the token of a scope sees it.

use std::num::NonZeroU32;

use diesel::{
    connection::TransactionManager,
    r2d2::{ConnectionManager, PooledConnection},
};

use super::{Frame, Tx};
use crate::{
    backend::{self, Backend, Manager},
    effect::Effects,
    error::{Error, Result},
    failpoints::{Point, reach},
    handle::Larder,
    store::Nonce,
    token::Token,
};

/// Whether the database has ended a transaction by itself, at an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Not that anybody knows.
    Open,
    /// At a statement of larder's own, and nothing was sent after it.
    Known,
    /// Somewhere in what the caller has run, or before a savepoint was found to be gone: there may have been statements after it.
    Unknown,
}

impl<DB: Backend> Tx<DB> {
    /// Sends COMMIT and gives the connection back.
    pub(super) fn send_commit(self, announced: Option<Nonce>) -> Result<(), Failure> {
        let mut connection = self.connection.into_inner();
        reach(Point::BeforeCommit);
        let committed = DB::commit(&mut connection, announced);
        reach(Point::AfterCommit);
        let Err(error) = committed else { return Ok(()) };
        // What the database answered, it has decided. Only where the answer itself was lost is there a doubt.
        let RolledBack { is_answered, was_whole } = roll_back::<DB>(&mut connection);
        let certain = is_answered && was_whole && !backend::is_broken::<DB>(&mut connection);
        let error = if certain { Error::Database(error) } else { Error::CommitUnknown(error) };
        Err(Failure { error, certain })
    }

    pub(super) fn put_back(&self, effects: Effects) {
        self.frames.borrow_mut().push(Frame { effects, ..Frame::default() });
    }

    /// Rolls back, and tells of what may have been committed nevertheless: whether nothing was.
    pub(super) fn roll_back(self, larder: &Larder<DB>, token: &mut Token) -> bool {
        let effects = self.frames.take().into_iter().map(|frame| frame.effects).reduce(|mut outer, inner| {
            outer.merge(inner);
            outer
        });
        if self.end_by_rollback() {
            return true;
        }
        tracing::warn!(
            "a transaction was over before it was rolled back: statements may have been committed by themselves"
        );
        let Some(effects) = effects.filter(|effects| !effects.is_empty()) else { return false };
        *token = token.and(Token::of_unmarked());
        if let Some(layers) = larder.layers() {
            let keys = effects.keys();
            layers.committed_without_markers(layers.note(&keys));
            layers.drop_near(&keys);
        }
        false
    }

    /// Rolls back: whether nothing of the transaction can have been committed.
    pub(super) fn end_by_rollback(self) -> bool {
        let is_certain = self.end.get() == End::Known;
        let mut connection = self.connection.into_inner();
        roll_back::<DB>(&mut connection).was_whole || is_certain
    }
}

/// A COMMIT that did not succeed: whether it is certain that it did not happen.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) certain: bool,
}

/// How many transactions are open in each other: `None` if that is not known any more.
pub(super) fn depth<DB: Backend>(connection: &mut DB::Connection) -> Option<u32> {
    let status = Manager::<DB>::transaction_manager_status_mut(connection).transaction_depth().ok()?;
    Some(status.map_or(0, NonZeroU32::get))
}

/// What came of a ROLLBACK.
struct RolledBack {
    /// Whether the database has answered. If not, it rolls back by itself, and the connection is thrown away by its pool.
    is_answered: bool,
    /// Whether the transaction was still the one that had begun, and so nothing of it was committed.
    was_whole: bool,
}

/// Rolls back what may still be open.
fn roll_back<DB: Backend>(connection: &mut PooledConnection<ConnectionManager<DB::Connection>>) -> RolledBack {
    let connection: &mut DB::Connection = connection;
    let mut was_whole = true;
    while let Ok(depth) = Manager::<DB>::transaction_manager_status_mut(connection).transaction_depth() {
        let Some(depth) = depth else { return RolledBack { is_answered: true, was_whole } };
        if depth == NonZeroU32::MIN {
            was_whole = DB::is_whole(connection);
        }
        // Diesel takes a savepoint that can't be rolled back for gone, and the transaction around it still can be.
        if Manager::<DB>::rollback_transaction(connection).is_err() && depth == NonZeroU32::MIN {
            break;
        }
    }
    RolledBack { is_answered: false, was_whole }
}
