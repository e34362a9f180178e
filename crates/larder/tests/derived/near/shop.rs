//! Handles with near caches on one store, and what they ask of it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use diesel::sqlite::Sqlite;
use larder::{
    Larder, MemoryStore, NearOptions,
    store::{self, CellKey, Line, Listener, Listening, Operation, Store, Subscription, Watched},
};

use crate::database::Database;

/// Three users with their orders, a handle, and the store that it asks.
pub(super) struct Shop {
    pub(super) larder: Larder<Sqlite>,
    database: Database,
    store: Arc<dyn Store>,
    n_reads: Arc<AtomicUsize>,
    line: Option<FirstListener>,
    n_strict: Arc<AtomicUsize>,
}

impl Shop {
    /// On a store that tells of every change.
    pub(super) fn new(options: NearOptions) -> Self {
        Self::on(MemoryStore::new(), Some(options))
    }

    /// On a store that tells of nothing: the test does it by [`Shop::line`].
    pub(super) fn deaf(options: NearOptions) -> Self {
        let store = Deaf { line: Some(Arc::default()), ..Deaf::mute(MemoryStore::new()) };
        let (line, n_strict) = (store.line.clone(), Arc::clone(&store.n_strict));
        Self { line, n_strict, ..Self::on(store, Some(options)) }
    }

    pub(super) fn on(store: impl Store, near: Option<NearOptions>) -> Self {
        let n_reads = Arc::new(AtomicUsize::new(0));
        let store = Watched::new(store, {
            let n_reads = Arc::clone(&n_reads);
            move |operation, _: &[&CellKey]| {
                n_reads.fetch_add(usize::from(operation == Operation::Read), Ordering::SeqCst);
            }
        });
        let (database, store): (_, Arc<dyn Store>) = (Database::filled(), Arc::new(store));
        let builder = Larder::builder(database.pool.clone()).shared_arc(Arc::clone(&store));
        let larder = near.into_iter().fold(builder, larder::Builder::near).build();
        Self { larder, database, store, n_reads, line: None, n_strict: Arc::default() }
    }

    /// Another handle on the same store and database.
    pub(super) fn branch(&self, options: NearOptions) -> Larder<Sqlite> {
        Larder::builder(self.database.pool.clone()).shared_arc(Arc::clone(&self.store)).near(options).build()
    }

    /// Another handle on the same database, without a store.
    pub(super) fn bare(&self) -> Larder<Sqlite> {
        Larder::builder(self.database.pool.clone()).build()
    }

    /// Who listens first.
    pub(super) fn line(&self) -> Arc<dyn Listener> {
        let line = self.line.as_ref().expect("the store is deaf").lock().unwrap();
        Arc::clone(line.as_ref().expect("the handle listens"))
    }

    /// How often the deaf store was asked to let copies of strict models be served.
    pub(super) fn n_strict(&self) -> usize {
        self.n_strict.load(Ordering::SeqCst)
    }

    /// Waits until what was loaded is stored, and kept.
    pub(super) fn settle(&self) {
        assert!(self.larder.flush(Duration::from_secs(30)));
    }

    /// What `work` gives, which must send so many statements, and read the store so many times.
    #[track_caller]
    pub(super) fn costs<T>(
        &self,
        n_statements: usize,
        n_reads: usize,
        work: impl FnOnce(&Larder<Sqlite>) -> larder::Result<T>,
    ) -> T {
        let before = self.n_reads.load(Ordering::SeqCst);
        let value = self.database.costs(n_statements, |_| work(&self.larder));
        assert_eq!(self.n_reads.load(Ordering::SeqCst) - before, n_reads, "reads of the store");
        value
    }
}

type FirstListener = Arc<Mutex<Option<Arc<dyn Listener>>>>;

/// A store that does not tell of changes itself.
pub(super) struct Deaf {
    store: MemoryStore,
    /// Whoever wants to listen, the first of them: `None` if nobody can.
    line: Option<FirstListener>,
    n_strict: Arc<AtomicUsize>,
}

impl Deaf {
    pub(super) fn mute(store: MemoryStore) -> Self {
        Self { store, line: None, n_strict: Arc::default() }
    }
}

/// Counts how often copies of strict models are asked for.
struct NoLine(Arc<AtomicUsize>);

impl Line for NoLine {
    fn take_strict(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Store for Deaf {
    store::forward!(self.store, except listen);

    fn listen(&self, listener: Arc<dyn Listener>, _wanted: Listening) -> Option<Subscription> {
        let line = self.line.as_ref()?;
        line.lock().unwrap().get_or_insert(listener);
        Some(Subscription::new(NoLine(Arc::clone(&self.n_strict))))
    }
}
