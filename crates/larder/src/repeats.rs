//! Finding out single calls that should be one call of many keys: the N+1 problem, whether or not a cache hides it.
//!
//! Within a scope, a finder that is called singly on one line more than N times is reported once: by `tracing`, and as
//! [`Event::Repeated`](crate::Event::Repeated), with the line and the call to use in its place. Hits of the near cache count too: the
//! same code on a cold morning sends a statement for each.
//!
//! A transaction is a scope, unless it runs in one. Others are begun where the work for one request begins, on the thread that does it:
//!
//! ```
//! # fn answer() {}
//! let scope = larder::repeats::scope();
//! answer();
//! drop(scope);
//! ```
//!
//! [`Builder::report_repeats`](crate::Builder::report_repeats) says how often is too often: more than ten times in debug builds, and
//! never in others, unless it is told otherwise.

use std::{any::TypeId, cell::RefCell, collections::HashMap, fmt, marker::PhantomData};

use crate::{
    entity::{Entity, Pattern},
    lookout::{Lookout, Site},
};

thread_local! {
    /// What was called in each scope of this thread, the innermost last. One that has ended before those within it is `None`.
    static OPEN: RefCell<Vec<Option<Calls>>> = const { RefCell::new(Vec::new()) };
}

type Calls = HashMap<(TypeId, Verb, usize), u32>;

/// Begins a scope on this thread, which ends with the guard. A scope within a scope counts for itself.
pub fn scope() -> Scope {
    let depth = OPEN.try_with(|open| {
        let mut open = open.borrow_mut();
        open.push(Some(Calls::new()));
        open.len()
    });
    Scope { depth: depth.unwrap_or_default(), _of_thread: PhantomData }
}

/// The scope of a transaction, unless there is one already.
pub(crate) fn scope_of_transaction(lookout: &Lookout) -> Option<Scope> {
    (lookout.repeats() > 0 && OPEN.try_with(|open| open.borrow().is_empty()).unwrap_or(false)).then(scope)
}

/// A scope in which repeated calls are counted, of this thread.
#[must_use = "the scope ends with the guard"]
pub struct Scope {
    /// How many scopes there were with it, or 0 if the thread has none any more.
    depth: usize,
    /// It must end on the thread on which it began.
    _of_thread: PhantomData<*const ()>,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // While a thread ends, nobody counts any more.
        let _ = OPEN.try_with(|open| {
            let mut open = open.borrow_mut();
            // Guards need not go in the order in which they came.
            if let Some(calls) = self.depth.checked_sub(1).and_then(|at| open.get_mut(at)) {
                *calls = None;
            }
            while matches!(open.last(), Some(None)) {
                open.pop();
            }
        });
    }
}

/// What a single call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    Find,
    Exists,
    List,
    Count,
}

/// Takes note of a single call.
#[inline]
pub(crate) fn note<P: Pattern>(lookout: &Lookout, verb: Verb, site: Site) {
    if lookout.repeats() > 0 {
        count::<P>(lookout, verb, site);
    }
}

fn count<P: Pattern>(lookout: &Lookout, verb: Verb, site: Site) {
    // By its address: a line that has several is one line in the report all the same.
    let call = (TypeId::of::<P>(), verb, std::ptr::from_ref(site).addr());
    let n_calls = OPEN.try_with(|open| {
        let mut open = open.borrow_mut();
        let n_calls = open.last_mut()?.as_mut()?.entry(call).or_insert(0);
        *n_calls = n_calls.saturating_add(1);
        Some(*n_calls)
    });
    if let Ok(Some(n_calls)) = n_calls
        && n_calls == lookout.repeats().saturating_add(1)
    {
        let (call, instead) = verb.named::<P>();
        lookout.repeated(P::Entity::cells_name(), &call, &instead, n_calls, site);
    }
}

impl Verb {
    /// The finder's name, and what to call in its place.
    fn named<P: Pattern>(self) -> (String, String) {
        let by = P::NAME;
        let is_primary = TypeId::of::<P>() == TypeId::of::<<P::Entity as Entity>::Primary>();
        let (call, instead) = match (self, is_primary) {
            (Self::Find, true) => ("find", "`find_many`, or `with` the relation that leads there"),
            (Self::Exists, _) => ("exists", "`find_many`"),
            (Self::Find, false) => {
                return (format!("find_by_{by}"), format!("`find_by_{by}_many`"));
            }
            (Self::List, _) => {
                let instead = format!("`list_by_{by}_many`, or `with` the relation that leads there");
                return (format!("list_by_{by}"), instead);
            }
            (Self::Count, _) => {
                return (format!("count_by_{by}"), "`with` the count of the relation that leads there".to_owned());
            }
        };
        (call.to_owned(), instead.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n_open() -> usize {
        OPEN.with_borrow(Vec::len)
    }

    #[test]
    fn scopes_end_in_any_order() {
        let (first, second) = (scope(), scope());
        assert_eq!(n_open(), 2);
        drop(first);
        assert_eq!(n_open(), 2, "the inner one goes on");
        drop(second);
        assert_eq!(n_open(), 0);
        let (first, second) = (scope(), scope());
        drop(second);
        assert_eq!(n_open(), 1);
        drop(first);
        assert_eq!(n_open(), 0);
    }
}
