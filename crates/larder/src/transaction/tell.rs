//! Telling the store of a write before its COMMIT, or the outbox in its place.

use super::Tx;
use crate::{
    backend::{Backend, Outbox},
    effect::Effects,
    error::{Error, Result},
    failpoints::{Point, reach},
    handle::{Larder, TransactionOptions},
    layers::{Begun, Layers, Noted},
    store::CellKey,
};

/// How old values are kept from being served after COMMIT.
pub(super) enum Told {
    /// The store has marked the cells.
    Marked(Begun),
    /// Their keys are in the outbox, and this handle passes them by.
    Noted(Noted),
}

impl<DB: Backend> Tx<DB> {
    /// Marks the cells. If the store fails, it is tried once more; then the transaction is strict and must be rolled back, or its
    /// cells go into the outbox: at once, if nothing was heard of the store when it was asked just before.
    pub(super) fn tell(
        &self,
        larder: &Larder<DB>,
        layers: &Layers,
        (effects, keys): (&Effects, &[&CellKey]),
        options: TransactionOptions,
    ) -> Result<Told> {
        let wanted = || options.writes.unwrap_or_else(|| larder.policy().of(effects.wishes()));
        let ask_for_outbox = || larder.policy().outbox::<DB>(wanted(), |is_there| self.with_connection(is_there));
        // To others it is all the same whether a store was asked that is not there. To those who wait for the locked rows it is not.
        if layers.is_store_silent()
            && let Some(outbox) = ask_for_outbox()?
        {
            return self.note(larder, layers, keys, &outbox);
        }
        let first = match layers.begin(keys, effects.recall()) {
            Ok(begun) => return Ok(Told::Marked(begun)),
            Err(error) => error,
        };
        let outbox = ask_for_outbox()?;
        // A store that was too slow once would be again, and all the while rows are locked: only who has no other way waits for it.
        let error = if outbox.is_some() && first.is_timeout() {
            first
        } else {
            match layers.begin(keys, effects.recall()) {
                Ok(begun) => return Ok(Told::Marked(begun)),
                Err(error) => error,
            }
        };
        let Some(outbox) = outbox else { return Err(Error::Store(error)) };
        self.note(larder, layers, keys, &outbox)
    }

    /// Leaves the cells in the outbox, and has the handle pass them by.
    fn note(&self, larder: &Larder<DB>, layers: &Layers, keys: &[&CellKey], outbox: &Outbox<DB>) -> Result<Told> {
        reach(Point::BeforeOutbox);
        let added = self.with_connection(|connection| (outbox.add)(connection, keys));
        added.inspect_err(|_| larder.policy().outbox_failed())?;
        reach(Point::AfterOutbox);
        Ok(Told::Noted(layers.note(keys)))
    }
}
