//! A shop whose cells can be spoiled, and stores that watch and fail.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use diesel::{connection::SimpleConnection, sqlite::Sqlite};
use larder::{
    Event, HandleEvent, Larder, MemoryStore, Models,
    store::{self, Bytes, Cell, CellKey, Cursor, Ending, Inspected, Nonce, Recall, Scanned, Store, StoreError},
    verify::{Report, Verify},
};

use crate::{
    database::Database,
    models::{Item, Order, User},
};

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// A database with rows, and a handle whose store can be reached from aside.
pub(super) struct Shop {
    pub(super) database: Database,
    pub(super) larder: Larder<Sqlite>,
    pub(super) store: Arc<MemoryStore>,
    pub(super) models: Models<Sqlite>,
    pub(super) events: Events,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Events(pub(super) Arc<Mutex<Vec<String>>>);

impl HandleEvent for Events {
    fn handle(&self, event: Event<'_>) {
        let mut lines = self.0.lock().unwrap();
        match event {
            Event::Mismatch { mismatch } => lines.push(format!("{}: {}", mismatch.key, mismatch.difference)),
            Event::StoreFailed { operation, .. } => lines.push(format!("{operation} failed")),
            other => panic!("{other:?}"),
        }
    }
}

impl Shop {
    pub(super) fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        Self::on(Arc::clone(&store), store)
    }

    pub(super) fn on(store: Arc<MemoryStore>, shared: Arc<dyn Store>) -> Self {
        let (database, events) = (Database::filled(), Events::default());
        let larder = Larder::builder(database.pool.clone())
            .shared_arc(shared)
            .events(events.clone())
            .fill_in_background(false)
            .build();
        let models = Models::new().with::<User>().with::<Order>().with::<Item>();
        let shop = Self { database, larder, store, models, events };
        shop.past("INSERT INTO items VALUES (1, 1, 'a'), (1, 2, 'b'), (2, 1, 'c')");
        shop
    }

    /// Reads by every pattern, so that every cell of Ada's and Bob's, and what is absent of user 9, is filled.
    pub(super) fn warm(&self) {
        let (users, orders, items) =
            (User::repository(&self.larder), Order::repository(&self.larder), Item::repository(&self.larder));
        users.find_many(&[1, 2, 9]).unwrap();
        users.find_by_email_many(&["ada@x", "bob@x", "nine@x"].map(str::to_owned)).unwrap();
        orders.find_many(&[1, 2, 3, 4, 5]).unwrap();
        orders.list_by_user_id_many(&[1, 2, 9]).unwrap();
        orders.list_by_user_id_and_status_many(&[1, 2, 9].map(|id| (id, "paid".to_owned()))).unwrap();
        items.find_many(&[(1, 1), (1, 2), (2, 1), (3, 1)]).unwrap();
        items.list_by_order_id_many(&[1, 2, 3]).unwrap();
    }

    /// Writes past larder.
    pub(super) fn past(&self, sql: &str) {
        self.database.pool.get().unwrap().batch_execute(sql).unwrap();
    }

    pub(super) fn verify(&self) -> Report {
        self.larder.verify(&self.models).run().unwrap()
    }

    /// Every key with a cell.
    pub(super) fn keys(&self) -> Vec<CellKey> {
        let (mut keys, mut next) = (Vec::new(), Some(Cursor::START));
        while let Some(cursor) = next {
            let page = self.store.scan(b"", cursor).unwrap();
            keys.extend(page.keys);
            next = page.next;
        }
        keys
    }

    /// A key as larder makes it: with the layout under which there is a value.
    pub(super) fn key(&self, name: &str) -> CellKey {
        let seen = self.looked_at(|verify| verify);
        seen.iter().find(|key| key.as_bytes() == name.as_bytes()).cloned().unwrap_or_else(|| panic!("no cell {name}"))
    }

    /// The cells that a verifier looks at.
    pub(super) fn looked_at(&self, adjust: impl FnOnce(Verify<'_, Sqlite>) -> Verify<'_, Sqlite>) -> Vec<CellKey> {
        let watched = Disturbed::new(&self.store);
        let spy = watched.spy.clone();
        let larder = Larder::builder(self.database.pool.clone()).shared(watched).build();
        adjust(larder.verify(&self.models)).run().unwrap();
        std::mem::take(&mut *spy.0.lock().unwrap())
    }

    pub(super) fn payload(&self, name: &str) -> Bytes {
        match self.store.read(&[self.key(name)]).unwrap().remove(0) {
            Cell::Value(payload) => payload,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// Puts bytes into a cell, as a writer would that has them from somewhere wrong.
    pub(super) fn put(&self, name: &str, payload: Bytes) {
        let (key, nonce) = (self.key(name), Nonce::fresh());
        self.store.begin(nonce, &[&key], MINUTE, Recall::Announced).unwrap();
        self.store.finish(nonce, &[(&key, Ending::Value { value: payload, ttl: MINUTE })]).unwrap();
    }
}

/// The keys that were looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Spy(pub(super) Arc<Mutex<Vec<CellKey>>>);

/// A store of which scans and inspections fail as often as the test says, and that keeps what was looked at.
pub(super) struct Disturbed {
    pub(super) store: Arc<MemoryStore>,
    pub(super) spy: Spy,
    pub(super) scans_to_fail: Mutex<usize>,
    pub(super) inspections_to_fail: Mutex<usize>,
}

impl Disturbed {
    pub(super) fn new(store: &Arc<MemoryStore>) -> Self {
        Self {
            store: Arc::clone(store),
            spy: Spy::default(),
            scans_to_fail: Mutex::default(),
            inspections_to_fail: Mutex::default(),
        }
    }
}

fn fail(left: &Mutex<usize>) -> Result<(), StoreError> {
    let mut left = left.lock().unwrap();
    if *left == 0 {
        return Ok(());
    }
    *left -= 1;
    Err(StoreError::unavailable("as the test wants it"))
}

impl Store for Disturbed {
    store::forward!(self.store, except inspect, scan);

    fn inspect(&self, keys: &[CellKey]) -> Result<Vec<Inspected>, StoreError> {
        self.spy.0.lock().unwrap().extend_from_slice(keys);
        fail(&self.inspections_to_fail)?;
        self.store.inspect(keys)
    }

    fn scan(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError> {
        fail(&self.scans_to_fail)?;
        self.store.scan(prefix, from)
    }
}
