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
//! serves a value must serve what the database has. A write that was acknowledged must be in one of the states since it began.

pub mod act;
pub mod cells;
pub mod deed;
pub mod judge;
pub mod lane;
pub mod late;
pub mod locks;
pub mod mutant;
pub mod naive;
pub mod nature;
pub mod plan;
pub mod proxy;
pub mod rows;
pub mod run;
pub mod schedule;
pub mod stage;
pub mod tally;
pub mod tools;
pub mod turn;
pub mod wire;
