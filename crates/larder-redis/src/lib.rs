//! The shared store of larder on Redis.
//!
//! [`RedisStore`] keeps the cells that every process of an application shares, coherent with what the database committed. It
//! knows keys, bytes, leases, markers and times to live, and neither SQL nor models.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use larder_redis::RedisStore;
//!
//! # fn main() -> Result<(), larder_redis::BuildError> {
//! let store = RedisStore::connect("redis://localhost")?;
//! let store = RedisStore::builder("redis://:secret@cache.internal:6379/2")
//!     .namespace("shop:")
//!     .pool_size(32)
//!     .io_timeout(Duration::from_millis(200))
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! The same connections also serve what else an application does with its Redis, with or without a cache: [`sessions`], [`rate`] limits,
//! [`topics`], whose messages come at most once, and [`streams`], whose messages come at least once.
//!
//! Neither call fails because the server is away: an application starts without its cache, and works with it as soon as it is
//! there.

mod answer;
mod buffer;
mod builder;
mod call;
mod cell;
mod digest;
mod error;
mod glob;
mod health;
mod keeps;
mod link;
mod listen;
mod message;
mod names;
mod pack;
mod pipe;
mod pool;
pub mod rate;
mod reign;
mod request;
mod scripts;
mod server;
pub mod sessions;
mod stop;
mod store;
pub mod streams;
mod strict;
pub mod topics;
mod warning;
mod wire;

pub use self::{
    buffer::RedisBuffer, builder::RedisStoreBuilder, error::BuildError, store::RedisStore, warning::Warning,
};
