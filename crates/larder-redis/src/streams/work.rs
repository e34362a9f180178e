use std::{fmt, sync::Arc};

use larder::store::StoreError;
use redis::Value;

use super::Shared;
use crate::{error::from_server, pack::Reason, request::Request};

/// What a consumer is given.
#[derive(Debug)]
pub enum Work<T> {
    /// A message.
    Delivery(Delivery<T>),
    /// So many messages have gone that the group has not had, or that nobody has acknowledged: they were too many, or too old.
    ///
    /// Each consumer of the group is told of what goes while it is there; of what had gone before, and nobody was told of, whoever comes next.
    Lost {
        /// How many.
        n_messages: u64,
    },
    /// A message that is no `T`: another release has sent it. It is delivered again, and put aside if nobody can read it.
    Unreadable {
        /// Its number.
        number: u64,
        /// How often it was delivered, with this time.
        n_deliveries: u32,
        /// What is wrong with it.
        reason: Reason,
    },
}

/// A message to work on. One that is not [acknowledged](Self::ack) is delivered again, be it dropped or its consumer dead.
pub struct Delivery<T> {
    /// What was sent.
    pub message: T,
    /// Its number in the stream: the same each time that it is delivered, to every group. Whoever must not do something twice remembers it.
    pub number: u64,
    /// How often it was delivered to the group, with this time.
    pub n_deliveries: u32,
    pub(super) shared: Arc<Shared>,
    pub(super) group: Arc<str>,
    pub(super) id: Vec<u8>,
}

impl<T> Delivery<T> {
    /// Says that the work is done: `false` if that was said before, or the message was put aside meanwhile.
    ///
    /// It counts for the group, whoever has the message by then.
    ///
    /// # Errors
    /// If Redis can't be reached, did not answer in time, or refused. Say it again, or the message comes again.
    pub fn ack(&self) -> Result<bool, StoreError> {
        let mut request = Request::default();
        request.command(4).arg(&[b"XACK"]).arg(&[&self.shared.keys.entries]).arg(&[self.group.as_bytes()]);
        request.arg(&[&self.id]);
        self.shared.pool.with_link(|link| match link.call(&request)?.pop() {
            Some(Value::Int(n)) => Ok(n > 0),
            Some(Value::ServerError(error)) => Err(from_server(&error)),
            _ => Err(link.refuse("XACK answers with a number")),
        })
    }
}

impl<T: fmt::Debug> fmt::Debug for Delivery<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Delivery");
        debug.field("message", &self.message).field("number", &self.number);
        debug.field("n_deliveries", &self.n_deliveries).finish_non_exhaustive()
    }
}
