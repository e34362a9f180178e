//! Safe writes on PostgreSQL: versions, locks, soft deletion, batches, streams, and what is done once.

mod batches;
mod locks;
mod once;
mod scene;
mod soft;
mod versions;
