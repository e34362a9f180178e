//! One stream of the log, from when it is granted until it breaks.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use diesel::PgConnection;
use larder::store::Nonce;
use pgwire_replication::{Lsn, PgWireError, ReplicationClient, ReplicationEvent};
use tokio::{runtime::Runtime, time::timeout};

use super::Work;
use crate::{
    Error,
    apply::apply,
    changes::{Announced, Changes, Tables},
    pgoutput::{Message, Relation, table_of_row},
    slot,
    status::since,
};

/// How many transactions are settled together, if so many are waiting.
const MAX_TRANSACTIONS: usize = 256;
/// How long to wait for the log before looking whether to end.
const WAIT: Duration = Duration::from_millis(50);
/// How often to look at the slot.
const LOOK: Duration = Duration::from_secs(1);
/// The prefix of the messages in which larder announces its writes.
const PREFIX: &str = "larder";

pub(super) struct Stream<'a> {
    work: &'a Work,
    runtime: &'a Runtime,
    connection: PgConnection,
    client: ReplicationClient,
    /// The models by the numbers of their tables.
    models: HashMap<u32, usize>,
    tables: Tables,
    /// The transaction that is being read.
    current: Option<Changes>,
    read: Vec<Read>,
    looked: Instant,
}

/// A transaction that was read to its end.
struct Read {
    changes: Changes,
    end: Lsn,
    committed: i64,
}

impl<'a> Stream<'a> {
    /// Has the log streamed from where the slot's last reader was done with it.
    pub(super) fn open(work: &'a Work, runtime: &'a Runtime, connection: PgConnection) -> Result<Self, Error> {
        let config = work.source.replication(&work.slot, &work.publication);
        let client = runtime.block_on(async {
            let mut client = ReplicationClient::connect(config).await?;
            client.wait_started().await?;
            Ok::<_, PgWireError>(client)
        })?;
        let mut stream = Self {
            work,
            runtime,
            connection,
            client,
            models: HashMap::new(),
            tables: Tables::default(),
            current: None,
            read: Vec::new(),
            looked: Instant::now(),
        };
        stream.number_tables()?;
        stream.look()?;
        work.status.change(|status| {
            status.is_following = true;
            status.last_error = None;
        });
        Ok(stream)
    }

    /// Follows until it is stopped or something breaks.
    pub(super) fn follow(mut self) -> Result<(), Error> {
        loop {
            // Also where there is always something to read: what was not settled is sent again to whoever follows next.
            if self.work.is_stopped(Duration::ZERO) {
                // The slot is free for others at once, and knows how far this one was.
                let client = &mut self.client;
                return Ok(self.runtime.block_on(client.shutdown())?);
            }
            // What is there already is read before anything is settled: many transactions cost little more than one.
            let wait = if self.read.is_empty() { WAIT } else { Duration::ZERO };
            let client = &mut self.client;
            match self.runtime.block_on(async { timeout(wait, client.recv()).await }) {
                Ok(event) => {
                    let ended = || PgWireError::Protocol("the stream has ended".to_owned());
                    self.take(event?.ok_or_else(ended)?)?;
                }
                Err(_) if !self.read.is_empty() => self.settle()?,
                Err(_) => {}
            }
            if self.looked.elapsed() > LOOK {
                self.look()?;
            }
        }
    }

    fn take(&mut self, event: ReplicationEvent) -> Result<(), Error> {
        match event {
            ReplicationEvent::Begin { .. } => self.current = Some(Changes::default()),
            ReplicationEvent::XLogData { data, .. } => {
                // Of a million rows most add nothing to what is known.
                if let (Some(changes), Some(table)) = (&self.current, table_of_row(&data))
                    && changes.may_be_any(table, &self.tables)
                {
                    return Ok(());
                }
                let message = Message::parse(data)?;
                if let Message::Relation(relation) = &message {
                    self.describe(relation)?;
                }
                if let Some(changes) = &mut self.current {
                    changes.note(&message, &self.tables)?;
                }
            }
            ReplicationEvent::Message { transactional: true, prefix, content, .. } if prefix == PREFIX => {
                let nonce = <[u8; 16]>::try_from(&content[..]).ok().map(Nonce::from_bytes);
                if let (Some(changes), Some(nonce)) = (&mut self.current, nonce) {
                    changes.announced = Announced::Larder(nonce);
                }
            }
            ReplicationEvent::Commit { end_lsn, commit_time_micros, .. } => {
                let changes = self.current.take().unwrap_or_default();
                self.read.push(Read { changes, end: end_lsn, committed: commit_time_micros });
                if self.read.len() >= MAX_TRANSACTIONS {
                    self.settle()?;
                }
            }
            // What the server has sent until here is nothing of the models': the log of other tables and databases.
            ReplicationEvent::KeepAlive { wal_end, .. } if self.current.is_none() && self.read.is_empty() => {
                self.client.update_applied_lsn(wal_end);
            }
            _ => {}
        }
        Ok(())
    }

    fn describe(&mut self, relation: &Relation) -> Result<(), Error> {
        if !self.models.contains_key(&relation.table) {
            // It may have been made since.
            self.number_tables()?;
        }
        match self.models.get(&relation.table) {
            Some(model) => self.tables.describe(relation, *model, &self.work.watched[*model]),
            None => self.tables.forget(relation.table),
        }
        Ok(())
    }

    fn number_tables(&mut self) -> Result<(), Error> {
        let numbers = slot::tables(&mut self.connection, &self.work.watched)?;
        self.models = numbers.into_iter().enumerate().filter_map(|(model, number)| Some((number?, model))).collect();
        Ok(())
    }

    /// Settles what was read, and only then lets the server forget it.
    fn settle(&mut self) -> Result<(), Error> {
        let mut read = std::mem::take(&mut self.read).into_iter().peekable();
        while let Some(Read { mut changes, mut end, mut committed }) = read.next() {
            let mut n_transactions = u64::from(!changes.is_empty());
            let oldest = committed;
            while changes.announced == Announced::Nobody
                && let Some(next) = read.next_if(|next| next.changes.announced == Announced::Nobody)
            {
                n_transactions += u64::from(!next.changes.is_empty());
                changes.extend(next.changes);
                (end, committed) = (next.end, next.committed);
            }
            let Work { models, watched, store, .. } = self.work;
            let n_cells = apply(&changes, models, watched, &mut self.connection, store.as_ref())?;
            self.client.update_applied_lsn(end);
            self.work.status.change(|status| {
                status.n_transactions += n_transactions;
                status.n_cells += n_cells as u64;
                if n_transactions > 0 {
                    status.last_lag = Some(since(oldest.min(committed)));
                }
            });
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Error> {
        self.looked = Instant::now();
        let slot = slot::find(&mut self.connection, &self.work.slot)?;
        let retained = slot.and_then(|slot| u64::try_from(slot.retained_bytes).ok());
        self.work.status.change(|status| status.retained_bytes = retained);
        Ok(())
    }
}
