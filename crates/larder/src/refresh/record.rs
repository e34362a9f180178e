//! What all refreshers of a view know of its last refresh, whichever of them has done it.

use std::time::{Duration, Instant};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    pg::Pg,
    result::QueryResult,
    sql_query,
    sql_types::{BigInt, Bool, Integer, Text},
};
use serde::{Deserialize, Serialize};

use super::refresher::Job;
use crate::{queries::Aside, store::Nonce};

/// What such values are called in the store.
const NAME: &str = "larder refreshes";

/// For how long a refresh is remembered. Without one, the view is refreshed when somebody comes to lead.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The view as it is now, by the clock of the database, which is the same for all.
const VIEW: &str = "
    SELECT oid::int4 AS number, relispopulated AS is_populated,
           (extract(epoch FROM clock_timestamp()) * 1000000)::int8 AS now
    FROM pg_class
    WHERE oid = CAST($1 AS regclass)";

/// A view as the database has it at a moment.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(super) struct View {
    /// A view that is made anew has another number.
    #[diesel(sql_type = Integer)]
    pub(super) number: i32,
    #[diesel(sql_type = Bool)]
    pub(super) is_populated: bool,
    /// In microseconds since 1970.
    #[diesel(sql_type = BigInt)]
    pub(super) now: i64,
}

impl View {
    /// Looks a view up by its name in SQL, along the `search_path` unless that has its schema.
    pub(super) fn find(name: &str, connection: &mut PgConnection) -> QueryResult<Self> {
        sql_query(VIEW).bind::<Text, _>(name).get_result(connection)
    }
}

/// The last refresh of a view.
#[derive(Debug, Clone, Default)]
pub(super) struct Last {
    /// The view that was refreshed.
    number: Option<i32>,
    /// What the tables were before the view's query ran: if it could not be told, nothing is known.
    pub(super) known: Option<Vec<Nonce>>,
    began: Option<Began>,
}

/// When something began, which may have been before this machine was started.
#[derive(Debug, Clone, Copy)]
struct Began {
    seen: Instant,
    age: Duration,
}

impl Last {
    /// A refresh that this process has done.
    pub(super) fn begun(number: i32, seen: Instant, known: Option<Vec<Nonce>>) -> Self {
        Self { number: Some(number), known, began: Some(Began { seen, age: Duration::ZERO }) }
    }

    /// How long ago it began: `None` if none is known of.
    pub(super) fn age(&self) -> Option<Duration> {
        self.began.map(|Began { seen, age }| age + seen.elapsed())
    }
}

/// A refresh as the others are told of it.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// When it began, in microseconds since 1970 by the database's clock.
    began: i64,
    stamps: Vec<[u8; 16]>,
}

impl Job {
    /// The last refresh that is known of this very view, if that has rows: this process's own, or what another one has told since.
    pub(super) fn recall(&self, view: View, own: Last) -> Last {
        let own = if own.number == Some(view.number) { own } else { Last::default() };
        if !view.is_populated {
            return Last::default();
        }
        let Some(Record { began, stamps }) = self.records().get(&self.key(view.number)) else { return own };
        // A clock that was set back makes nothing younger than new.
        let age = Duration::from_micros(u64::try_from(view.now.saturating_sub(began)).unwrap_or(0));
        if own.age().is_some_and(|own| own <= age) {
            return own;
        }
        let began = Some(Began { seen: Instant::now(), age });
        Last { number: Some(view.number), known: Some(stamps.into_iter().map(Nonce::from_bytes).collect()), began }
    }

    /// Tells the others of a refresh that began when the view was looked at. Two round trips; what the store does not take, nobody is told of.
    pub(super) fn record(&self, view: View, last: &Last) {
        let Some(known) = &last.known else { return };
        let record = Record { began: view.now, stamps: known.iter().map(|stamp| *stamp.as_bytes()).collect() };
        if let Err(error) = self.records().put(&self.key(view.number), &record) {
            tracing::debug!(view = self.name, %error, "other refreshers are not told of a refresh");
        }
    }

    fn records(&self) -> Aside<'_, Pg, Key, Record> {
        self.larder.aside(NAME).ttl(KEPT)
    }

    /// Which view, and which tables its stamps are of.
    fn key(&self, number: i32) -> Key {
        let tables = self.depends_on.iter().map(|cell| cell.as_bytes().to_vec()).collect();
        (self.view.clone(), number, tables)
    }
}

type Key = (String, i32, Vec<Vec<u8>>);
