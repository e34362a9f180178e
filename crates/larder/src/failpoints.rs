//! Named places between the steps of the protocol, where a test can stop a thread.
//!
//! Without the feature `failpoints` they are nothing. With it, a thread that has a [hook](on_this_thread) runs it at each place that it
//! comes to: a hook that waits lets others run in between, and one that panics is a process that was killed there.

/// A place between two steps of a read or a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[cfg_attr(not(feature = "failpoints"), expect(unreachable_pub, reason = "public with the feature only"))]
#[cfg_attr(
    not(any(feature = "behind", feature = "failpoints")),
    allow(dead_code, reason = "relays and buffers are for PostgreSQL only")
)]
pub enum Point {
    /// A reader has leave to serve what is kept near as of now, and is about to look there.
    BeforeNear,
    /// A reader is about to look cells up.
    BeforeRead,
    /// It knows what the cells hold.
    AfterRead,
    /// It is about to take leases on what it lacks.
    BeforeLease,
    /// It has the answer in hand.
    AfterLease,
    /// It is about to send its query.
    BeforeSelect,
    /// It has the rows.
    AfterSelect,
    /// It waits for rows that another thread of this process loads. It comes here again and again until it has them.
    Waiting,
    /// Another process loads what it wants; it is about to ask the store once more.
    Polling,
    /// The rows are about to be stored under their leases, by whoever does that.
    BeforeFill,
    /// They are stored, or the store refused them.
    AfterFill,
    /// A writer has done its statements and holds its row locks; it is about to mark its cells.
    BeforeBegin,
    /// Its cells are marked.
    AfterBegin,
    /// It is about to send COMMIT.
    BeforeCommit,
    /// COMMIT was answered, one way or the other.
    AfterCommit,
    /// It is about to end its marks.
    BeforeFinish,
    /// Its marks are ended; the write has not returned yet.
    AfterFinish,
    /// A writer that could not mark its cells is about to leave their keys in the outbox.
    BeforeOutbox,
    /// The keys are in its transaction, and its own handle does not pass its cells by yet.
    AfterOutbox,
    /// It has committed, and its cells are about to be settled, by whoever does that.
    BeforeSettle,
    /// They are settled, or the store failed; they are still passed by.
    AfterSettle,
    /// A relay has taken rows of the outbox, and locks them.
    RelayTaken,
    /// Their cells are settled; the rows are still there.
    RelaySettled,
    /// The rows are deleted; that is not committed yet.
    RelayDeleted,
    /// Changes are about to be sent to a buffer.
    BeforeAppend,
    /// The buffer has them; their callers have not heard of it.
    AfterAppend,
    /// A flusher has read entries, and keeps others from applying any of their producers.
    FlushLocked,
    /// It has changed the rows.
    FlushWritten,
    /// It has taken down which entries are applied; that is not committed yet.
    FlushMarked,
    /// All is committed; the entries are about to be removed.
    BeforeRemove,
    /// They are.
    AfterRemove,
    /// A partition is made, and rows are moved into it; that is not committed yet.
    PartitionFilled,
    /// An old partition is detached, and its rows' cells are not emptied yet.
    PartitionDetached,
    /// They are.
    PartitionForgotten,
    /// Its rows are written to a file, or need not be; it is about to be dropped.
    PartitionArchived,
}

#[cfg(feature = "failpoints")]
impl Point {
    /// All of them, in the order in which a read and then a write come to them; then those of a write without
    /// the store, of one that waits in a buffer, and of a keeper of partitions.
    pub const ALL: [Self; 35] = [
        Self::BeforeNear,
        Self::BeforeRead,
        Self::AfterRead,
        Self::BeforeLease,
        Self::AfterLease,
        Self::BeforeSelect,
        Self::AfterSelect,
        Self::Waiting,
        Self::Polling,
        Self::BeforeFill,
        Self::AfterFill,
        Self::BeforeBegin,
        Self::AfterBegin,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::BeforeFinish,
        Self::AfterFinish,
        Self::BeforeOutbox,
        Self::AfterOutbox,
        Self::BeforeSettle,
        Self::AfterSettle,
        Self::RelayTaken,
        Self::RelaySettled,
        Self::RelayDeleted,
        Self::BeforeAppend,
        Self::AfterAppend,
        Self::FlushLocked,
        Self::FlushWritten,
        Self::FlushMarked,
        Self::BeforeRemove,
        Self::AfterRemove,
        Self::PartitionFilled,
        Self::PartitionDetached,
        Self::PartitionForgotten,
        Self::PartitionArchived,
    ];
}

/// A thread comes to a place at which it would wait: whether a hook has let it wait instead.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn waits(_point: Point) -> bool {
    false
}

/// Whether a hook would let this thread wait. Asked where a lock must be given back before it may.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn is_hooked() -> bool {
    false
}

/// A thread comes to a place.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn reach(_point: Point) {}

#[cfg(feature = "failpoints")]
pub use self::hook::{Hooked, on_this_thread};
#[cfg(feature = "failpoints")]
pub(crate) use self::hook::{is_hooked, reach, waits};

#[cfg(feature = "failpoints")]
mod hook {
    use std::{cell::RefCell, marker::PhantomData, rc::Rc};

    use super::Point;

    type Hook = Rc<dyn Fn(Point)>;

    thread_local! {
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    }

    /// Runs `hook` at each place that this thread comes to, until the guard is dropped. A hook takes the place of the one before it.
    ///
    /// larder holds no lock of its own at any of them. Threads of larder's own have no hook.
    #[must_use = "the hook is taken away when this is dropped"]
    pub fn on_this_thread(hook: impl Fn(Point) + 'static) -> Hooked {
        HOOK.with(|place| *place.borrow_mut() = Some(Rc::new(hook)));
        Hooked { _of_this_thread: PhantomData }
    }

    /// Keeps a hook in place.
    #[derive(Debug)]
    pub struct Hooked {
        _of_this_thread: PhantomData<Rc<()>>,
    }

    impl Drop for Hooked {
        fn drop(&mut self) {
            HOOK.with(|place| place.borrow_mut().take());
        }
    }

    pub(crate) fn is_hooked() -> bool {
        HOOK.with(|place| place.borrow().is_some())
    }

    pub(crate) fn reach(point: Point) {
        waits(point);
    }

    pub(crate) fn waits(point: Point) -> bool {
        // Cloned, since a hook that panics takes itself away.
        let hook = HOOK.with(|place| place.borrow().clone());
        let is_hooked = hook.is_some();
        if let Some(hook) = hook {
            hook(point);
        }
        is_hooked
    }
}

#[cfg(all(test, feature = "failpoints"))]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    #[test]
    fn a_hook_hears_of_its_own_thread_until_its_guard_is_dropped() {
        let heard = Rc::new(RefCell::new(Vec::new()));
        let hooked = on_this_thread({
            let heard = Rc::clone(&heard);
            move |point| heard.borrow_mut().push(point)
        });
        reach(Point::BeforeRead);
        std::thread::spawn(|| reach(Point::AfterRead)).join().unwrap();
        drop(hooked);
        reach(Point::BeforeLease);
        assert_eq!(*heard.borrow(), [Point::BeforeRead]);
    }
}
