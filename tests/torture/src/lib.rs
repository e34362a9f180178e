//! The protocol on real servers, one step at a time, in orders drawn from seeds.
//!
//! The real larder runs on a real PostgreSQL and a real Redis. Four actors, each a thread, read and write a handful of rows; at each of
//! larder's [places](larder::failpoints::Point) they stop, and a seed draws who goes on, what goes wrong, and what arrives late. A schedule
//! is as good as its seed: the same seed plays the same schedule.
//!
//! # The oracle
//!
//! Exactly one step runs at a time, and after each that can have committed something all rows are read from PostgreSQL. So every state
//! that the database was ever in is known, and so is their order. A read is linearizable (Herlihy and Wing, *Linearizability: A Correctness
//! Condition for Concurrent Objects*, 1990) for its key if and only if it gave what the key had in one of the states between the read's
//! begin and its end. That is exact, and needs no search: writes are totally ordered, and their order is known. A key is a row by its
//! primary key, a row by a unique key, or a list; a page of keys is compared key by key.
//!
//! After every COMMIT, and at the end, when all faults are over and everything that was on its way has arrived or is lost, each cell that
//! serves a value must serve what the database has. A write that was acknowledged must be in one of the states since it began; an amount of
//! one that says that it has not happened, or of a savepoint that was rolled back, must be in none.
//!
//! In two of five schedules the handles keep rows near. A read that was answered there may be as old as the horizon, by a clock that goes on
//! by a millisecond with each step; but it may not be older, nor, key by key, older than what its process has written or read. A read that asked
//! the store for the key is judged as ever. Results of cached queries, which depend on a row, a key or a table, are never near and are
//! judged as rows are.
//!
//! # Themes
//!
//! Each schedule has one ([`theme`]), and all have the faults that it promises to outlive. The rows of most are written at once, and judged as above.
//!
//! - **Write-behind**: amounts are changed through a buffer, by several processes; others flush, read with and without what waits, and write
//!   other columns of the same rows. An amount tells which changes it is made of and how often each counts ([`ledger`]), so each
//!   state of the database is compared with what callers were told: what was acknowledged counts once and in its order, what was denied never, and what nobody
//!   knows once or never. What a reader finds with what waits has all that was acknowledged before he asked. What is flushed is judged as any
//!   write. Calls lost, unanswered and late befall the buffer, too; flushers are killed at each place, meet, and read the same entries.
//! - **Cache-aside**: values whose homes are elsewhere are loaded, put, updated and forgotten; homes are written well, unanswered, late or never. A
//!   value is the moment at which it was computed, so one number a key says what is too old to be given to whoever asks now ([`aside`]).
//! - **Maintained columns**: in every state of the database the sums are what the rows come to ([`books`]), and those who read them are judged
//!   as readers of any row are.
//! - **Trees**: rows of three levels, and of some that any tree may show, are read by their roots' keys, from cells that hold whole trees. They are
//!   moved at each level, deleted with what hangs from them, inserted anew, too many at once and too large. Who loads a tree sends a statement for
//!   each level, so each row and list of it must be of a state since the read began, and of none before the level above ([`trees::rows::made_of`]);
//!   what a cell serves must be of one.
//! - **A materialized view**: whoever begins to read is given nothing older than the last refresh that had returned, and when all is over and a
//!   relay has run, no cell serves anything but the view.
//!
//! # What is played, and what is not
//!
//! - What Redis publishes waits in a queue for each process, until it is told of it: at once, late, or never, if its line is lost. On a line nothing
//!   overtakes anything, answers to questions included. Strict models are not played: the storm does that.
//! - Who waits for what another thread of its process loads gives the turn back until somebody else has done something. A schedule in which
//!   all that is left to do is to wait panics.
//! - A killed actor unwinds from the place where it stands, its connection is closed, and all actors of its process go with it.
//! - An operation of the store is lost, answered in vain, or done later than its caller was told; fills by a handle's courier and ends by
//!   its repairer too. Later may be after anything, so operations overtake each other.
//! - Time is played: a marker's record expires by hand once it is certain how its transaction ended, as the hold promises, and the
//!   quarantine goes by a clock of the lane's own. What a handle does when the hold of an unknown COMMIT is over, nature does in its place.
//! - No actor is sent into a statement that would wait for a row lock, since whoever holds it stands still. [`locks`] knows which those
//!   are; one that it forgets is a violation, after ten seconds. Whether the way to a tree's root is locked, which is larder's own doing, the database is asked: who
//!   finds a row free moves it, whoever should have locked it. Of transactions that write several rows of trees one goes on at a time. So a statement never finds a row changed while it waited.
//! - Writes are strict. What goes on by way of the outbox may be read late by others, which is no promise that this oracle could judge.
//! - Callers who buffer at the same time in one process go one after the other: who shares an entry with others waits for them off the stage. A buffer's
//!   server forgets nothing; one that does breaks what is promised. No change is one that the database rejects, and no call waits for room. Where additions
//!   are written through, nothing is set, and they may overtake each other.
//! - Homes of values aside let two write at once. Where Redis forgets in between, what one stores may be older than what the other, which fails, has
//!   written: nothing is said of an update that was under way then until it has returned well. They are never seen as they were, as on a Redis that is restored from a snapshot: that is told where
//!   [`Aside::update`](larder::Aside::update) is.
//! - What a refresh could not empty is made up for by a thread that is on no stage, so its settlements go well. Refreshes are by hand.
//! - Faults against the rules ([`tally::Fault::MarkerEvicted`]) are in schedules of their own, of which only the end is judged.
//!
//! # Where to add
//!
//! Another kind of fault is a variant of [`tally::Fault`] and what it does in [`nature`]; another thing to do is a variant of
//! [`plan::Statement`] or [`plan::Read`], what it does in [`deed`], and its locks; another kind of actor is a [`plan::Deed`], in a
//! [`theme::Theme`] of its own if it has another oracle. The run of CI fails if a place or a fault is not reached. A new rule of the protocol gets a [`mutant::Mutation`] that takes it out.

pub mod act;
pub mod aside;
pub mod behind;
pub mod books;
pub mod cells;
pub mod deed;
pub mod history;
pub mod judge;
pub mod lane;
pub mod late;
pub mod ledger;
pub mod line;
pub mod locks;
pub mod mutant;
pub mod naive;
pub mod nature;
pub mod pipe;
pub mod plan;
pub mod proxy;
pub mod rows;
pub mod run;
pub mod schedule;
pub mod stage;
pub mod tally;
pub mod theme;
pub mod tools;
pub mod trees;
pub mod turn;
pub mod wire;
