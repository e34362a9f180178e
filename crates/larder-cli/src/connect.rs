use std::time::Duration;

use diesel::{
    Connection as _, PgConnection,
    pg::Pg,
    r2d2::{ConnectionManager, NopErrorHandler, Pool},
};
use larder::Larder;
use larder_redis::{RedisStore, Warning};

use crate::{complaint::Complaint, options::Common};

/// Some connections to the database, of which the first is tried.
pub(crate) fn database(common: &Common) -> Result<Pool<ConnectionManager<PgConnection>>, Complaint> {
    // The pool would say that time is over, and not why.
    PgConnection::establish(&common.database_url).map_err(|error| Complaint::of(&error))?;
    Pool::builder()
        .max_size(3)
        .min_idle(Some(0))
        .connection_timeout(Duration::from_secs(10))
        .error_handler(Box::new(NopErrorHandler))
        .build(ConnectionManager::new(&common.database_url))
        .map_err(|error| Complaint::of(&error))
}

/// A handle on the application's rows and cells, and what the server's settings are not good for.
pub(crate) fn connect(common: &Common) -> Result<(Larder<Pg>, Vec<Warning>), Complaint> {
    let pool = database(common)?;
    let redis = RedisStore::builder(&common.redis_url).pool_size(2).io_timeout(Duration::from_secs(5));
    let redis = match &common.namespace {
        Some(namespace) => redis.namespace(namespace.as_str()),
        None => redis,
    };
    let store = redis.build().map_err(|error| Complaint::of(&error))?;
    let warnings = store.warnings().unwrap_or_default();
    Ok((Larder::builder(pool).shared(store).build(), warnings))
}
