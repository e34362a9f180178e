use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{request, response};
use larder::{Async, Backend, Dependencies, Larder, Looked, Scope, Trail, Turn, store::CellKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tokio::{runtime::Handle, task::spawn_blocking};

use super::{
    Found, ResponseKey, Responses,
    entry::{Entry, FORM},
};

/// Says what the answer to a request is built from.
type DependsOn<DB> = dyn Fn(&request::Parts) -> Option<Dependencies<DB>> + Send + Sync;

/// Keeps answers in the store of a [`Larder`], as results of a cached query are kept.
///
/// Under a time to live alone, an answer is as stale as that. One that [depends](Self::depends_on) on rows, keys, tables or tags is given only while
/// nothing of them was written: it is then what the service would answer, and has no `Age`.
///
/// Costs one round trip to the store for an answer that is kept. If none is, one or two more before the service is asked, and one after it, for which nobody waits;
/// each on a thread of the `Async`. A request that has an `Async<Scope<DB>>` in its extensions is answered on that scope's terms, and its trail says what was
/// asked. A store that is away costs what the handle's breaker and its time-outs let it.
pub struct LarderResponses<DB: Backend> {
    larder: Async<Larder<DB>>,
    name: Arc<str>,
    depends_on: Option<Arc<DependsOn<DB>>>,
}

impl<DB: Backend> LarderResponses<DB> {
    /// Answers of that name, which stands in the store as it is. No two routes have the same one, and none that is mounted twice, where each has
    /// another prefix that the layer does not see.
    #[must_use]
    pub fn new(larder: Async<Larder<DB>>, name: &str) -> Self {
        Self { larder, name: format!("response:{name}").into(), depends_on: None }
    }

    /// What the answer to a request is built from: `None` if nobody can tell, and then it is not kept.
    ///
    /// It has to name *everything* that the handler reads, by what the request alone says. A handler can have that checked: an answer with
    /// [`BuiltFrom`] in its extensions is kept only if all of it is covered. What is read near may be older than what the answer
    /// is kept under, unless it is a row or a key that is named itself: a handler that finds [`ToBeKept`](super::ToBeKept) among
    /// its request's extensions reads with [`Consistency::Shared`](larder::Consistency::Shared). What is kept for a time (memos,
    /// asides, other services, replicas) is covered by nothing.
    ///
    /// The first answer after a write may be made twice: loading its rows gives them other stamps than those that stood for their absence.
    #[must_use]
    pub fn depends_on(
        mut self,
        of: impl Fn(&request::Parts) -> Option<Dependencies<DB>> + Send + Sync + 'static,
    ) -> Self {
        self.depends_on = Some(Arc::new(of));
        self
    }
}

impl<DB: Backend> Clone for LarderResponses<DB> {
    fn clone(&self) -> Self {
        Self { larder: self.larder.clone(), name: Arc::clone(&self.name), depends_on: self.depends_on.clone() }
    }
}

impl<DB: Backend> fmt::Debug for LarderResponses<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LarderResponses").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<DB: Backend> Responses for LarderResponses<DB> {
    type Lease = LarderLease<DB>;

    async fn look(&self, request: &request::Parts, key: &ResponseKey, may_take: Duration) -> Found<LarderLease<DB>> {
        let depends_on = match &self.depends_on {
            None => Dependencies::new(),
            Some(of) => match of(request) {
                Some(depends_on) => depends_on,
                None => return Found::Unknown,
            },
        };
        let is_current = !depends_on.cells().is_empty();
        let (key, name) = (*key.as_bytes(), Arc::clone(&self.name));
        let larder = self.larder.clone();
        let scope: Async<Scope<DB>> = request.extensions.get().cloned().unwrap_or_else(|| self.larder.scope());
        let looked = scope.run(move |scope| {
            let query = scope.query(&name).params(&key).version(FORM.into()).may_take(may_take);
            let query = query.depends_on_all(&depends_on);
            Ok::<_, larder::Error>(match query.look::<Answer>() {
                Looked::Stored(Answer(answer)) => Found::Kept { answer, is_current },
                Looked::Turn(turn) => Found::Lease(LarderLease { turn: Some(turn), larder, depends_on }),
                Looked::Elsewhere => Found::Elsewhere,
                Looked::PassedBy => Found::Unknown,
            })
        });
        looked.await.unwrap_or_else(|error| {
            tracing::debug!(%error, "nobody can look for an answer");
            Found::Unknown
        })
    }

    fn may_keep(&self, lease: &LarderLease<DB>, head: &response::Parts) -> bool {
        let Some(built) = head.extensions.get::<BuiltFrom>() else { return true };
        let is_covered = built.is_covered(&lease.depends_on);
        if !is_covered {
            tracing::warn!(name = &*self.name, "an answer was built from what its route does not name: it is not kept");
        }
        is_covered
    }

    async fn keep(&self, mut lease: LarderLease<DB>, answer: Bytes, ttl: Duration) -> bool {
        // The lease itself goes along: where there is no thread to be had, it knows how to be dropped.
        let kept = self.larder.run(move |_| {
            let turn = lease.turn.take();
            Ok::<_, larder::Error>(turn.is_some_and(|turn| turn.ttl(ttl).store(&Answer(answer))))
        });
        kept.await.unwrap_or(false)
    }
}

/// The permission to keep an answer in the store of a [`Larder`].
#[derive(Debug)]
pub struct LarderLease<DB: Backend> {
    turn: Option<Turn<DB, Answer>>,
    /// On whose threads it is given back.
    larder: Async<Larder<DB>>,
    depends_on: Dependencies<DB>,
}

impl<DB: Backend> Drop for LarderLease<DB> {
    fn drop(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        match Handle::try_current() {
            // To give it back is to wait for the store, and here may be a thread that drives tasks.
            Ok(runtime) => drop(runtime.spawn(give_back(self.larder.clone(), turn))),
            Err(_) => drop(turn),
        }
    }
}

/// Gives a turn back on a thread of the `Async`, so that clients who go away take no more threads than others do; on another one only if it has none in time.
async fn give_back<DB: Backend>(larder: Async<Larder<DB>>, turn: Turn<DB, Answer>) {
    // What finds no thread is dropped here, where nothing may wait: the turn has to outlive it.
    let turn = Arc::new(Mutex::new(Some(turn)));
    let given = Arc::clone(&turn);
    let work = move |_: &Larder<DB>| {
        let turn = given.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(turn);
        Ok::<_, larder::Error>(())
    };
    if larder.run(work).await.is_err() {
        drop(spawn_blocking(move || drop(turn)));
    }
}

/// What an answer was built from. A handler puts it into the extensions of its response, to have what its route names checked by it.
///
/// It is made of the [`Trail`] of a scope that is [`followed`](Scope::followed), or of dependencies that the handler names itself. One that
/// tells nothing, as that of a scope that is not followed, has the answer not kept. No trail has the reads in transactions, nor what a call with
/// [patience](Scope::patience) has had loaded on another thread: who reads so names it in the route, and nobody checks that.
#[derive(Debug, Clone)]
pub struct BuiltFrom {
    cells: Vec<CellKey>,
    is_near: bool,
}

impl BuiltFrom {
    fn is_covered<DB: Backend>(&self, by: &Dependencies<DB>) -> bool {
        // Near copies are dropped of those that are named themselves, and of no others.
        let is_named = |cell| by.cells().contains(cell) || (!self.is_near && by.cover(cell));
        // A scope that nobody follows has nothing to tell, whatever was read.
        !self.cells.is_empty() && self.cells.iter().all(is_named)
    }
}

impl From<&Trail> for BuiltFrom {
    fn from(trail: &Trail) -> Self {
        Self { cells: trail.cells.clone(), is_near: trail.near > 0 }
    }
}

impl<DB: Backend> From<&Dependencies<DB>> for BuiltFrom {
    fn from(of: &Dependencies<DB>) -> Self {
        Self { cells: of.cells().to_vec(), is_near: false }
    }
}

/// The bytes of an answer, as the store has them.
#[derive(Debug)]
struct Answer(Bytes);

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Answer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of an answer")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Answer, E> {
                self.visit_byte_buf(bytes.to_vec())
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Answer, E> {
                let bytes = Bytes::from(bytes);
                // What is none is thrown away by larder, and made anew.
                if Entry::is_one(&bytes) { Ok(Answer(bytes)) } else { Err(E::custom("no answer")) }
            }
        }

        deserializer.deserialize_byte_buf(Visitor)
    }
}
