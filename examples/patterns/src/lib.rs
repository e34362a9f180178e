//! What the examples have in common: a shop in a schema of its own, and every statement and answer on the screen.
//!
//! `cargo xtask services -- cargo run -p patterns --bin read-through`

#![expect(clippy::print_stdout, reason = "programs that show things")]

use std::{
    env,
    error::Error,
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bigdecimal::BigDecimal;
use diesel::{
    PgConnection,
    connection::{Connection as _, InstrumentationEvent, SimpleConnection as _},
    pg::Pg,
    r2d2::{self, ConnectionManager, CustomizeConnection, Pool},
};
use larder::{Builder, Larder};
use larder_redis::RedisStore;
use shop_core::{NewOrder, NewUser, Order, Status, User};
use uuid::Uuid;

/// What goes wrong ends the program, and is printed.
pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A shop that goes when this is dropped.
#[derive(Debug)]
pub struct Shop {
    pool: Pool<ConnectionManager<PgConnection>>,
    redis: String,
    schema: String,
    sent: Arc<AtomicUsize>,
}

impl Shop {
    /// Opens one on the servers that `DATABASE_URL` and `REDIS_URL` lead to.
    ///
    /// # Errors
    /// A variable is not set, or a server is not there.
    pub fn open() -> Outcome<Self> {
        let variable = |name| {
            env::var(name).map_err(|_| {
                format!("{name} is not set: `cargo xtask services -- cargo run -p patterns ..` starts servers")
            })
        };
        let (database, redis) = (variable("DATABASE_URL")?, variable("REDIS_URL")?);
        let schema = format!("patterns_{}", Uuid::new_v4().simple());
        let sent = Arc::new(AtomicUsize::new(0));
        let setup = Setup { schema: schema.clone(), sent: Arc::clone(&sent) };
        let pool = Pool::builder()
            .max_size(8)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_customizer(Box::new(setup))
            .build(ConnectionManager::new(database))?;
        let mut connection = pool.get()?;
        connection.batch_execute(&format!("CREATE SCHEMA {schema}"))?;
        shop_core::migrate(&mut connection).map_err(|error| error as Box<dyn Error>)?;
        drop(connection);
        Ok(Self { pool, redis, schema, sent })
    }

    /// A handle, as each process of an application would have one.
    ///
    /// # Errors
    /// The URL of the store is none.
    pub fn larder(&self) -> Outcome<Larder<Pg>> {
        self.built(|builder| builder)
    }

    /// The same with settings of its own.
    ///
    /// # Errors
    /// The URL of the store is none.
    pub fn built(&self, adjust: impl FnOnce(Builder<Pg>) -> Builder<Pg>) -> Outcome<Larder<Pg>> {
        // By default a thread stores what was loaded; here the caller does, so that the next line finds it.
        let builder = Larder::builder(self.pool.clone()).shared(self.store()?).fill_in_background(false);
        Ok(adjust(builder).build())
    }

    /// The store of this shop.
    ///
    /// # Errors
    /// The URL of the store is none.
    pub fn store(&self) -> Outcome<RedisStore> {
        // For 15 seconds after a server has started nothing is stored, since a write of its former life might still be under way. Of this
        // schema there is none.
        let store = RedisStore::builder(&self.redis).namespace(format!("{}:", self.schema)).quarantine(Duration::ZERO);
        Ok(store.build()?)
    }

    /// Does something, and prints what came of it and how many statements it took.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn show<T: Debug, E>(&self, what: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let before = self.sent.load(Ordering::SeqCst);
        let value = work()?;
        println!("{what}: {} statements, {value:?}", self.sent.load(Ordering::SeqCst) - before);
        Ok(value)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // Whoever starts it anew has a schema of another name.
        if let Ok(mut connection) = self.pool.get() {
            let _ = connection.batch_execute(&format!("DROP SCHEMA {} CASCADE", self.schema));
        }
    }
}

/// A user of that name.
///
/// # Errors
/// Those of the insertion.
pub fn user(larder: &Larder<Pg>, name: &str) -> larder::Result<User> {
    let email = format!("{name}@example.com");
    User::repository(larder).insert(&NewUser { id: None, email, created_at: None })
}

/// An order that was paid.
///
/// # Errors
/// Those of the insertion.
pub fn order(larder: &Larder<Pg>, user: &User, amount: i64) -> larder::Result<Order> {
    let (user_id, total_amount) = (user.id, BigDecimal::from(amount));
    let order = NewOrder { id: None, user_id, status: Status::Paid, total_amount, created_at: None };
    Order::repository(larder).insert(&order)
}

/// Sets connections up, and counts what they send.
#[derive(Debug)]
struct Setup {
    schema: String,
    sent: Arc<AtomicUsize>,
}

impl CustomizeConnection<PgConnection, r2d2::Error> for Setup {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), r2d2::Error> {
        connection.batch_execute(&format!("SET search_path TO {}", self.schema)).map_err(r2d2::Error::QueryError)?;
        let sent = Arc::clone(&self.sent);
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                let text = query.to_string();
                let counts = ["SELECT", "INSERT", "UPDATE", "DELETE", "REFRESH", "WITH"];
                let is_counted = counts.iter().any(|word| text.trim_start().starts_with(word));
                sent.fetch_add(usize::from(is_counted), Ordering::SeqCst);
            }
        });
        Ok(())
    }
}
