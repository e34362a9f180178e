use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use servers::{Error, Postgres, PostgresOptions, Redis, RedisOptions};

/// A Redis that one test may stop, kill, freeze and start again; clones are handles of the same server.
///
/// Its methods can be called from a hook of [`crate::Faulty`]. They panic when the server does not do as told.
#[derive(Debug, Clone)]
pub struct OwnRedis {
    server: Arc<Mutex<Redis>>,
}

/// A PostgreSQL that one test may stop, kill, freeze and start again; clones are handles of the same server.
///
/// Its database is empty: [`crate::Template::apply`] brings the tables.
#[derive(Debug, Clone)]
pub struct OwnPostgres {
    server: Arc<Mutex<Postgres>>,
}

macro_rules! own {
    ($own:ident, $server:ident, $options:ident, $default:expr, $url_of:literal) => {
        impl $own {
            /// Starts a server with the options that suit a test.
            #[expect(clippy::new_without_default, reason = "starting a server is more than a default should do")]
            #[must_use]
            pub fn new() -> Self {
                Self::with($default)
            }

            /// Starts a server.
            ///
            /// # Panics
            /// If it does not start.
            #[must_use]
            pub fn with(options: $options) -> Self {
                Self { server: Arc::new(Mutex::new(done($server::start(options)))) }
            }

            fn lock(&self) -> MutexGuard<'_, $server> {
                self.server.lock().unwrap_or_else(PoisonError::into_inner)
            }

            #[doc = $url_of]
            #[must_use]
            pub fn url(&self) -> String {
                self.lock().url()
            }

            /// The port, the same after a restart.
            #[must_use]
            pub fn port(&self) -> u16 {
                self.lock().port()
            }

            /// Ends the server in good order.
            pub fn stop(&self) {
                done(self.lock().stop());
            }

            /// Ends the server as a power cut would, and returns when it is gone.
            pub fn kill(&self) {
                done(self.lock().kill());
            }

            /// Freezes the server: connections stay open, nothing answers.
            pub fn pause(&self) {
                done(self.lock().pause());
            }

            /// Lets a frozen server go on.
            pub fn resume(&self) {
                done(self.lock().resume());
            }

            /// Starts the server again on its port, and returns when it takes connections.
            pub fn restart(&self) {
                done(self.lock().restart());
            }
        }
    };
}

own!(OwnRedis, Redis, RedisOptions, RedisOptions::default(), "The URL of its first database.");

// Without waiting for the disk, a server that is killed still has every commit; only a crash of the machine would lose some.
const QUICK: PostgresOptions = PostgresOptions { durable: false, settings: Vec::new() };
own!(OwnPostgres, Postgres, PostgresOptions, QUICK, "The URL of its database.");

#[track_caller]
fn done<T>(result: Result<T, Error>) -> T {
    match result {
        Ok(done) => done,
        Err(error) => panic!("{error} ({error:?})"),
    }
}

#[cfg(test)]
mod tests {
    use redis::{Commands as _, RedisResult};

    use super::*;

    #[test]
    fn a_restarted_redis_has_forgotten_and_is_another_life() {
        let own = OwnRedis::new();
        let client = redis::Client::open(own.url()).unwrap();
        let run_id = || {
            let info: redis::InfoDict = redis::cmd("INFO").query(&mut client.get_connection().unwrap()).unwrap();
            info.get::<String>("run_id").unwrap()
        };
        let (mut connection, first) = (client.get_connection().unwrap(), run_id());
        let _: () = connection.set("k", "v").unwrap();
        own.clone().kill();
        let answer: RedisResult<Option<String>> = connection.get("k");
        assert!(answer.is_err());
        own.restart();
        assert_eq!(client.get_connection().unwrap().get::<_, Option<String>>("k").unwrap(), None);
        assert_ne!(run_id(), first);
    }

    #[test]
    fn a_killed_postgres_has_its_committed_rows_again() {
        use diesel::{Connection as _, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
        let own = OwnPostgres::new();
        let mut connection = diesel::PgConnection::establish(&own.url()).unwrap();
        connection.batch_execute("CREATE TABLE t (x int); INSERT INTO t VALUES (7);").unwrap();
        own.kill();
        assert!(sql_query("SELECT x FROM t").execute(&mut connection).is_err());
        own.restart();
        let mut connection = diesel::PgConnection::establish(&own.url()).unwrap();
        assert_eq!(sql_query("SELECT x FROM t").execute(&mut connection).unwrap(), 1);
    }
}
