//! What a lane plays with: its servers, and ways to them that the actors don't have.

use std::{cell::Cell as Place, collections::BTreeSet, sync::Arc, time::Duration};

use diesel::{
    ExpressionMethods as _, PgConnection, QueryDsl as _, QueryResult, RunQueryDsl as _, pg::Pg, sql_query, sql_types,
};
use larder::{
    Larder,
    behind::Flusher,
    buffer::Buffer,
    relay::Relay,
    store::{
        self, Cell, CellKey, Ending, Fill, Layout, Lease, ManualClock, Nonce, Position, Recall, Store, StoreError,
        Vacancy,
    },
};
use larder_redis::RedisStore;
use shop_core::{Order, Status, User, UserStats};
use tests::{OwnRedis, eventually};
use uuid::Uuid;

use crate::{
    books::{Line, Sheet, SheetTotals},
    cells::Cells,
    line::{Ear, Time},
    proxy::Proxy,
    rows::{Key, Value},
    trees::{Case, Found, Maker, Part, Rack, Room, RoomTree, racks},
};

/// Only a store that does not find its server again waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than any handle of a lane holds its markers.
pub const QUARANTINE: Duration = Duration::from_secs(120);

/// What a probe can rely on.
const EXPECTED: &str = "what is in a cell needs no database";

thread_local! {
    /// Whether this thread looks around, and does not come to places while it does.
    static LOOKS: Place<bool> = const { Place::new(false) };
}

/// Whether this thread looks around, and is not to stop anywhere.
#[must_use]
pub fn is_looking() -> bool {
    LOOKS.get()
}

/// The servers of a lane, and ways to them.
pub struct Tools {
    /// Sees what the database has.
    pub eyes: PgConnection,
    /// Sees and changes what Redis has.
    pub cells: Cells,
    /// The server itself.
    pub redis: OwnRedis,
    /// The store of each process, without the wire.
    pub stores: Vec<Arc<dyn Store>>,
    /// The buffer of each process, without the pipe.
    pub buffers: Vec<Arc<dyn Buffer>>,
    /// Writes what waits when all is over.
    pub flusher: Larder<Pg>,
    /// Before the database, one a process.
    pub proxies: Vec<Proxy>,
    /// What the near caches go by.
    pub time: Time,
    /// Hears what is published.
    pub ear: Ear,
    /// What the quarantines go by.
    pub clock: ManualClock,
    /// Reads what the cells serve.
    pub probe: Probe,
}

impl Tools {
    /// Ends the sessions of a process that are in a transaction, and waits until they are ended: whether there were any.
    ///
    /// Those that idle in a pool are left alone: how many there are depends on earlier schedules.
    pub fn end_sessions(&mut self, process: usize) -> bool {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = sql_types::BigInt)]
            n: i64,
        }
        let counted: QueryResult<Count> = sql_query(
            "SELECT count(pg_terminate_backend(pid, 5000)) AS n FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = $1 AND state LIKE 'idle in transaction%'",
        )
        .bind::<sql_types::Text, _>(session_name(process))
        .get_result(&mut self.eyes);
        counted.expect("sessions can be ended").n > 0
    }

    /// Whether any of these racks is locked by somebody, or is not there.
    pub fn is_any_locked(&mut self, ids: &[Uuid]) -> bool {
        let ids: BTreeSet<Uuid> = ids.iter().copied().collect();
        let free = racks::table.filter(racks::id.eq_any(&ids)).for_no_key_update().skip_locked();
        free.execute(&mut self.eyes).expect("the database can be asked") < ids.len()
    }

    /// Kills Redis and starts it again, with what its last snapshot has. Returns when every process has met it: how long a pool takes to
    /// find out is not the seed's to say.
    pub fn restart_redis(&mut self) {
        self.redis.kill();
        self.redis.restart();
        self.cells.reconnect().expect("redis is there again");
        self.meet();
    }

    /// Makes sure that every process has met the server that is there now.
    pub fn meet(&self) {
        let key = [CellKey::new(*b"none", Layout::new(0))];
        for store in self.stores.iter().chain([&self.probe.store]) {
            eventually(PATIENCE, || store.read(&key).is_ok());
        }
        for buffer in &self.buffers {
            eventually(PATIENCE, || buffer.backlog().is_ok());
        }
        eventually(PATIENCE, || self.flusher.backlog().is_ok());
    }

    /// Lets more time pass than markers are held.
    pub fn pass_quarantine(&mut self) {
        self.clock.advance(QUARANTINE);
    }

    /// Empties the buffer, unwritten: what is there is of another schedule.
    pub fn empty_buffer(&self) {
        let buffer = &self.buffers[0];
        loop {
            let entries = buffer.read(256, None).expect("redis can be read");
            if entries.is_empty() {
                return;
            }
            let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
            buffer.remove(&ids).expect("redis takes orders");
        }
    }

    /// Writes what waits, past all faults.
    pub fn flush(&self) {
        Flusher::run_once(&self.flusher).expect("nothing is wrong any more");
    }

    /// Settles what a refresh has left in the outbox, past all faults.
    pub fn relay(&self) {
        let relay = Relay::builder(&self.flusher).build().expect("the handle has a store");
        relay.run_once().expect("nothing is wrong any more");
    }

    /// What cells serve: only those that serve something.
    pub fn served(&mut self, keys: &[CellKey]) -> Vec<(Key, Value)> {
        LOOKS.set(true);
        let served = self.probe.served(keys);
        LOOKS.set(false);
        served
    }
}

/// By what the sessions of a process are known.
#[must_use]
pub fn session_name(process: usize) -> String {
    format!("process-{process}")
}

/// A handle that reads cells and never touches them.
pub struct Probe {
    larder: Larder<Pg>,
    store: Arc<dyn Store>,
}

impl Probe {
    /// A probe of the cells of a store, on a pool that it hardly needs.
    #[must_use]
    pub fn new(larder: impl FnOnce(Arc<dyn Store>) -> Larder<Pg>, store: Arc<dyn Store>) -> Self {
        Self { larder: larder(Arc::new(HandsOff(Arc::clone(&store)))), store }
    }

    fn served(&self, keys: &[CellKey]) -> Vec<(Key, Value)> {
        if keys.is_empty() {
            return Vec::new();
        }
        let cells = self.store.read(keys).expect("redis can be read");
        let values = keys.iter().zip(&cells).filter_map(|(key, cell)| match cell {
            Cell::Value(bytes) => Some((key_of(key)?, bytes)),
            _ => None,
        });
        let mut served: Vec<(Key, Value)> = Vec::new();
        let mut parts_of_trees = vec![];
        let (mut sheets, mut totals, mut lines, mut stats) = (vec![], vec![], vec![], vec![]);
        let (mut users, mut emails, mut orders, mut lists, mut parts) = (vec![], vec![], vec![], vec![], vec![]);
        for (key, bytes) in values {
            match key {
                Key::Part(Part::Tree(_)) if !self.is_whole(bytes) => {}
                Key::User(id) => users.push(id),
                Key::Email(email) => emails.push(email),
                Key::Order(id) => orders.push(id),
                Key::OrdersOf(id) => lists.push(id),
                Key::OrdersIn(id, status) => parts.push((id, status)),
                Key::Sheet(id) => sheets.push(id),
                Key::Totals(id) => totals.push(id),
                Key::LinesOf(id) => lines.push(id),
                Key::Stats(id) => stats.push(id),
                Key::Part(part) => parts_of_trees.push(part),
                // No cell has them all.
                Key::Orders => {}
            }
        }
        served.extend(self.served_books(sheets, totals, lines));
        served.extend(parts_of_trees.into_iter().map(|part| self.served_part(part)));
        if !stats.is_empty() {
            let found = UserStats::repository(&self.larder).find_many(&stats).expect(EXPECTED);
            served.extend(stats.into_iter().map(Key::Stats).zip(found.into_iter().map(Value::Stats)));
        }
        let (user, order) = (User::repository(&self.larder), Order::repository(&self.larder));
        if !users.is_empty() {
            let found = user.find_many(&users).expect(EXPECTED);
            served.extend(users.into_iter().map(Key::User).zip(found.into_iter().map(Value::User)));
        }
        if !emails.is_empty() {
            let found = user.find_by_email_many(&emails).expect(EXPECTED);
            served.extend(emails.into_iter().map(Key::Email).zip(found.into_iter().map(Value::User)));
        }
        if !orders.is_empty() {
            let found = order.find_many(&orders).expect(EXPECTED);
            served.extend(orders.into_iter().map(Key::Order).zip(found.into_iter().map(Value::Order)));
        }
        if !lists.is_empty() {
            let found = order.list_by_user_id_many(&lists).expect(EXPECTED);
            served.extend(lists.into_iter().map(Key::OrdersOf).zip(found.into_iter().map(Value::Orders)));
        }
        if !parts.is_empty() {
            let found = order.list_by_user_id_and_status_many(&parts).expect(EXPECTED);
            let keys = parts.into_iter().map(|(id, status)| Key::OrdersIn(id, status));
            served.extend(keys.zip(found.into_iter().map(Value::Orders)));
        }
        served
    }
}

impl Probe {
    fn served_books(&self, sheets: Vec<Uuid>, totals: Vec<Uuid>, lines: Vec<Uuid>) -> Vec<(Key, Value)> {
        let mut served = Vec::new();
        if !sheets.is_empty() {
            let found = Sheet::repository(&self.larder).find_many(&sheets).expect(EXPECTED);
            served.extend(sheets.into_iter().map(Key::Sheet).zip(found.into_iter().map(Value::Sheet)));
        }
        if !totals.is_empty() {
            let found = SheetTotals::repository(&self.larder).find_many(&totals).expect(EXPECTED);
            served.extend(totals.into_iter().map(Key::Totals).zip(found.into_iter().map(Value::Totals)));
        }
        if !lines.is_empty() {
            let found = Line::repository(&self.larder).list_by_sheet_id_many(&lines).expect(EXPECTED);
            served.extend(lines.into_iter().map(Key::LinesOf).zip(found.into_iter().map(Value::Lines)));
        }
        served
    }
}

impl Probe {
    /// What the cell of a tree serves, and those of its rows.
    fn served_part(&self, part: Part) -> (Key, Value) {
        let larder = &self.larder;
        let found = match part {
            Part::Tree(id) => Found::Tree(Room::repository(larder).select::<RoomTree>().find(id).expect(EXPECTED)),
            Part::Room(id) => Found::Room(Room::repository(larder).find(id).expect(EXPECTED)),
            Part::Racks(id) => Found::Racks(Rack::repository(larder).list_by_room_id(id).load().expect(EXPECTED)),
            Part::Cases(id) => Found::Cases(Case::repository(larder).list_by_rack_id(id).load().expect(EXPECTED)),
            Part::Maker(id) => Found::Maker(Maker::repository(larder).find(id).expect(EXPECTED)),
        };
        (Key::Part(part), Value::Part(found))
    }

    /// Whether what lies in the cell of a tree is all of it, and was put there under the stamp that the view's version has.
    fn is_whole(&self, bytes: &[u8]) -> bool {
        let version = CellKey::new(*b"rooms:@RoomTree", Layout::STAMP);
        let (_, stamps) = self.store.read_stamped(&[], &[version]).expect("redis can be read");
        // Behind the stamp stands what it is: no tree, a tree, or that it was too large.
        let is_all = bytes.get(16).is_some_and(|kind| *kind < 2);
        is_all && stamps[0].is_some_and(|stamp| bytes.starts_with(stamp.as_bytes()))
    }
}

/// What a cell is about.
#[must_use]
pub fn key_of(cell: &CellKey) -> Option<Key> {
    let text = str::from_utf8(cell.as_bytes()).ok()?;
    let (table, rest) = text.split_once(':')?;
    let (columns, value) = rest.split_once(':')?;
    let part = |part: fn(Uuid) -> Part| value.parse().ok().map(part).map(Key::Part);
    match (table, columns) {
        ("rooms", "@RoomTree") => part(Part::Tree),
        ("rooms", "id") => part(Part::Room),
        ("racks", "room_id") => part(Part::Racks),
        ("cases", "rack_id") => part(Part::Cases),
        ("makers", "id") => part(Part::Maker),
        ("sheets", "id") => value.parse().ok().map(Key::Sheet),
        ("sheet_totals", "sheet_id") => value.parse().ok().map(Key::Totals),
        ("lines", "sheet_id") => value.parse().ok().map(Key::LinesOf),
        ("user_stats", "user_id") => value.parse().ok().map(Key::Stats),
        ("users", "id") => value.parse().ok().map(Key::User),
        ("users", "email") => Some(Key::Email(value.to_owned())),
        ("orders", "id") => value.parse().ok().map(Key::Order),
        ("orders", "user_id") => value.parse().ok().map(Key::OrdersOf),
        ("orders", "user_id,status") => {
            let (user, status) = value.split_once(',')?;
            // Keys have the names of Rust, and not the words of the database.
            let status = Status::ALL.into_iter().find(|one| format!("{one:?}") == status)?;
            Some(Key::OrdersIn(user.parse().ok()?, status))
        }
        _ => None,
    }
}

/// A store from which one can read.
struct HandsOff(Arc<dyn Store>);

impl Store for HandsOff {
    store::forward!(self.0, except attach, lease, fill, begin, finish, settle, extend, listen);

    fn lease(&self, keys: &[(&CellKey, Vacancy)], _: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        Ok(vec![None; keys.len()])
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        Ok(vec![false; fills.len()])
    }

    fn extend(&self, values: &[(&CellKey, Nonce, Duration)]) -> Result<Vec<bool>, StoreError> {
        Ok(vec![false; values.len()])
    }

    fn begin(&self, _: Nonce, _: &[&CellKey], _: Duration, _: Recall) -> Result<Option<Position>, StoreError> {
        Err(StoreError::refused("a probe does not write"))
    }

    fn finish(&self, _: Nonce, _: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        Err(StoreError::refused("a probe does not write"))
    }

    fn settle(&self, _: Option<Nonce>, _: &[&CellKey]) -> Result<(), StoreError> {
        Err(StoreError::refused("a probe does not write"))
    }
}

/// A store of a process on the lane's Redis.
///
/// # Panics
/// If the URL is none.
#[must_use]
pub fn redis_store(url: &str, namespace: &str, clock: &ManualClock, quarantine: Duration) -> RedisStore {
    RedisStore::builder(url)
        .namespace(namespace)
        .io_timeout(Duration::from_secs(10))
        .pool_size(2)
        .quarantine(quarantine)
        .clock(clock.clone())
        .build()
        .expect("the URL of a server that was started is one")
}
