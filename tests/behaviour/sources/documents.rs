//! A source that is not SQL: articles as JSON documents in Redis, which knows how it was asked.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use larder::{source::Source, types::Json};
use redis::{Commands as _, RedisError};
use serde::{Deserialize, Serialize};
use tests::{Namespace, redis_url};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Article {
    pub(super) title: String,
    pub(super) version: u64,
}

impl larder::types::Document for Article {
    const FORM: &'static str = "article 1";
}

type Hook = Box<dyn FnOnce() + Send>;

/// The articles.
pub(super) struct Documents {
    client: redis::Client,
    prefix: Namespace,
    /// How many keys each call was asked for.
    asked: Mutex<Vec<usize>>,
    pub(super) is_away: AtomicBool,
    /// How many calls to come wait for the test before they answer.
    pub(super) n_held: AtomicUsize,
    /// What happens when the documents were read, and before the caller has them.
    hook: Mutex<Option<Hook>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Away;

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody answers")
    }
}

impl std::error::Error for Away {}

impl From<RedisError> for Away {
    fn from(_: RedisError) -> Self {
        Self
    }
}

impl Documents {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            client: redis::Client::open(redis_url()).unwrap(),
            prefix: Namespace::new(),
            asked: Mutex::default(),
            is_away: AtomicBool::new(false),
            n_held: AtomicUsize::new(0),
            hook: Mutex::default(),
        })
    }

    fn key(&self, key: &str) -> String {
        format!("{}:article:{key}", self.prefix.as_str())
    }

    pub(super) fn set(&self, key: &str, version: u64) -> Result<(), Away> {
        let article = Article { title: key.to_owned(), version };
        let mut connection = self.client.get_connection()?;
        Ok(connection.set(self.key(key), serde_json::to_vec(&article).unwrap())?)
    }

    pub(super) fn remove(&self, key: &str) -> Result<(), Away> {
        Ok(self.client.get_connection()?.del(self.key(key))?)
    }

    /// Does something once, when documents were read and nobody has them yet.
    pub(super) fn then(&self, hook: impl FnOnce() + Send + 'static) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(hook));
    }

    /// How many keys each call since the last time was asked for.
    pub(super) fn asked(&self) -> Vec<usize> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source for Documents {
    const NAME: &'static str = "articles";
    type Key = String;
    type Value = Json<Article>;
    type Error = Away;

    const MAX_KEYS: usize = 3;

    fn load(&self, keys: &[String]) -> Result<Vec<Option<Json<Article>>>, Away> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(keys.len());
        if self.is_away.load(Ordering::SeqCst) {
            return Err(Away);
        }
        let keys: Vec<String> = keys.iter().map(|key| self.key(key)).collect();
        let texts: Vec<Option<Vec<u8>>> = self.client.get_connection()?.mget(keys)?;
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner).take();
        hook.into_iter().for_each(|hook| hook());
        while self.n_held.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
        Ok(texts.into_iter().map(|text| Some(Json(serde_json::from_slice(&text?).ok()?))).collect())
    }
}
