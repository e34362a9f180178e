//! What larder promises, on a real PostgreSQL and a real Redis.

#![expect(clippy::unwrap_used, reason = "a test that fails here should")]
#![expect(clippy::type_complexity, reason = "the whole type is what is shown")]

mod backends;
mod site;
mod suite;

/// The back end.
type Db = diesel::pg::Pg;
