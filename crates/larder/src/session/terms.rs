//! What is asked of reads, beside where they come from.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::Consistency;
use crate::{
    near::{Near, NearCache},
    patience::Patience,
    token::{Need, Token},
    trail::Follower,
};

/// What a scope or a repository asks of its reads.
pub(crate) struct Terms {
    /// What a repository asks for itself.
    floor: Floor,
    patience: Patience,
    client: Option<Arc<Client>>,
}

/// What a scope has seen.
#[derive(Default)]
pub(crate) struct Client {
    floor: Floor,
    follower: Option<Follower>,
    /// The age in nanoseconds of the oldest value that was given stale, plus one; 0 of none.
    stalest: AtomicU64,
}

impl Terms {
    pub(crate) fn of(client: Option<Arc<Client>>) -> Self {
        Self { floor: Floor::default(), patience: Patience::new(), client }
    }

    /// The same for reads that are as fresh as a write, too.
    pub(super) fn at_least_as_fresh_as(&self, token: Token) -> Self {
        let floor = Floor::default();
        floor.raise(self.floor.token().and(token));
        Self { floor, patience: self.patience, client: self.client.clone() }
    }

    pub(crate) fn patience(&self, patience: Patience) -> Self {
        Self { patience, ..self.at_least_as_fresh_as(Token::default()) }
    }

    /// Where a read has to come from at least. To be asked **before** anything is looked for near.
    pub(super) fn least(&self, near: Option<&NearCache>, kept: Near) -> Consistency {
        let own = self.floor.least(near, kept);
        self.client.as_ref().map_or(own, |client| own.max(client.floor.least(near, kept)))
    }

    pub(super) fn waits_forever(&self) -> bool {
        self.patience.is_endless()
    }

    /// For how long such a read is waited for, and whether old values may be given: not to those who want to see a write.
    pub(super) fn wait(&self) -> (Patience, bool) {
        let has_token = |floor: &Floor| !floor.token().is_empty();
        let wants_a_write =
            has_token(&self.floor) || self.client.as_ref().is_some_and(|client| has_token(&client.floor));
        (self.patience, !wants_a_write)
    }

    pub(super) fn client(&self) -> Option<&Client> {
        self.client.as_deref()
    }

    /// The same for another client.
    pub(crate) fn for_client(&self, client: Arc<Client>) -> Self {
        Self { client: Some(client), ..self.at_least_as_fresh_as(Token::default()) }
    }
}

impl Client {
    /// The same client, whose reads are followed.
    pub(crate) fn followed(&self) -> Self {
        let client = Self { follower: Some(Follower::default()), ..Self::default() };
        client.raise(self.token());
        client
    }

    pub(crate) fn follower(&self) -> Option<&Follower> {
        self.follower.as_ref()
    }

    pub(crate) fn token(&self) -> Token {
        self.floor.token()
    }

    pub(crate) fn raise(&self, token: Token) {
        self.floor.raise(token);
    }

    /// Runs a write, and keeps the token that it leaves, however it ends.
    pub(crate) fn writing<T>(&self, write: impl FnOnce(&mut Token) -> T) -> T {
        let mut token = Token::default();
        let done = write(&mut token);
        self.raise(token);
        done
    }

    pub(crate) fn gave_stale(&self, age: Duration) {
        let age = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        self.stalest.fetch_max(age, Ordering::SeqCst);
    }

    pub(crate) fn stalest(&self) -> Option<Duration> {
        self.stalest.load(Ordering::SeqCst).checked_sub(1).map(Duration::from_nanos)
    }
}

/// How fresh reads of one handle have to be.
#[derive(Default)]
struct Floor {
    token: Mutex<Token>,
    /// Whether the token still asks for something: what is near has not been found as fresh.
    is_open: AtomicBool,
}

impl Floor {
    fn lock(&self) -> MutexGuard<'_, Token> {
        // Nothing that can panic halfway through a change runs under this lock.
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token(&self) -> Token {
        *self.lock()
    }

    fn raise(&self, token: Token) {
        if !token.is_empty() {
            let mut mine = self.lock();
            *mine = mine.and(token);
            self.is_open.store(true, Ordering::SeqCst);
        }
    }

    fn least(&self, near: Option<&NearCache>, kept: Near) -> Consistency {
        if !self.is_open.load(Ordering::SeqCst) {
            return Consistency::Near;
        }
        let token = self.token();
        match token.need() {
            Need::Nothing => Consistency::Near,
            Need::Database => Consistency::Database,
            // What such a copy is served for is seen by everybody, wherever it was announced.
            Need::Announced(_) | Need::Shared if kept.is_strict() => Consistency::Near,
            Need::Announced(place) if near.is_some_and(|near| near.has_reached(&place)) => {
                self.meet(token);
                Consistency::Near
            }
            Need::Announced(_) | Need::Shared => Consistency::Shared,
        }
    }

    /// The near cache of the handle is as fresh as that, and stays so: if it loses its line, it loses its copies.
    fn meet(&self, token: Token) {
        let mine = self.lock();
        if *mine == token {
            self.is_open.store(false, Ordering::SeqCst);
        }
    }
}
